"""What the probe costs: no-op jobs with it and without it, and with Celery's events, in pairs.

    python -m benchmarks.probe --pool prefork --at-most-s 180

Each block measures every arm once, in a seeded random order, on workers that all are up; the ratio
is taken within blocks. It ends when the ratio's interval is within ±3 %, or with the time. It
prints, and asserts nothing. Throughput is that of the queue's middle: from the moment a tenth is
fetched to the moment all is.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from lab.sampler import Sampler
from lab.server import free_port, start_server
from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import records_stream
from poolbench.pools import available_pools
from poolbench.settings import load_settings
from report.stats import CLAIM_BLOCKS, paired_ratio

app = Celery("noop", broker=load_settings().redis_url)
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=True,
)

#: Arms by name: what is added to the worker's command line.
ARMS = {
    "bare": (),
    "probe": ("-I", "poolbench.probe"),
    "events": ("-E",),
}

#: The ratio's interval is narrow enough at this share of it.
GOOD_ENOUGH = 0.03

RUN = "benchmark"

_ROOT = Path(__file__).resolve().parent.parent


@app.task(name="benchmark.noop")
def noop() -> None:
    """Do nothing: all that is measured is Celery, and what is added to it."""


@dataclass(slots=True, kw_only=True)
class Arm:
    """One worker and what was measured of it, by block."""

    name: str
    process: subprocess.Popen[bytes]
    sampler: Sampler
    jobs_per_s: dict[int, float] = field(default_factory=dict)
    #: CPU-seconds per 1,000 jobs: of the worker with all it started, and of the recorder in it.
    cpu_s: dict[int, float] = field(default_factory=dict)
    recorder_cpu_s: dict[int, float] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parse(argv)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(_server(folder))
        client = stack.enter_context(redis.Redis.from_url(url))
        arms = [stack.enter_context(_arm(name, url, options, folder)) for name in ARMS]
        template = _template(url, client)
        order = random.Random(options.seed)
        for arm in arms:
            # not measured: imports, connections, the first jobs of each slot
            _measure(arm, client, template, jobs=200, block=-1)
        deadline_s = time.monotonic() + options.at_most_s
        block = 0
        while block < options.blocks and time.monotonic() < deadline_s:
            for arm in order.sample(arms, len(arms)):
                _measure(arm, client, template, jobs=options.jobs, block=block)
            block += 1
            if _is_good_enough(arms):
                break
        _print(arms, options)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probe", description=__doc__)
    pools = [pool.name for pool in available_pools()]
    parser.add_argument("--pool", choices=pools, default="prefork")
    parser.add_argument("--slots", type=_whole(1, 64), default=2)
    parser.add_argument("--jobs", type=_whole(200, 100_000), default=2_000, help="in a trial")
    parser.add_argument("--blocks", type=_whole(2, 1_000), default=60, help="at most")
    parser.add_argument("--at-most-s", type=_whole(5, 3_600), default=180)
    parser.add_argument("--seed", type=_whole(0, 2**31), default=1)
    return parser.parse_args(argv)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole_number(word: str) -> int:
        number = int(word)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"it takes {low} to {high}, not {word}")
        return number

    return whole_number


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    port, password = free_port(), secrets.token_hex(16)
    process = start_server(
        port=port, password=password, folder=folder / "data", log=folder / "server.log"
    )
    try:
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _arm(name: str, url: str, options: argparse.Namespace, folder: Path) -> Iterator[Arm]:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.probe", "worker", *ARMS[name]]
    command += ["-P", options.pool, "-c", str(options.slots), "-Q", name, "-n", f"{name}@%h"]
    command += ["--without-mingle", "--without-gossip", "-l", "error"]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=dict(os.environ) | {"POOLBENCH_REDIS_URL": url, "POOLBENCH_CONTENDER": name},
            stdout=log,
            stderr=log,
        )
    try:
        yield Arm(name=name, process=process, sampler=Sampler(process.pid, contender=name))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _template(url: str, client: redis.Redis) -> str:
    """Return one real message with our header, captured from Celery."""
    header = JobHeader(run=RUN, trial=0, seq=0, contender="x", due_ns=1, sent_ns=1)
    options: dict[str, Any] = {"queue": "capture", "headers": {HEADER: header.as_dict()}}
    with app.connection_for_write(url) as connection, app.amqp.Producer(connection) as producer:
        noop.apply_async(producer=producer, **options)
    captured = client.rpop("capture")
    assert isinstance(captured, bytes)
    return captured.decode()


def _messages(template: str, *, count: int, queue: str) -> Iterator[str]:
    """Give messages that differ as Celery's would: in their ids, tags and queue."""
    message = json.loads(template)
    properties, headers = message["properties"], message["headers"]
    properties["delivery_info"]["routing_key"] = queue
    for seq in range(count):
        job_id = f"{secrets.token_hex(16)}"
        headers["id"] = headers["root_id"] = properties["correlation_id"] = job_id
        properties["delivery_tag"] = f"tag-{job_id}"
        headers[HEADER]["seq"] = seq
        yield json.dumps(message)


def _measure(arm: Arm, client: redis.Redis, template: str, *, jobs: int, block: int) -> None:
    """Run one trial; what it measured stands in ``arm`` unless the block is negative."""
    messages = list(_messages(template, count=jobs, queue=arm.name))
    before = arm.sampler.sample(trial=block)
    client.lpush(arm.name, *messages)
    begun_s = _wait_for_length(client, arm, at_most=jobs - jobs // 10)
    ended_s = _wait_for_length(client, arm, at_most=0)
    _wait_until_idle(client, arm, template)
    after = arm.sampler.sample(trial=block)
    client.delete(records_stream(RUN))
    if block < 0 or before is None or after is None:
        return
    thousands = (jobs + 1) / 1_000
    recorder_cpu_s = after.recorder_cpu_s - before.recorder_cpu_s
    arm.jobs_per_s[block] = (jobs - jobs // 10) / (ended_s - begun_s)
    arm.recorder_cpu_s[block] = recorder_cpu_s / thousands
    arm.cpu_s[block] = (after.cpu_s - before.cpu_s + recorder_cpu_s) / thousands


def _wait_for_length(client: redis.Redis, arm: Arm, *, at_most: int) -> float:
    """Wait until no more than so many jobs are in the queue; return when that was."""
    deadline_s = time.monotonic() + 120
    while True:
        length = client.llen(arm.name)
        now_s = time.monotonic()
        if isinstance(length, int) and length <= at_most:
            return now_s
        if arm.process.poll() is not None or now_s > deadline_s:
            raise SystemExit(f"the worker of arm {arm.name} does not work; see --help")
        time.sleep(0.002)


def _wait_until_idle(client: redis.Redis, arm: Arm, template: str) -> None:
    """Wait until what was prefetched is done as well: one more job, and all is acknowledged."""
    client.lpush(arm.name, *_messages(template, count=1, queue=arm.name))
    _wait_for_length(client, arm, at_most=0)
    deadline_s = time.monotonic() + 30
    while client.hlen("unacked") and time.monotonic() < deadline_s:
        time.sleep(0.01)
    # the recorder gathers for a moment, and its work belongs to this trial
    time.sleep(0.2)


def _is_good_enough(arms: list[Arm]) -> bool:
    bare, probe, _ = arms
    ratio = paired_ratio(probe.jobs_per_s, theirs=bare.jobs_per_s)
    if ratio is None or ratio.blocks < CLAIM_BLOCKS:
        return False
    return ratio.high / ratio.value - 1 <= GOOD_ENOUGH


def _print(arms: list[Arm], options: argparse.Namespace) -> None:
    bare = arms[0]
    write = sys.stdout.write
    write(f"no-op jobs, {options.pool}, {options.slots} slots, {options.jobs} jobs a trial\n")
    write("arm       jobs/s  throughput to bare     CPU-s/1,000  recorder's  CPU to bare\n")
    for arm in arms:
        if arm.jobs_per_s:
            figures = (arm.jobs_per_s, arm.cpu_s, arm.recorder_cpu_s)
            jobs_per_s, cpu_s, own_s = (statistics.fmean(by.values()) for by in figures)
            throughput = _ratio(arm.jobs_per_s, theirs=bare.jobs_per_s)
            cpu = _ratio(arm.cpu_s, theirs=bare.cpu_s)
            write(f"{arm.name:<8}{jobs_per_s:>8.0f}  {throughput}")
            write(f"{cpu_s:>12.3f}{own_s:>12.3f}  {cpu}\n")
    write(
        f"{len(bare.jobs_per_s)} blocks; ratios within blocks, with 95 % intervals from five on\n"
    )
    if not _is_good_enough(arms):
        write("the time was over before the interval was within 3 %\n")


def _ratio(ours: dict[int, float], *, theirs: dict[int, float]) -> str:
    ratio = paired_ratio(ours, theirs=theirs)
    return f"{ratio.value:.3f} [{ratio.low:.3f}-{ratio.high:.3f}]" if ratio else "-"


if __name__ == "__main__":
    sys.exit(main())
