"""Measures a worker's whole process tree from outside: CPU, memory, connections."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import psutil

#: The probe's recorder, which is the observer and not the worker.
_RECORDER = "poolbench.recorder"

#: Linux: which of a process's clocks, in the id's last bits; this one counts user and system.
_CPUCLOCK_SCHED = 2

_IS_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a worker's process tree; the columns of ``samples.parquet``."""

    trial: int
    contender: str
    #: When, Unix ns.
    t_ns: int
    #: User + system CPU time since the worker began, with its ended children's, seconds.
    cpu_s: float
    #: The same of the probe's recorder.
    recorder_cpu_s: float
    #: Proportional set size of the tree: shared pages counted once. None where not taken.
    pss_bytes: int | None
    rss_bytes: int
    #: TCP connections of the tree. None where not taken.
    connections: int | None
    processes: int


class Sampler:
    """Looks at one worker. The recorder runs below it and is counted apart."""

    def __init__(self, pid: int, *, contender: str) -> None:
        self._root = psutil.Process(pid)
        self._contender = contender
        self._recorders: set[int] = set()
        self._known: set[int] = set()

    def sample(self, *, trial: int, is_whole: bool = False) -> Sample | None:
        """Return a look at the tree; None if the worker is gone.

        ``is_whole`` takes PSS and connections too, which costs milliseconds a process.
        """
        try:
            below = self._root.children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        recorders = [process for process in below if self._is_recorder(process)]
        workers = [self._root, *(one for one in below if one.pid not in self._recorders)]
        return Sample(
            trial=trial,
            contender=self._contender,
            t_ns=time.time_ns(),
            cpu_s=sum(_cpu_s(process) for process in workers),
            recorder_cpu_s=sum(_cpu_s(process) for process in recorders),
            pss_bytes=sum(_pss_bytes(process) for process in workers) if is_whole else None,
            rss_bytes=sum(_rss_bytes(process) for process in workers),
            connections=sum(_connections(process) for process in workers) if is_whole else None,
            processes=len(workers),
        )

    def addresses(self) -> set[str]:
        """Return the near ends of the worker's TCP connections, as ``host:port``."""
        try:
            below = self._root.children(recursive=True)
        except psutil.NoSuchProcess:
            return set()
        workers = [self._root, *(one for one in below if not self._is_recorder(one))]
        return set().union(*(tcp_addresses(process) for process in workers))

    def _is_recorder(self, process: psutil.Process) -> bool:
        if process.pid not in self._known:
            self._known.add(process.pid)
            try:
                if _RECORDER in process.cmdline():
                    self._recorders.add(process.pid)
            except psutil.Error:
                self._known.discard(process.pid)
        return process.pid in self._recorders


def tcp_addresses(process: psutil.Process) -> set[str]:
    """Return the near ends of a process's TCP connections, as a server names them."""
    try:
        ends = [one.laddr for one in process.net_connections(kind="tcp") if one.laddr]
    except psutil.Error:
        return set()
    return {f"[{end.ip}]:{end.port}" if ":" in end.ip else f"{end.ip}:{end.port}" for end in ends}


def _cpu_s(process: psutil.Process) -> float:
    """Return the CPU time of a process, all its threads, and its children that have ended."""
    own_s = process_clock_s(process.pid)
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return 0.0 if own_s is None else own_s + float(times.children_user + times.children_system)


def process_clock_s(pid: int) -> float | None:
    """Return the CPU time of a process and all its threads, seconds; None if it is gone.

    On Linux by the process's CPU-time clock (the id that clock_getcpuclockid(3) gives), in
    nanoseconds: the counts in /proc come in hundredths of a second, too coarse for a short trial.
    """
    try:
        if _IS_LINUX:
            return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
        times = psutil.Process(pid).cpu_times()
    except (psutil.Error, OSError):
        return None
    return float(times.user + times.system)


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _pss_bytes(process: psutil.Process) -> int:
    """Return the process's PSS, or its USS where the system has no PSS (macOS)."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.uss))


def _connections(process: psutil.Process) -> int:
    try:
        return len(process.net_connections(kind="tcp"))
    except psutil.Error:
        return 0
