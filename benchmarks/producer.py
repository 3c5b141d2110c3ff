"""Measures the producer's speed and lateness: `python -m benchmarks.producer`.

It uses an embedded server of its own, in one process. The producer and a loop of `task.delay()`
send the same jobs in turns, under the same conditions. It prints the median and the range of their
ratio, and the server's limit with messages made in advance. Then it measures how late jobs with due
times are sent, without a worker and with one that keeps every core busy.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import hiredis
import redis
from celery import Celery

from lab.system.redis_server import RedisServer
from poolbench.errors import StackError
from poolbench.jobs import HEADER, JOB_KINDS, JobHeader, complete_parameters
from poolbench.keys import queue_name, records_stream
from poolbench.records import TrialPlan
from producer.arrivals import read_schedule
from producer.publisher import BATCH, publish
from producer.template import capture

ROUNDS = 7
#: Jobs of one round; each method takes about half a second.
DELAY_JOBS = 1_000
PRODUCER_JOBS = 50_000
#: Duration of each rate, seconds.
RATE_SPAN_S = 5.0
LAG_ROUNDS = 5
#: Rate → limit of the p99 of the lag without a worker, ms.
LIMITS_MS = {1_000.0: 1.0, 5_000.0: 5.0}
#: Timeout for the busy worker to begin, and to end, seconds.
TIMEOUT_S = 30.0

KIND = JOB_KINDS["io.http"]
PLAN = TrialPlan(
    trial=0,
    contender="bench",
    pool="gevent",
    slots=1,
    kind=KIND.name,
    parameters=complete_parameters(KIND, {}),
)
QUEUE = queue_name(PLAN.contender)

#: More computing than any measurement lasts.
BUSY = TrialPlan(
    trial=0,
    contender="busy",
    pool="prefork",
    slots=os.cpu_count() or 1,
    kind="cpu.primes",
    parameters=complete_parameters(JOB_KINDS["cpu.primes"], {"units": 20}),
    count=20_000,
)


def rate_per_s(jobs: int, work: Callable[[], object]) -> float:
    """Return the jobs a second of ``work``."""
    begun_s = time.perf_counter()
    work()
    return jobs / (time.perf_counter() - begun_s)


def delay_per_s(job: object) -> float:
    """Return the jobs a second that a loop of `task.delay()` sends."""

    def loop() -> None:
        for _ in range(DELAY_JOBS):
            job.delay(**PLAN.parameters)  # type: ignore[attr-defined]  # a Celery task

    return rate_per_s(DELAY_JOBS, loop)


def producer_per_s(client: redis.Redis) -> float:
    """Return the jobs a second that the producer sends, including its connection and template."""
    run = secrets.token_hex(4)
    offsets_s = [0.0] * PRODUCER_JOBS
    return rate_per_s(
        PRODUCER_JOBS, lambda: publish(client, run=run, plan=PLAN, offsets_s=offsets_s)
    )


def server_per_s(client: redis.Redis, *, port: int, password: str) -> float:
    """Return the jobs a second that the server accepts, with messages made in advance."""
    now_ns = time.time_ns()
    (command,) = (
        capture(PLAN, run="bench").render([now_ns] * BATCH, first_job=0, sent_ns=now_ns).commands
    )
    packed = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # as the producer
    batches = PRODUCER_JOBS // BATCH
    with socket.create_connection(("127.0.0.1", port)) as bare:
        bare.sendall(f"AUTH {password}\r\n".encode())
        bare.recv(100)

        def send() -> None:
            for _ in range(batches):
                bare.sendall(packed)
            while client.llen(QUEUE) < PRODUCER_JOBS:
                time.sleep(0.001)

        return rate_per_s(PRODUCER_JOBS, send)


def compare(client: redis.Redis, *, port: int, password: str) -> None:
    """Print the producer's rate, that of `task.delay()` and the server's limit, in turns."""
    # the app reads the broker's address when it is imported
    app: Celery = importlib.import_module("worker.tasks").app
    app.conf.task_default_queue = QUEUE
    contenders: dict[str, Callable[[], float]] = {
        "task.delay() loop": lambda: delay_per_s(app.tasks[KIND.name]),
        "producer": lambda: producer_per_s(client),
        "server's limit": lambda: server_per_s(client, port=port, password=password),
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, measure in contenders.items():
            client.delete(QUEUE)
            found[name].append(measure())
    client.delete(QUEUE)
    app.close()
    print(f"{ROUNDS} rounds in turns, one process each, {KIND.name} jobs")
    for name, rates_per_s in found.items():
        print(f"  {name:<18} {spread(rates_per_s, digits=0)} jobs/s")
    for name, other in (("task.delay() loop", "producer"), ("producer", "server's limit")):
        ratios = [b / a for a, b in zip(found[name], found[other], strict=True)]
        print(f"  {other} ÷ {name}: {spread(ratios, digits=1)} ×")


def spread(values: list[float], *, digits: int) -> str:
    """Return a median with its range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def measure_lag(client: redis.Redis, *, offsets_s: Sequence[float]) -> dict[str, float]:
    """Return the lags of jobs that are due at these offsets, ms, and the producer's CPU, cores."""
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    publish(client, run=secrets.token_hex(4), plan=PLAN, offsets_s=offsets_s)
    share = (time.process_time() - cpu_s) / (time.perf_counter() - begun_s)
    messages = [json.loads(str(message)) for message in client.lrange(QUEUE, 0, -1)]
    headers = [JobHeader(**message["headers"][HEADER]) for message in messages]
    client.delete(QUEUE)
    return ranks([(header.sent_ns - header.due_ns) / 1e6 for header in headers]) | {"cores": share}


def measure_waking(offsets_s: Sequence[float]) -> dict[str, float]:
    """Return how late a process that only sleeps until these offsets wakes, ms."""
    lates_ms: list[float] = []
    begun_s = time.perf_counter()
    for offset_s in offsets_s:
        wait_s = begun_s + offset_s - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        lates_ms.append((time.perf_counter() - begun_s - offset_s) * 1e3)
    return ranks(lates_ms)


def ranks(values: Sequence[float]) -> dict[str, float]:
    """Return nearest-rank percentiles and the maximum."""
    ordered = sorted(values)
    found = {percent: ordered[-(-percent * len(ordered) // 100) - 1] for percent in (50, 95, 99)}
    return {f"p{percent}": value for percent, value in found.items()} | {"max": ordered[-1]}


def print_lags(client: redis.Redis, *, load: str) -> None:
    """Print the lags at each rate: median and range over the rounds.

    Each round is followed by one that only sleeps until the same times, as a baseline.
    """
    print(f"poisson arrivals, {load}: how late jobs are sent, ms, in {LAG_ROUNDS} rounds")
    for rate_per_s, limit_ms in LIMITS_MS.items():
        count = round(rate_per_s * RATE_SPAN_S)
        table = {"how": "poisson", "count": count, "rate_per_s": rate_per_s}
        offsets_s = read_schedule(table).draw(1)
        rounds, idle = [], []
        for _ in range(LAG_ROUNDS):
            rounds.append(measure_lag(client, offsets_s=offsets_s))
            idle.append(measure_waking(offsets_s))
        print(f"  {rate_per_s:5,.0f}/s: {_listed(rounds)}")
        print(f"   sleeping: {_listed(idle)}")
        kept = [sum(one["p99"] < limit_ms for one in found) for found in (rounds, idle)]
        print(f"            p99 below {limit_ms:g} ms in {kept[0]} of {LAG_ROUNDS}, ", end="")
        print(f"of the sleeping process in {kept[1]}")


def _listed(rounds: Sequence[Mapping[str, float]]) -> str:
    names = rounds[0]
    return ", ".join(f"{name} {spread([one[name] for one in rounds], digits=2)}" for name in names)


@contextmanager
def busy_worker(client: redis.Redis, *, log: Path) -> Iterator[None]:
    """Run a worker that computes on every core, as in a trial, while the context is open.

    Raises:
        StackError: if it does not begin.
    """
    cores = os.cpu_count() or 1
    run = secrets.token_hex(4)
    publish(client, run=run, plan=BUSY, offsets_s=[0.0] * BUSY.count)
    words = ("--pool", BUSY.pool, "--contender", BUSY.contender, "--slots", str(cores))
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker", *words, "--no-events"], stdout=out, stderr=out
        )
    try:
        deadline_s = time.monotonic() + TIMEOUT_S
        while client.xlen(records_stream(run)) < cores:
            if worker.poll() is not None or time.monotonic() > deadline_s:
                raise StackError(f"the busy worker did not begin: {log.read_text()[-400:]}")
            time.sleep(0.1)
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        client.delete(queue_name(BUSY.contender))


def main() -> None:
    """Start a server, measure, stop it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores when it began")
        with RedisServer(folder=folder) as server:
            os.environ["POOLBENCH_REDIS_URL"] = server.url()
            with redis.Redis.from_url(server.url(), decode_responses=True) as client:
                compare(client, port=server.port, password=server.password)
                print_lags(client, load="no worker")
                with busy_worker(client, log=folder / "worker.log"):
                    print_lags(client, load="a worker computing on every core")


if __name__ == "__main__":
    main()
