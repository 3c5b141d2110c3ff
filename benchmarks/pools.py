"""Compares the asyncio pool with gevent: throughput, CPU per job, and memory with 2,000 jobs.

    python -m benchmarks.pools --blocks 5

The pool is measured on asyncio's own event loop and on uvloop's, which the app may install. Each
block starts all workers anew and measures them in turn, in a seeded random order, on waits of
100 ms at 100 slots; the ratio is taken within blocks. Throughput is (n - slots) / (f_n - f_slots),
finishes in order. It also prints the worker's CPU time per job, and its voluntary context switches
per job, in which a thread waits for another thread or for an answer (proc(5), on Linux only). Then
a worker of 2,000 slots gets 2,000 long waits, and its resident memory is measured while all are in
flight. It prints the results, and asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from lab.instruments.process_sampler import Sampler
from lab.instruments.stream_follower import StreamFollower, TrialView
from lab.system.redis_server import RedisServer
from poolbench.records import TrialPlan
from producer.publisher import publish
from report.statistics.ratios import paired_ratio

#: The pool that is measured, the same on uvloop's event loop, and the one to compare them with.
OURS, OURS_ON_UVLOOP, THEIRS = "asyncio", "uvloop", "gevent"

#: The pool of each contender.
_POOLS = {OURS: OURS, OURS_ON_UVLOOP: OURS, THEIRS: THEIRS}

#: Code with which an app uses uvloop; here each Python runs it at its start.
_INSTALL_UVLOOP = "import uvloop\nuvloop.install()\n"

#: In a thread's status, proc(5).
_SWITCHES = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)

#: Timeout of a trial, seconds.
TIMEOUT_S = 120.0

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True, kw_only=True)
class Testbed:
    """A broker, one run on it, and the follower of the run's stream."""

    url: str
    client: redis.Redis
    folder: Path
    run: str
    tail: StreamFollower
    trials: int = 0

    def measure(self, contender: str, *, jobs: int, slots: int, delay_ms: float) -> TrialView:
        """Send waits to a contender's worker; return their trial's view when all have ended."""
        self.begin(contender, jobs=jobs, slots=slots, delay_ms=delay_ms)
        return self.wait(jobs)

    def begin(self, contender: str, *, jobs: int, slots: int, delay_ms: float) -> None:
        """Send waits to a contender's worker."""
        self.trials += 1
        plan = TrialPlan(
            trial=self.trials,
            contender=contender,
            pool=_POOLS[contender],
            slots=slots,
            kind="io.sleep",
            parameters={"delay_ms": delay_ms},
            count=jobs,
        )
        publish(self.client, run=self.run, plan=plan, offsets_s=[0.0] * jobs, scope=self.run)

    def wait(self, jobs: int, *, meanwhile: Callable[[], object] = lambda: None) -> TrialView:
        """Wait until the jobs sent last have ended."""
        deadline_s = time.monotonic() + TIMEOUT_S
        view = self.tail.view(self.trials)
        while len(view.ended) < jobs:
            self.tail.read(wait_s=0.1)
            meanwhile()
            if time.monotonic() > deadline_s:
                raise SystemExit(f"{len(view.ended)} of {jobs} jobs ended within {TIMEOUT_S:g} s")
        return view


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """CPU time of a worker's process, and voluntary context switches of all its threads."""

    user_s: float
    system_s: float
    #: None if the system doesn't report it.
    switches: float | None

    @classmethod
    def of(cls, pid: int) -> Use:
        """Return a process's usage so far."""
        times = psutil.Process(pid).cpu_times()
        return cls(user_s=times.user, system_s=times.system, switches=_switches(pid))

    def a_job(self, before: Use, *, jobs: int) -> Use:
        """Return the usage per job since an earlier reading."""
        switches = None
        if self.switches is not None and before.switches is not None:
            switches = (self.switches - before.switches) / jobs
        return Use(
            user_s=(self.user_s - before.user_s) / jobs,
            system_s=(self.system_s - before.system_s) / jobs,
            switches=switches,
        )


@dataclass(slots=True, kw_only=True)
class Rates:
    """Results of a pool: jobs a second by block, as the mean of its trials, and usage per job."""

    by_block: dict[int, float] = field(default_factory=dict)
    peaks: list[int] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parse(argv)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(RedisServer(folder=folder / "data")).url()
        client = stack.enter_context(redis.Redis.from_url(url))
        run = f"pools-{secrets.token_hex(3)}"
        tail = StreamFollower(client, run=run)
        testbed = Testbed(url=url, client=client, folder=folder, run=run, tail=tail)
        rates = _measure_rates(testbed, options)
        _print_rates(rates, options)
        _print_memory(*_measure_memory(testbed, options))
    return 0


def _measure_rates(testbed: Testbed, options: argparse.Namespace) -> Mapping[str, Rates]:
    order = random.Random(options.seed)
    rates = {pool: Rates() for pool in _POOLS}
    for block in range(options.blocks):
        with contextlib.ExitStack() as workers:
            pids = {
                pool: workers.enter_context(_worker(testbed, pool, slots=options.slots))
                for pool in rates
            }
            for pool in rates:
                # discarded: it includes imports, connections, and the first job of each slot
                testbed.measure(pool, jobs=2 * options.slots, slots=options.slots, delay_ms=200)
            found: dict[str, list[float]] = {pool: [] for pool in rates}
            for pool in order.sample([*rates] * options.trials, len(rates) * options.trials):
                before = Use.of(pids[pool])
                view = testbed.measure(
                    pool, jobs=options.jobs, slots=options.slots, delay_ms=options.delay_ms
                )
                rates[pool].uses.append(Use.of(pids[pool]).a_job(before, jobs=options.jobs))
                found[pool].append(_rate_per_s(view, slots=options.slots))
                rates[pool].peaks.append(view.peak_overlap())
            for pool, values in found.items():
                rates[pool].by_block[block] = statistics.fmean(values)
    return rates


def _rate_per_s(view: TrialView, *, slots: int) -> float:
    ends_ns = sorted(view.finished_ns.values())
    return (len(ends_ns) - slots) * 1e9 / (ends_ns[-1] - ends_ns[slots - 1])


def _measure_memory(testbed: Testbed, options: argparse.Namespace) -> tuple[int, float, float]:
    """Return jobs in flight at most, and resident megabytes: idle, and at most."""
    slots = options.many
    with _worker(testbed, OURS, slots=slots) as pid:
        testbed.measure(OURS, jobs=10, slots=slots, delay_ms=1)
        sampler = Sampler(pid, contender=OURS)
        seen_bytes = [_rss_bytes(sampler)]
        testbed.begin(OURS, jobs=slots, slots=slots, delay_ms=options.long_s * 1_000)
        view = testbed.wait(slots, meanwhile=lambda: seen_bytes.append(_rss_bytes(sampler)))
    return view.peak_overlap(), seen_bytes[0] / 1e6, max(seen_bytes) / 1e6


def _rss_bytes(sampler: Sampler) -> int:
    sample = sampler.sample(trial=0)
    return sample.rss_bytes if sample else 0


def _switches(pid: int) -> int | None:
    """Return the voluntary context switches of all threads that a process has; None if unknown."""
    found = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += _SWITCHES.findall(status.read_text())
    return sum(map(int, found)) if found else None


def _print_rates(rates: Mapping[str, Rates], options: argparse.Namespace) -> None:
    write = sys.stdout.write
    write(f"waits of {options.delay_ms:g} ms, {options.slots} slots, {options.jobs} jobs a trial, ")
    write(
        f"{options.blocks} blocks; slots / wait = {options.slots * 1_000 / options.delay_ms:g}/s\n"
    )
    for pool, found in rates.items():
        per_s = statistics.fmean(found.by_block.values())
        write(f"{pool:<8}{per_s:>8.0f} jobs/s, at most {max(found.peaks)} in flight; a job: ")
        user_s = statistics.median(use.user_s for use in found.uses)
        system_s = statistics.median(use.system_s for use in found.uses)
        write(f"{user_s * 1e3:.2f} ms user, {system_s * 1e3:.2f} ms system CPU")
        switches = [use.switches for use in found.uses if use.switches is not None]
        write(f", {statistics.median(switches):.1f} switches\n" if switches else "\n")
    for one, other in ((OURS, THEIRS), (OURS_ON_UVLOOP, OURS)):
        if ratio := paired_ratio(rates[one].by_block, theirs=rates[other].by_block):
            write(f"{one} to {other}: {ratio.value:.3f} [{ratio.low:.3f}-{ratio.high:.3f}]\n")


def _print_memory(peak: int, idle_mb: float, most_mb: float) -> None:
    sys.stdout.write(
        f"{peak} in flight at once: {most_mb:.0f} MB resident, idle {idle_mb:.0f} MB\n"
    )


@contextlib.contextmanager
def _worker(testbed: Testbed, contender: str, *, slots: int) -> Iterator[int]:
    """Run a worker of Poolbench; yield its process id."""
    command = [sys.executable, "-m", "worker", "--pool", _POOLS[contender]]
    command += ["--contender", contender, "--slots", str(slots)]
    environment = dict(os.environ)
    environment |= {"POOLBENCH_REDIS_URL": testbed.url, "POOLBENCH_SCOPE": testbed.run}
    if contender == OURS_ON_UVLOOP:
        path = testbed.folder / "uvloop"
        path.mkdir(exist_ok=True)
        (path / "sitecustomize.py").write_text(_INSTALL_UVLOOP)
        environment["PYTHONPATH"] = str(path)
    with (testbed.folder / f"{contender}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pools", description=__doc__)
    parser.add_argument("--slots", type=_whole(1, 1_000), default=100)
    parser.add_argument("--delay-ms", type=_whole(1, 10_000), default=100)
    parser.add_argument("--jobs", type=_whole(100, 100_000), default=2_000, help="in a trial")
    parser.add_argument("--trials", type=_whole(1, 100), default=3, help="in a block, of each pool")
    parser.add_argument("--blocks", type=_whole(1, 100), default=5)
    parser.add_argument("--many", type=_whole(10, 10_000), default=2_000, help="jobs at once")
    parser.add_argument("--long-s", type=_whole(1, 60), default=10, help="how long those wait")
    parser.add_argument("--seed", type=_whole(0, 2**31), default=1)
    return parser.parse_args(argv)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole_number(word: str) -> int:
        number = int(word)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"it takes {low} to {high}, not {word}")
        return number

    return whole_number


if __name__ == "__main__":
    sys.exit(main())
