"""Measures no-op jobs through workers that differ in what is added to their command line.

Each block starts every arm's worker anew and measures each several times in turn, in a seeded
random order, while all are running; ratios are taken within blocks. Workers are fresh because the
memory layout of a process changes its speed by a few percent for its whole life, which further
trials in it can't average out. The hash seed does too: it is the same for the workers of a block. A
second bare worker is an A/A control: its ratio is the noise. Throughput is measured from the time
at which a tenth of the queue is fetched to the time at which all of it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from lab.instruments.process_sampler import Sampler
from lab.system.redis_server import RedisServer
from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import records_stream
from poolbench.pools import available_pools
from poolbench.settings import load_settings
from report.statistics.ratios import paired_ratio

app = Celery("noop", broker=load_settings().redis_url)
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=True,
)

RUN = "benchmark"

_ROOT = Path(__file__).resolve().parent.parent


@app.task(name="benchmark.noop")
def noop() -> None:
    """Do nothing, so that only Celery and the additions to it are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The worker of an arm, in one block."""

    arm: str
    process: subprocess.Popen[bytes]
    sampler: Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The results of one trial."""

    jobs_per_s: float
    #: CPU-seconds per 1,000 jobs: of the worker with all its children, and of its recorder.
    cpu_s: float
    recorder_cpu_s: float
    #: CPU time of the recorder per second of the trial.
    recorder_share: float


@dataclass(slots=True, kw_only=True)
class Arm:
    """What an arm's worker has in addition, and its results by block: the means of its trials."""

    name: str
    #: Added to the worker's command line and to its environment.
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    jobs_per_s: dict[int, float] = field(default_factory=dict)
    cpu_s: dict[int, float] = field(default_factory=dict)
    recorder_cpu_s: dict[int, float] = field(default_factory=dict)
    recorder_share: dict[int, float] = field(default_factory=dict)

    def add(self, block: int, trials: Sequence[Trial]) -> None:
        """Add one block's trials."""
        self.jobs_per_s[block] = statistics.fmean(trial.jobs_per_s for trial in trials)
        self.cpu_s[block] = statistics.fmean(trial.cpu_s for trial in trials)
        self.recorder_cpu_s[block] = statistics.fmean(trial.recorder_cpu_s for trial in trials)
        self.recorder_share[block] = statistics.fmean(trial.recorder_share for trial in trials)


def measure_arms(
    arms: Sequence[Arm], options: argparse.Namespace, *, is_enough: Callable[[], bool]
) -> None:
    """Add results to the arms, until they are enough or the time limit is reached."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(RedisServer(folder=folder / "data")).url()
        client = stack.enter_context(redis.Redis.from_url(url))
        template = _template(url, client)
        order = random.Random(options.seed)
        deadline_s = time.monotonic() + options.at_most_s
        for block in range(options.blocks):
            found = _run_block(url, client, template, arms, options, folder, order)
            for arm in arms:
                arm.add(block, found[arm.name])
            if time.monotonic() > deadline_s or is_enough():
                break


def parse_options(
    argv: Sequence[str] | None, *, program: str, description: str | None
) -> argparse.Namespace:
    """Return the options of a benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    pools = [pool.name for pool in available_pools()]
    parser.add_argument("--pool", choices=pools, default="prefork")
    parser.add_argument("--slots", type=_whole(1, 64), default=2)
    parser.add_argument("--jobs", type=_whole(200, 100_000), default=1_000, help="in a trial")
    parser.add_argument("--trials", type=_whole(1, 100), default=4, help="in a block, of each arm")
    parser.add_argument("--blocks", type=_whole(2, 1_000), default=60, help="at most")
    parser.add_argument("--at-most-s", type=_whole(5, 3_600), default=600)
    parser.add_argument("--seed", type=_whole(0, 2**31), default=1)
    return parser.parse_args(argv)


def _run_block(
    url: str,
    client: redis.Redis,
    template: str,
    arms: Sequence[Arm],
    options: argparse.Namespace,
    folder: Path,
    order: random.Random,
) -> dict[str, list[Trial]]:
    """Measure fresh workers of all arms in turn; return each one's trials."""
    found: dict[str, list[Trial]] = {arm.name: [] for arm in arms}
    hash_seed = order.randrange(2**32)
    with _workers(url, arms, options, folder, hash_seed=hash_seed) as workers:
        for worker in workers:
            # discarded: it includes imports, connections, and the first jobs of each slot
            _measure(worker, client, template, jobs=400)
        for _ in range(options.trials):
            for worker in order.sample(workers, len(workers)):
                found[worker.arm].append(_measure(worker, client, template, jobs=options.jobs))
    return found


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole_number(word: str) -> int:
        number = int(word)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"it takes {low} to {high}, not {word}")
        return number

    return whole_number


@contextlib.contextmanager
def _workers(
    url: str, arms: Sequence[Arm], options: argparse.Namespace, folder: Path, *, hash_seed: int
) -> Iterator[list[Worker]]:
    """Start a worker of each arm; end all of them at the same time."""
    workers: list[Worker] = []
    try:
        for arm in arms:
            process = _start(arm, url, options, folder, hash_seed=hash_seed)
            sampler = Sampler(process.pid, contender=arm.name)
            workers.append(Worker(arm=arm.name, process=process, sampler=sampler))
        yield workers
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            try:
                worker.process.wait(10)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def _start(
    arm: Arm, url: str, options: argparse.Namespace, folder: Path, *, hash_seed: int
) -> subprocess.Popen[bytes]:
    name = arm.name
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.noops", "worker", *arm.options]
    command += ["-P", options.pool, "-c", str(options.slots), "-Q", name, "-n", f"{name}@%h"]
    command += ["--without-mingle", "--without-gossip", "-l", "error"]
    environment = dict(os.environ)
    environment |= {"POOLBENCH_REDIS_URL": url, "POOLBENCH_CONTENDER": name, **arm.environment}
    environment["PYTHONHASHSEED"] = str(hash_seed)
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=log, stderr=log)


def _template(url: str, client: redis.Redis) -> str:
    """Return one real message with Poolbench's header, captured from Celery."""
    header = JobHeader(run=RUN, trial=0, seq=0, contender="x", due_ns=1, sent_ns=1)
    options: dict[str, Any] = {"queue": "capture", "headers": {HEADER: header.as_dict()}}
    with app.connection_for_write(url) as connection, app.amqp.Producer(connection) as producer:
        noop.apply_async(producer=producer, **options)
    captured = client.rpop("capture")
    assert isinstance(captured, bytes)
    return captured.decode()


def _messages(template: str, *, count: int, queue: str) -> Iterator[str]:
    """Yield messages that differ, like Celery's, in their ids, tags and queue."""
    message = json.loads(template)
    properties, headers = message["properties"], message["headers"]
    properties["delivery_info"]["routing_key"] = queue
    for seq in range(count):
        job_id = f"{secrets.token_hex(16)}"
        headers["id"] = headers["root_id"] = properties["correlation_id"] = job_id
        properties["delivery_tag"] = f"tag-{job_id}"
        headers[HEADER]["seq"] = seq
        yield json.dumps(message)


def _measure(worker: Worker, client: redis.Redis, template: str, *, jobs: int) -> Trial:
    """Run one trial."""
    messages = list(_messages(template, count=jobs, queue=worker.arm))
    started_s = time.monotonic()
    before = worker.sampler.sample(trial=0)
    client.lpush(worker.arm, *messages)
    begun_s = _wait_for_length(client, worker, at_most=jobs - jobs // 10)
    ended_s = _wait_for_length(client, worker, at_most=0)
    _wait_until_idle(client, worker, template)
    after = worker.sampler.sample(trial=0)
    client.delete(records_stream(RUN))
    if before is None or after is None:
        raise SystemExit(f"the worker of arm {worker.arm} is gone")
    thousands = (jobs + 1) / 1_000
    recorder_cpu_s = after.recorder_cpu_s - before.recorder_cpu_s
    return Trial(
        jobs_per_s=(jobs - jobs // 10) / (ended_s - begun_s),
        cpu_s=(after.cpu_s - before.cpu_s + recorder_cpu_s) / thousands,
        recorder_cpu_s=recorder_cpu_s / thousands,
        recorder_share=recorder_cpu_s / (time.monotonic() - started_s),
    )


def _wait_for_length(client: redis.Redis, worker: Worker, *, at_most: int) -> float:
    """Wait until at most ``at_most`` jobs are in the queue; return the time of that."""
    deadline_s = time.monotonic() + 120
    while True:
        length = client.llen(worker.arm)
        now_s = time.monotonic()
        if isinstance(length, int) and length <= at_most:
            return now_s
        if worker.process.poll() is not None or now_s > deadline_s:
            raise SystemExit(f"the worker of arm {worker.arm} does not work; see --help")
        time.sleep(0.002)


def _wait_until_idle(client: redis.Redis, worker: Worker, template: str) -> None:
    """Wait until prefetched jobs are done too: one more job has run, and all are acknowledged."""
    client.lpush(worker.arm, *_messages(template, count=1, queue=worker.arm))
    _wait_for_length(client, worker, at_most=0)
    deadline_s = time.monotonic() + 30
    while client.hlen("unacked") and time.monotonic() < deadline_s:
        time.sleep(0.01)
    # the recorder delivers lines after a pause, and its work belongs to this trial
    time.sleep(0.2)


def format_ratio(ours: Mapping[int, float], *, theirs: Mapping[int, float]) -> str:
    """Return the ratio of two arms' figures with its interval."""
    ratio = paired_ratio(ours, theirs=theirs)
    return f"{ratio.value:.3f} [{ratio.low:.3f}-{ratio.high:.3f}]" if ratio else "-"
