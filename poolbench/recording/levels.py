"""Measures a worker's process tree from outside, each second (Linux, from /proc)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from poolbench.machine import control_groups
from poolbench.records import Moment, encode_line

#: The last bits of a CPU-time clock's id that select the sum of user and system time
#: (clock_getcpuclockid(3)).
_CPUCLOCK_SCHED = 2

#: Share of a core that reading PSS may take; beyond it PSS is read less often. The kernel adds it
#: up page by page.
_PSS_CPU_SHARE = 0.0025

#: Time after which sockets are looked up again: one may have been found before it was connected.
_LOOKED_UP_S = 10.0

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

#: Fields of ``/proc/<pid>/stat`` after the name, from 0: the parent, and the CPU time in ticks of
#: children that have ended.
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


class _Connections:
    """Counts the TCP sockets that processes have open.

    The kernel's tables are those of the whole system and take milliseconds to read, so that only
    new sockets are looked up in them.
    """

    def __init__(self) -> None:
        #: Whether each socket is in a table of TCP.
        self._known: dict[str, bool] = {}
        self._forget_at_s = 0.0

    def count(self, pids: list[int]) -> dict[str, int]:
        """Return the count by name; empty if the sockets of a process are hidden."""
        try:
            sockets = {socket for pid in pids for socket in _sockets(pid)}
        except PermissionError:
            return {}
        if time.monotonic() >= self._forget_at_s:
            self._known, self._forget_at_s = {}, time.monotonic() + _LOOKED_UP_S
        if not sockets <= self._known.keys():
            tcp = set(_tcp_sockets(pids[0]))
            self._known = {socket: socket in tcp for socket in sockets}
        return {"connections": sum(self._known[socket] for socket in sockets)}


class Levels:
    """Measures the tree of a worker, without the calling process and what it has started."""

    def __init__(self, worker_pid: int, *, cpu_stats: Iterable[Path] | None = None) -> None:
        self._pid = worker_pid
        self._own_pid = os.getpid()
        self._cpu_stats = list(cpu_stat_files(worker_pid) if cpu_stats is None else cpu_stats)
        self._pss_due_s = 0.0
        self._connections = _Connections()

    def line(self, *, sampler_cpu_s: float, loop_states: Mapping[str, int]) -> bytes:
        """Return a *levels* line; empty if the worker is gone.

        Members that can't be read are left out. CPU times and counts are totals since the worker's
        start, ``loop_states`` since the line before.
        """
        pids = list(self.pids())
        if not pids:
            return b""
        own_cpu_s = time.process_time()
        return encode_line(
            Moment.LEVELS,
            processes=len(pids),
            **self._connections.count(pids),
            rss_bytes=_rss_bytes(pids),
            **self._pss(pids),
            cpu_s=round(sum(map(_cpu_s, pids)), 6),
            **self.throttling(),
            recorder_cpu_s=round(own_cpu_s - sampler_cpu_s, 6),
            sampler_cpu_s=round(sampler_cpu_s, 6),
            **loop_states,
        )

    def pids(self) -> Iterator[int]:
        """Yield the processes of the tree."""
        waiting = [self._pid]
        while waiting:
            pid = waiting.pop()
            # a process may end at any time
            with contextlib.suppress(OSError):
                tasks = [] if pid == self._own_pid else list(Path(f"/proc/{pid}/task").iterdir())
                if tasks:
                    yield pid
                for task in tasks:
                    waiting += map(int, (task / "children").read_bytes().split())

    def _pss(self, pids: list[int]) -> dict[str, int]:
        if time.monotonic() < self._pss_due_s:
            return {}
        began_cpu_s = time.thread_time()
        total_kb = 0
        for pid in pids:
            with contextlib.suppress(OSError):
                found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
                total_kb += int(found[1]) if found else 0
        cost_s = time.thread_time() - began_cpu_s
        self._pss_due_s = time.monotonic() + cost_s / _PSS_CPU_SHARE - cost_s
        return {"pss_bytes": total_kb * 1024} if total_kb else {}

    def throttling(self) -> dict[str, float]:
        """Return how often and how long the worker's control groups were stopped at their quota."""
        periods, throttled_s, are_known = 0, 0.0, False
        for file in self._cpu_stats:
            with contextlib.suppress(OSError, ValueError):
                counts = dict(
                    line.split() for line in file.read_text(encoding="utf-8").splitlines()
                )
                if "nr_throttled" in counts:
                    are_known = True
                    periods += int(counts["nr_throttled"])
                    # version 2 counts microseconds, version 1 nanoseconds
                    throttled_s += int(counts.get("throttled_usec", 0)) / 1e6
                    throttled_s += int(counts.get("throttled_time", 0)) / 1e9
        if not are_known:
            return {}
        return {"throttled_periods": periods, "throttled_s": round(throttled_s, 6)}


def cpu_stat_files(pid: int) -> Iterator[Path]:
    """Yield the ``cpu.stat`` files of a process's control group and of the groups around it."""
    for group in control_groups(pid):
        if (group / "cpu.stat").exists():
            yield group / "cpu.stat"


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process and of its children that have ended; 0 if it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        ended_s = (int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])) / _TICKS_PER_S
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) + ended_s
    return 0.0


def _rss_bytes(pids: list[int]) -> int:
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    return pages * _PAGE_BYTES


def _sockets(pid: int) -> Iterator[str]:
    """Yield the sockets that a process has open; none if it has ended."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(folder):  # noqa: PTH208 -- a Path for each is slow
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"{folder}/{fd}")  # noqa: PTH115 -- likewise
                if target.startswith("socket:["):
                    yield target


def _tcp_sockets(pid: int) -> Iterator[str]:
    """Yield all TCP sockets in the network namespace of a process."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            rows = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()
            for row in rows[1:]:
                yield f"socket:[{row.split(None, 10)[9]}]"
