"""Measures the whole process trees of workers from outside: CPU, memory, connections."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from poolbench.start import EXECUTED_NS

#: The module of the probe's recorder, which belongs to the observer instead of the worker.
RECORDER = "poolbench.recorder"

#: That, and the one of a recording into a local file.
RECORDERS = frozenset({RECORDER, "poolbench.recording.recorder"})

#: Linux: the last bits of a clock's id that select the sum of user and system time.
_CPUCLOCK_SCHED = 2

_IS_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement of process trees, and of their jobs; the columns of ``samples.parquet``."""

    trial: int
    #: The contender, or ``contender/group`` for the workers of one group.
    contender: str
    #: When, Unix ns.
    t_ns: int
    #: User and system CPU time since the worker started, with ended children's, seconds.
    cpu_s: float
    #: The same for the probe's recorder.
    recorder_cpu_s: float
    #: Proportional set size of the tree: shared pages counted once. None where not measured.
    pss_bytes: int | None
    rss_bytes: int
    #: TCP connections of the tree. None where not measured.
    connections: int | None
    processes: int
    #: Whether it was taken after the trial, when no job was left: the trial's figures ignore it.
    is_after: bool = False
    #: See `lab.instruments.job_levels.JobLevels`. None where not measured.
    counted_ns: int | None = None
    queue_jobs: int | None = None
    unacked_jobs: int | None = None
    prefetch_count: int | None = None
    reserved_jobs: int | None = None
    running_jobs: int | None = None
    countdown_jobs: int | None = None


class Sampler:
    """Measures workers together; their recorders, descendants of them, are measured separately."""

    def __init__(self, *pids: int, contender: str) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]
        self._contender = contender
        self._is_recorder: dict[int, bool] = {}

    def sample(self, *, trial: int, is_whole: bool = False) -> Sample | None:
        """Return a measurement of the process trees; None if a worker is gone.

        ``is_whole`` includes PSS and connections, which takes milliseconds for each process.
        """
        try:
            workers, recorders = self._tree()
        except psutil.NoSuchProcess:
            return None
        return Sample(
            trial=trial,
            contender=self._contender,
            t_ns=time.time_ns(),
            cpu_s=_total(workers, _cpu_s),
            recorder_cpu_s=_total(recorders, _cpu_s),
            pss_bytes=int(_total(workers, _pss_bytes)) if is_whole else None,
            rss_bytes=int(_total(workers, lambda one: one.memory_info().rss)),
            connections=len(tcp_addresses(workers)) if is_whole else None,
            processes=len(workers),
        )

    def addresses(self) -> set[str]:
        """Return the local addresses of the workers' TCP connections, as ``host:port``."""
        try:
            workers, _ = self._tree()
        except psutil.NoSuchProcess:
            return set()
        return set(tcp_addresses(workers))

    def executed_ns(self) -> int | None:
        """Return when the first worker executed ``celery``, Unix ns; None if one is gone."""
        with contextlib.suppress(psutil.Error, KeyError):
            return min(int(root.environ()[EXECUTED_NS]) for root in self._roots)
        return None

    def _tree(self) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Return the workers' processes and the probe's recorders.

        Raises:
            psutil.NoSuchProcess: if a worker is gone.
        """
        workers = [*self._roots]
        recorders: list[psutil.Process] = []
        for root in self._roots:
            for process in root.children(recursive=True):
                (recorders if self._runs_recorder(process) else workers).append(process)
        return workers, recorders

    def _runs_recorder(self, process: psutil.Process) -> bool:
        if process.pid not in self._is_recorder:
            try:
                self._is_recorder[process.pid] = not RECORDERS.isdisjoint(process.cmdline())
            except psutil.Error:
                return False
        return self._is_recorder[process.pid]


def tcp_addresses(processes: Iterable[psutil.Process]) -> list[str]:
    """Return the local addresses of processes' TCP connections, as a server reports them."""
    ends = _linux_ends(processes) if _IS_LINUX else _psutil_ends(processes)
    return [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in ends]


def _psutil_ends(processes: Iterable[psutil.Process]) -> Iterator[tuple[str, int]]:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            yield from (one.laddr for one in process.net_connections(kind="tcp") if one.laddr)


def _linux_ends(processes: Iterable[psutil.Process]) -> Iterator[tuple[str, int]]:
    """Do what `_psutil_ends` does, reading the system's table once (proc_net_tcp in the kernel).

    psutil reads it once for each process, which takes longer than all else around a short trial.
    """
    sockets: set[str] = set()
    for process in processes:
        # it may end, and its descriptors may be closed, while they are read
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(str(file.readlink()))
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        with contextlib.suppress(OSError):
            for row in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = row.split()
                if f"socket:[{fields[9]}]" in sockets:
                    words, _, port = fields[1].partition(":")
                    numbers = (int(words[at : at + 8], 16) for at in range(0, len(words), 8))
                    address = b"".join(one.to_bytes(4, sys.byteorder) for one in numbers)
                    yield socket.inet_ntop(family, address), int(port, 16)


def process_clock_s(pid: int) -> float | None:
    """Return the CPU time of a process and all its threads, seconds; None if it is gone.

    On Linux it reads the process's CPU-time clock (the id from clock_getcpuclockid(3)) in
    nanoseconds: the counts in /proc are in hundredths of a second, too coarse for a short trial.
    """
    try:
        if _IS_LINUX:
            return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
        times = psutil.Process(pid).cpu_times()
    except (psutil.Error, OSError):
        return None
    return float(times.user + times.system)


def _total(
    processes: Iterable[psutil.Process], measure: Callable[[psutil.Process], float]
) -> float:
    """Return the sum over processes; a process that has ended counts as 0."""
    total: float = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += measure(process)
    return total


def _cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process, all its threads, and its children that have ended."""
    own_s = process_clock_s(process.pid)
    times = process.cpu_times()
    return 0.0 if own_s is None else own_s + float(times.children_user + times.children_system)


def _pss_bytes(process: psutil.Process) -> float:
    """Return the process's PSS, or its USS where the system has no PSS (macOS)."""
    memory = process.memory_full_info()
    return float(getattr(memory, "pss", memory.uss))
