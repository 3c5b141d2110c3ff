"""Reads from outside what a thread is doing (Linux): its time on cores, and what it sleeps for.

``schedstat`` counts a thread's time on a core and its time runnable without one, in nanoseconds.
``syscall`` contains the call that it sleeps in, for whoever may trace the process. Where it can't
be read, ``wchan`` still shows that it waits for a lock, but not for which one.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from poolbench.recording.gil_address import FUTEX_CALL

#: States of a thread at one instant: on a core or runnable, and the columns of `STATE_COLUMNS` for
#: the states in which it sleeps.
RUNNING = "running"
GIL_WAIT, LOCK_WAIT, ANY_LOCK = "gil_wait_ns", "lock_wait_ns", "any_lock_ns"
IO_WAIT, UNKNOWN = "io_wait_ns", "unknown_ns"

_READ_BYTES = 512


class ThreadGoneError(Exception):
    """The thread has ended, or its process is not of this user."""


@dataclass(frozen=True, slots=True)
class GilWords:
    """The words in a process on which its threads wait for the GIL.

    They are None where the GIL's address is unknown, and an empty range without a GIL.
    """

    words: range | None

    def state_in_futex(self, address: int) -> str:
        """Return the state of a thread that sleeps in a futex."""
        if self.words is None:
            return ANY_LOCK
        return GIL_WAIT if address in self.words else LOCK_WAIT


class ThreadReader:
    """Reads the state of one thread through descriptors that stay open.

    Raises:
        ThreadGoneError: when built, or read, if it can't be read (any more).
    """

    def __init__(self, pid: int, thread_id: int, *, gil: GilWords) -> None:
        self._gil = gil
        self._fds: list[int] = []
        folder = f"/proc/{pid}/task/{thread_id}"
        try:
            self._schedstat = self._open(f"{folder}/schedstat")
            self._syscall = self._open_syscall(folder)
            if self._syscall is None:
                self._stat = self._open(f"{folder}/stat")
                self._wchan = self._open(f"{folder}/wchan")
        except OSError as error:
            self.close()
            raise ThreadGoneError(str(error)) from error

    def read_times(self) -> tuple[int, int]:
        """Return its time on a core and its time runnable without one, both since its start, ns."""
        try:
            run, wait, _ = os.pread(self._schedstat, _READ_BYTES, 0).split()
        except (OSError, ValueError) as error:
            raise ThreadGoneError(str(error)) from error
        return int(run), int(wait)

    def read_state(self) -> str:
        """Return its state now: `RUNNING`, or what it sleeps for."""
        try:
            if self._syscall is None:
                return self._read_wait_channel()
            number, *arguments = os.pread(self._syscall, _READ_BYTES, 0).split()
        except (OSError, ValueError) as error:
            raise ThreadGoneError(str(error)) from error
        if number == b"running":
            return RUNNING
        # -1 is a page fault, which waits for the disk
        return self._gil.state_in_futex(int(arguments[0], 16)) if number == FUTEX_CALL else IO_WAIT

    def close(self) -> None:
        """Close its descriptors."""
        while self._fds:
            with contextlib.suppress(OSError):
                os.close(self._fds.pop())

    def _open(self, path: str) -> int:
        self._fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._fds[-1]

    def _open_syscall(self, folder: str) -> int | None:
        if FUTEX_CALL is None:
            return None
        try:
            fd = self._open(f"{folder}/syscall")
            os.pread(fd, _READ_BYTES, 0)
        except PermissionError:
            return None
        return fd

    def _read_wait_channel(self) -> str:
        # the state follows the name, which may contain parentheses
        letter = os.pread(self._stat, _READ_BYTES, 0).rpartition(b")")[2].split(None, 1)[0]
        if letter == b"R":
            return RUNNING
        channel = os.pread(self._wchan, _READ_BYTES, 0)
        if channel.startswith(b"futex"):
            return ANY_LOCK
        # 0 for whoever may not see it
        return UNKNOWN if channel in {b"", b"0"} else IO_WAIT
