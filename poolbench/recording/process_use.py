"""Reads what a slot's process has in memory, and what its ended children have used.

Reading takes longer than all else that a recorded job waits for. Jobs that follow one another
quickly are therefore not all read: after one whose beginning and end were read, the next
`PAUSE_NS` are left out. A job that begins where another was read has its figures at no cost, and a
job that takes longer than the pause is always read at its end.
"""

from __future__ import annotations

import os
import resource

#: Shortest time between the reading at a job's end and the one at the next job's beginning, ns.
PAUSE_NS = 10_000_000

_PAGE_BYTES = resource.getpagesize()


class ProcessUse:
    """The readings of one process with one slot."""

    def __init__(self) -> None:
        self._fd: int | None = None
        #: When it was read last, ns; 0 if never.
        self._read_at_ns = 0
        #: Resident memory and CPU time of ended children when the running job began, or when the
        #: last one ended; None if that was not read.
        self._last: tuple[int, int] | None = None
        self._is_due = False

    def begin(self, now_ns: int) -> int | None:
        """Return the resident memory as a job begins, bytes; None if it isn't read."""
        self._is_due = self._last is None and now_ns - self._read_at_ns >= PAUSE_NS
        if self._is_due:
            self._read(now_ns)
        return None if self._last is None else self._last[0]

    def end(self, now_ns: int) -> tuple[int | None, int | None]:
        """Return the resident memory as a job ends, bytes, and its children's CPU time, ns."""
        before, self._last = self._last, None
        if before is None or not (self._is_due or now_ns - self._read_at_ns >= PAUSE_NS):
            return None, None
        self._read(now_ns)
        return (None, None) if self._last is None else (self._last[0], self._last[1] - before[1])

    def close(self) -> None:
        """Close its descriptor, which a process that is forked inherits."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _read(self, now_ns: int) -> None:
        self._read_at_ns = now_ns
        try:
            if self._fd is None:
                self._fd = os.open("/proc/self/statm", os.O_RDONLY)
            rss_bytes = int(os.pread(self._fd, 128, 0).split()[1]) * _PAGE_BYTES
        except (OSError, ValueError, IndexError):
            return
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._last = rss_bytes, round((used.ru_utime + used.ru_stime) * 1e9)
