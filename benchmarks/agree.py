"""Compares Poolbench's figures with an independent measurement of plain Celery workers.

    python -m benchmarks.agree --rounds 3

Three contenders are measured in turns by two methods: by a small Celery app in this file, whose
jobs write their start and end into a file, and by `poolbench run` on the same broker. From
Poolbench, only the function that starts the broker is imported. The independent throughput is
jobs ÷ (last end - first start), which equals Poolbench's formula if all slots are busy.

It prints both figures with their ratio, and exits with 1 if any differ by over 5 %. The range over
the rounds shows how much measurements of one worker differ. For jobs that compute, the ratio is
corrected by the machine's speed: the same loop is timed in this process before and after each
measurement. CPU time used by other processes can't be corrected; it is measured and printed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

from lab.system.redis_server import RedisServer

#: Largest difference at which both figures agree, as a ratio.
AGREED = 0.05

#: Parameters of the jobs, the same on both sides.
WAIT_S = 0.1
UNITS = 20

#: Runs of the loop that measures the machine's speed; the fastest counts.
GAUGES = 5

#: Cores used by other processes above which the machine is not quiet; the broker needs less.
BUSY_CORES = 0.2

#: Timeout for a worker to start, or to run its jobs, seconds.
TIMEOUT_S = 60.0

_ROOT = Path(__file__).resolve().parent.parent
_BROKER, _TIMES = "AGREE_BROKER", "AGREE_TIMES"

app = Celery("agree", broker=os.environ.get(_BROKER), set_as_current=False)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A worker and its jobs."""

    name: str
    pool: str
    slots: int
    #: This file's job, and Poolbench's, with the parameters of each.
    job: str
    argument: float
    kind: str
    parameters: str
    #: Jobs per slot in the backlog of the independent measurement.
    jobs_per_slot: int
    #: Whether its jobs compute, so that they depend on the machine's speed.
    computes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The result of one measurement, and the machine's speed before and after it."""

    per_s: float
    #: CPU time of the computing job in this process.
    loop_s: float
    #: Cores used by other processes, including the broker.
    others: float


CASES = (
    Case(
        name="solo",
        pool="solo",
        slots=1,
        job="agree.wait",
        argument=WAIT_S,
        kind="io.sleep",
        parameters=f"{{ delay_ms = {WAIT_S * 1_000:g} }}",
        jobs_per_slot=20,
    ),
    Case(
        name="threads-4",
        pool="threads",
        slots=4,
        job="agree.wait",
        argument=WAIT_S,
        kind="io.sleep",
        parameters=f"{{ delay_ms = {WAIT_S * 1_000:g} }}",
        jobs_per_slot=20,
    ),
    Case(
        name="prefork-2",
        pool="prefork",
        slots=2,
        job="agree.compute",
        argument=UNITS,
        kind="cpu.primes",
        parameters=f"{{ units = {UNITS} }}",
        jobs_per_slot=60,
        computes=True,
    ),
)


def _stamped(work: Any, argument: float) -> None:
    start_ns = time.time_ns()
    work(argument)
    line = f"{start_ns} {time.time_ns()}\n".encode()
    # one short write to the file's end is atomic, from any process and thread
    times = os.open(os.environ[_TIMES], os.O_WRONLY | os.O_APPEND)
    os.write(times, line)
    os.close(times)


def _count_primes(units: float) -> int:
    """Count the primes below 5,000 ``units`` times, the documented work of cpu.primes."""
    found = 0
    for _ in range(int(units)):
        found += 1
        for number in range(3, 5_000, 2):
            divisor = 3
            while divisor * divisor <= number:
                if number % divisor == 0:
                    break
                divisor += 2
            else:
                found += 1
    return found


@app.task(name="agree.wait", shared=False)
def wait(seconds: float) -> None:
    """Sleep."""
    _stamped(time.sleep, seconds)


@app.task(name="agree.compute", shared=False)
def compute(units: float) -> None:
    """Compute in pure Python."""
    _stamped(_count_primes, units)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure by both methods in turns and print; return 1 if they don't agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agree")
    parser.add_argument("--rounds", type=int, default=3, help="of both, in turns")
    parser.add_argument("--trial-s", type=float, default=2.0, help="length of a Poolbench trial")
    names = [case.name for case in CASES]
    parser.add_argument("--only", choices=names, help="one contender instead of all")
    options = parser.parse_args(argv)
    cases = [case for case in CASES if options.only in {None, case.name}]
    by_watch: dict[str, list[Figure]] = {case.name: [] for case in cases}
    by_lab: dict[str, list[Figure]] = {case.name: [] for case in cases}
    with (
        tempfile.TemporaryDirectory(prefix="agree-") as name,
        RedisServer(folder=Path(name) / "broker") as server,
    ):
        for number in range(options.rounds):
            # the order alternates, so that effects of the first method on the second cancel
            for is_watch in (number % 2 == 0, number % 2 == 1):
                for case in cases:
                    measure = _watch if is_watch else _run_poolbench
                    ask = partial(
                        measure, url=server.url(), folder=Path(name), trial_s=options.trial_s
                    )
                    found = _measure(partial(ask, case))
                    (by_watch if is_watch else by_lab)[case.name].append(found)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return _report(cases, by_watch=by_watch, by_lab=by_lab)


def _report(
    cases: Sequence[Case],
    *,
    by_watch: Mapping[str, list[Figure]],
    by_lab: Mapping[str, list[Figure]],
) -> int:
    """Print one line for each case; return 1 if any differs by more than `AGREED`."""
    is_apart = False
    print(f"{'':<24}{'plain Celery':>22}{'Poolbench':>22}{'machine':>10}{'ratio':>22}")
    for case in cases:
        watch, lab = by_watch[case.name], by_lab[case.name]
        slower = [ours.loop_s / theirs.loop_s for ours, theirs in zip(lab, watch, strict=True)]
        ratios = [
            ours.per_s / theirs.per_s * (slow if case.computes else 1.0)
            for ours, theirs, slow in zip(lab, watch, slower, strict=True)
        ]
        ratio = statistics.geometric_mean(ratios)
        columns = f"{_range(watch):>22}{_range(lab):>22}"
        machine = f"{1 / statistics.geometric_mean(slower):.3f}"
        shown = f"{ratio:.3f} ({min(ratios):.3f}–{max(ratios):.3f})"
        print(f"{case.name + ' · ' + case.kind:<24}{columns}{machine:>10}{shown:>22}")
        if abs(ratio - 1) > AGREED:
            is_apart = True
            word = "more" if ratio > 1 else "less"
            print(f"  differs: Poolbench reports {abs(ratio - 1):.1%} {word} than plain Celery")
    print("jobs a second: median (range); ratio: geometric mean (range) of the rounds'")
    print(
        "machine: its speed with Poolbench ÷ with plain Celery; corrects ratios of computing jobs"
    )
    others = max(one.others for side in (by_watch, by_lab) for of in side.values() for one in of)
    if others > BUSY_CORES:
        print(f"other processes used up to {others:.1f} cores, so results of computing jobs")
        print("are invalid: repeat on a quiet machine")
    print(f"{'not all' if is_apart else 'all'} within {AGREED:.0%} of each other")
    return int(is_apart)


def _range(figures: Sequence[Figure]) -> str:
    values = [figure.per_s for figure in figures]
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def _loop_s() -> float:
    """Return the least CPU time of one computing job in this process, seconds."""
    spent_s = []
    for _ in range(GAUGES):
        start_s = time.thread_time()
        _count_primes(UNITS)
        spent_s.append(time.thread_time() - start_s)
    return min(spent_s)


def _measure(measure: Callable[[], float]) -> Figure:
    """Return the result of a measurement, with the machine's speed and load."""
    before_s, begun_s, foreign_s = _loop_s(), time.perf_counter(), _foreign_cpu_s()
    per_s = measure()
    others = (_foreign_cpu_s() - foreign_s) / (time.perf_counter() - begun_s)
    return Figure(per_s=per_s, loop_s=(before_s + _loop_s()) / 2, others=others)


def _foreign_cpu_s() -> float:
    """Return the CPU time so far that neither this process nor its ended children used, seconds."""
    used = psutil.cpu_times()
    own = psutil.Process().cpu_times()
    busy_s: float = sum(used) - used.idle - getattr(used, "iowait", 0.0)
    # guests' time is counted as user time already
    busy_s -= getattr(used, "guest", 0.0) + getattr(used, "guest_nice", 0.0)
    return busy_s - own.user - own.system - own.children_user - own.children_system


def _watch(case: Case, *, url: str, folder: Path, trial_s: float) -> float:  # noqa: ARG001 -- as the other
    """Return the jobs a second of a worker of this file's app, by the stamps of its jobs."""
    times = folder / f"{case.name}-{secrets.token_hex(4)}.times"
    times.touch()
    app.conf.update(broker_url=url)
    with _worker(case, url=url, times=times, log=folder / "worker.log") as process:
        # the first jobs of each slot, after which the worker has imported its modules
        _send(case, count=4 * case.slots)
        _await(times, lines=4 * case.slots, process=process)
        first = case.jobs_per_slot * case.slots
        _send(case, count=first)
        _await(times, lines=4 * case.slots + first, process=process)
    stamps = [tuple(map(int, line.split())) for line in times.read_text().splitlines()]
    measured = sorted(stamps)[4 * case.slots :]
    span_ns = max(end for _, end in measured) - min(start for start, _ in measured)
    return len(measured) * 1e9 / span_ns


def _send(case: Case, *, count: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            app.send_task(case.job, args=[case.argument], producer=producer)


def _await(times: Path, *, lines: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while times.read_bytes().count(b"\n") < lines:
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit(f"the worker did not do its jobs (exit code {process.returncode})")
        # at long intervals, since reading takes CPU time from the worker
        time.sleep(0.1)


@contextmanager
def _worker(case: Case, *, url: str, times: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as Celery's documentation starts one."""
    words = ("-A", "benchmarks.agree", "worker", "-P", case.pool, "-c", str(case.slots))
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *words, "-l", "warning"],
            env={**os.environ, "PYTHONPATH": path, _BROKER: url, _TIMES: str(times)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run_poolbench(case: Case, *, url: str, folder: Path, trial_s: float) -> float:
    """Return the jobs a second that `poolbench run` reports for the same worker and jobs."""
    file = folder / f"{case.name}.toml"
    file.write_text(
        f'# Does it agree?\ntitle = "Does it agree?"\n\n[profile.demo]\nrepetitions = 1\n'
        f'trial_s = {trial_s}\ncontenders = ["{case.name}"]\n\n[[contender]]\n'
        f'name = "{case.name}"\npool = "{case.pool}"\nslots = {case.slots}\n\n'
        f'[[workload]]\nkind = "{case.kind}"\nparameters = {case.parameters}\n'
    )
    kept = {name: word for name, word in os.environ.items() if not name.startswith("POOLBENCH_")}
    ours = {"POOLBENCH_REDIS_URL": url, "POOLBENCH_RESULTS_DIR": str(folder / "results")}
    done = subprocess.run(
        [sys.executable, "-m", "poolbench", "run", str(file), "--json"],
        env={**kept, **ours},
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"poolbench run ended with {done.returncode}: {done.stderr.strip()}")
    (row,) = json.loads(done.stdout)["rows"]
    per_s: float = row["throughput_per_s"]["median"]
    return per_s


if __name__ == "__main__":
    sys.exit(main())
