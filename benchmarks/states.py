"""Checks what a recording states of its slots against jobs that do one known thing, and its cost.

    python -m benchmarks.states --seconds 4
    python -m benchmarks.states --lanes

Each control is a process whose threads run jobs of one kind and write the probe's lines, without
Celery; the observer of a recording reads them. It prints the shares of the jobs' time in each
state beside what they should be, then what sampling costs by rate and number of threads, and what
the helper of ``--gil-probe`` costs. ``--lanes`` samples as lanes do: each control has a second line
with the shares of its threads' steps. Started by a Python without the GIL, the threads have none.
It asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolbench.evidence import is_gil_enabled
from poolbench.machine import usable_cpus
from poolbench.recording.events import (
    FINISHED,
    POOL,
    STARTED,
    Event,
    Finished,
    Started,
    pack,
    unpack,
)
from poolbench.recording.gil_probe import start_gil_probe
from poolbench.recording.lanes import LANES_HZ, LETTERS, read_steps
from poolbench.recording.observer import LinuxObserver
from poolbench.records import STATE_COLUMNS, Moment

_ROOT = Path(__file__).resolve().parent.parent

_STDOUT = 1

_BUFFER = bytes(4_000_000)

_LOCK = threading.Lock()

#: Measurements with and without the helper of ``--gil-probe``.
_PAIRS = 40


def _compute(duration_s: float) -> None:
    ends_s = time.thread_time() + duration_s
    while time.thread_time() < ends_s:
        sum(range(2_000))


def _hash(duration_s: float) -> None:
    ends_s = time.thread_time() + duration_s
    while time.thread_time() < ends_s:
        hashlib.sha256(_BUFFER)


def _hold_lock(duration_s: float) -> None:
    with _LOCK:
        time.sleep(duration_s)


def _wait_event(duration_s: float) -> None:
    threading.Event().wait(duration_s)


def _sleep_and_compute(duration_s: float) -> None:
    time.sleep(duration_s * 2 / 3)
    _compute(duration_s / 3)


JOBS: Mapping[str, Callable[[float], None]] = {
    "sleep": time.sleep,
    "compute": _compute,
    "hash": _hash,
    "lock": _hold_lock,
    "event": _wait_event,
    "sleep+compute": _sleep_and_compute,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Jobs of one kind, and what their states should be."""

    job: str
    expected: str
    slots: int = 1
    #: Whether each slot is a process of its own, as in prefork.
    has_processes: bool = False
    job_s: float = 0.1
    #: Other processes that compute meanwhile.
    neighbours: int = 0
    gil_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the observer states of a control."""

    jobs: int
    #: Executions that have a *states* line.
    sampled_jobs: int
    #: Sum of their durations, seconds.
    wall_s: float
    #: Sum of each state, seconds.
    states_s: Mapping[str, float]
    #: Sum of each state in the steps of the threads, seconds; empty without lanes.
    steps_s: Mapping[str, float]
    #: CPU time of sampling, as a share of a core.
    sampler_share: float
    opening: Mapping[str, object]

    def share(self, *columns: str) -> float:
        """Return the share of these states in all that was stated."""
        return _share(self.states_s, *columns)

    def step_share(self, *columns: str) -> float:
        """Return the share of these states in the steps of the threads."""
        return _share(self.steps_s, *columns)


def _share(spent_s: Mapping[str, float], *columns: str) -> float:
    total_s = sum(spent_s.values())
    return sum(spent_s.get(column, 0.0) for column in columns) / total_s if total_s else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, or run one control's jobs."""
    options = _parse(argv)
    if options.jobs:
        control = Control(**json.loads(options.jobs))
        _run_jobs(control, seconds=options.seconds)
        return 0
    _print_controls(options.seconds, has_lanes=options.lanes)
    _print_costs(options.seconds, has_lanes=options.lanes)
    if options.lanes:
        return 0
    _print_probe_costs()
    return 0


def measure(
    control: Control, *, seconds: float, sample_hz: float = 50.0, has_lanes: bool = False
) -> Found:
    """Run a control for some seconds; return what an observer states of it."""
    command = [sys.executable, "-m", "benchmarks.states", "--seconds", str(seconds)]
    members = {name: getattr(control, name) for name in Control.__slots__}
    with _neighbours(control.neighbours):
        process = subprocess.Popen(
            [*command, "--jobs", json.dumps(members)], stdout=subprocess.PIPE, cwd=_ROOT
        )
        assert process.stdout is not None
        try:
            observer = LinuxObserver(process.pid, sample_hz=sample_hz, has_lanes=has_lanes)
            return _observe(observer, process.stdout.fileno())
        finally:
            process.kill()
            process.communicate()


def _observe(observer: LinuxObserver, pipe: int) -> Found:
    os.set_blocking(pipe, False)
    hangup = select.poll()
    hangup.register(pipe, 0)
    began_s, tail, observed = time.monotonic(), b"", b""
    seen: list[Event | bytes] = []
    while True:
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(pipe, 1_048_576)
            if not chunk:
                break
        events, tail = unpack(tail + chunk)
        seen += events
        observed += observer.observe(events)
        hangup.poll(observer.interval_s * 1_000)
    duration_s = time.monotonic() - began_s
    observed += observer.end()
    return _found(seen, observed, observer=observer, duration_s=duration_s)


def _found(
    events: Sequence[Event | bytes], observed: bytes, *, observer: LinuxObserver, duration_s: float
) -> Found:
    started_ns: dict[int, int] = {}
    wall_ns, jobs = 0, 0
    for event in events:
        if isinstance(event, Started):
            started_ns[event.nonce] = event.t_ns
        elif isinstance(event, Finished):
            jobs += 1
            wall_ns += event.t_ns - started_ns[event.nonce]
    lines = [json.loads(line) for line in observed.splitlines()]
    states = [line for line in lines if line["m"] == Moment.STATES]
    return Found(
        jobs=jobs,
        sampled_jobs=len(states),
        wall_s=wall_ns / 1e9,
        states_s={name: sum(one[name] for one in states) / 1e9 for name in STATE_COLUMNS},
        steps_s=_steps_s(line for line in lines if line["m"] == Moment.LANE),
        sampler_share=observer.sampler_cpu_s / duration_s,
        opening=observer.opening(),
    )


def _steps_s(lines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return how long the steps of all threads were in each state, seconds."""
    columns = {letter: column for column, letter in LETTERS.items()}
    found = dict.fromkeys(LETTERS, 0.0)
    for line in lines:
        for letter, begin_ns, end_ns in read_steps(line):
            found[columns[letter]] += (end_ns - begin_ns) / 1e9
    return found


def _run_jobs(control: Control, *, seconds: float) -> None:
    """Run jobs in all slots, and report them as the probe does."""
    if control.has_processes:
        children = []
        for _ in range(control.slots):
            child = os.fork()
            if not child:
                if control.gil_probe:
                    start_gil_probe(_report)
                _run_slot(control, seconds)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        return
    slots = [
        threading.Thread(target=_run_slot, args=(control, seconds)) for _ in range(control.slots)
    ]
    for slot in slots:
        slot.start()
    for slot in slots:
        slot.join()


def _run_slot(control: Control, seconds: float) -> None:
    thread_id, pid, job = threading.get_native_id(), os.getpid(), JOBS[control.job]
    pool = "prefork" if control.has_processes else "thread"
    _report(POOL, f"celery.concurrency.{pool}:TaskPool", "")
    ends_s = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > ends_s:
            return
        nonce = thread_id * 1_000_000 + number
        is_seen = False, is_gil_enabled(), None
        _report(STARTED, nonce, time.time_ns(), pid, thread_id, thread_id, *is_seen)
        job(control.job_s)
        unknown = [None] * (len(Finished._fields) - 3)
        _report(FINISHED, nonce, time.time_ns(), pid, *unknown)


def _report(*event: object) -> bool:
    """Write an event, as the probe does, to standard output."""
    return bool(os.write(_STDOUT, pack(*event)))


@contextlib.contextmanager
def _neighbours(count: int) -> Iterator[None]:
    """Let other processes compute."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _print_controls(seconds: float, *, has_lanes: bool) -> None:
    cores = int(usable_cpus())
    controls = [
        Control(job="sleep", slots=8, expected="network, disk, timer"),
        Control(job="event", slots=8, expected="another lock"),
        Control(job="lock", slots=4, job_s=0.02, expected="another lock 75 %"),
        *(
            Control(
                job="compute",
                slots=slots,
                expected=f"GIL {1 - 1 / slots:.0%}" if is_gil_enabled() else "GIL 0 %",
            )
            for slots in (2, 4, 8)
        ),
        Control(job="hash", slots=cores, expected=f"released from {1 - 1 / cores:.0%}, GIL <= 5 %"),
        Control(job="compute", slots=cores, has_processes=True, expected="on a core, GIL 0 %"),
        Control(job="compute", neighbours=2 * cores, expected="runnable"),
        Control(job="sleep+compute", job_s=0.03, expected="on a core 33 %"),
        Control(job="sleep+compute", job_s=0.003, expected="on a core 33 %"),
        Control(job="compute", has_processes=True, gil_probe=True, expected="held"),
        Control(job="hash", has_processes=True, gil_probe=True, expected="released"),
    ]
    titles = ("held", "released", "core ?", "runnable", "GIL", "lock", "lock ?", "wait", "?")
    print(f"{'jobs':<42}{'of wall':>8}" + "".join(f"{title:>9}" for title in titles))
    for control in controls:
        found = measure(control, seconds=seconds, has_lanes=has_lanes)
        shares = "".join(f"{found.share(column):>9.1%}" for column in STATE_COLUMNS)
        stated = sum(found.states_s.values()) / found.wall_s
        print(f"{_name(control):<42}{stated:>8.1%}{shares}  expected: {control.expected}")
        if has_lanes:
            shares = "".join(f"{found.step_share(column):>9.1%}" for column in STATE_COLUMNS)
            print(f"{'  steps of the threads':<50}{shares}  sampler: {found.sampler_share:.1%}")
        if found.opening["gil"] != "address":
            print(f"  {found.opening}")


def _name(control: Control) -> str:
    kind = "processes" if control.has_processes else "threads"
    text = f"{control.job} {control.job_s * 1e3:g} ms, {control.slots} {kind}"
    text += f", {control.neighbours} neighbours" if control.neighbours else ""
    return text + (", --gil-probe" if control.gil_probe else "")


def _print_costs(seconds: float, *, has_lanes: bool) -> None:
    print("\nCPU of the sampler, share of a core")
    for slots in (4, 50):
        for sample_hz in (LANES_HZ,) if has_lanes else (50.0, 100.0):
            control = Control(job="sleep", slots=slots, expected="")
            found = measure(control, seconds=seconds, sample_hz=sample_hz, has_lanes=has_lanes)
            print(f"  {slots:>3} threads at {sample_hz:g} Hz: {found.sampler_share:.1%}")


def _print_probe_costs() -> None:
    """Print how much longer jobs take with the helper of ``--gil-probe``, and its idle cost."""
    print("\n--gil-probe, slowdown of a job")
    for job in ("compute", "hash"):
        ratios = []
        for number in range(_PAIRS):
            # in turns, since a machine's speed changes
            order = (False, True) if number % 2 else (True, False)
            took_s = {with_probe: _time_work(job, with_probe=with_probe) for with_probe in order}
            ratios.append(took_s[True] / took_s[False] - 1)
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {job}: {middle:+.1%} (half of the pairs: {low:+.1%} to {high:+.1%})")
    print(f"  idle: {_time_work('sleep', with_probe=True):.2%} of a core")


def _time_work(job: str, *, with_probe: bool) -> float:
    """Return how long a child takes for fixed work, seconds; for "sleep", its share of a core."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if with_probe:
            start_gil_probe(lambda *_: True)
        began_s, cpu_from_s = time.monotonic(), time.process_time()
        if job == "compute":
            for _ in range(10_000):
                sum(range(2_000))
        elif job == "hash":
            for _ in range(40):
                hashlib.sha256(_BUFFER)
        else:
            time.sleep(2.0)
        took_s = time.monotonic() - began_s
        figure = (time.process_time() - cpu_from_s) / took_s if job == "sleep" else took_s
        os.write(writer, f"{figure!r}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        text = file.read()
    os.waitpid(child, 0)
    return float(text)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.states", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each control")
    parser.add_argument("--lanes", action="store_true", help="sample as lanes do")
    parser.add_argument("--jobs", default="", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
