"""Finds the words of memory on which threads of an interpreter sleep while they wait for its GIL.

They are part of the interpreter's static state, at the same distance from the start of its file's
mapping in every process that runs the file. The distance is measured in a short-lived process of
the same interpreter, in which two threads compete for the GIL.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

#: Number of the futex system call; None on a processor for which it isn't listed here.
FUTEX_CALL = {"x86_64": b"202", "aarch64": b"98"}.get(platform.machine())

#: A GIL is a condition and a mutex, and another pair for forced switches; glibc waits on two words
#: of each condition. No other lock of the interpreter's state is within this distance, bytes.
GIL_REACH_BYTES = 112

#: Waits that are compared, the least share of them at the GIL, since a thread that starts waits for
#: another lock (Python 3.13, busy machine: 2 of the first 8), and the time to find them, seconds.
_WAITS = 16
_GIL_SHARE = 0.7
_SEARCH_S = 2.0

#: Interval between two looks, seconds; not a multiple of the interpreter's switch interval (5 ms).
_LOOK_S = 0.0017

#: Options of a free-threaded interpreter, whose GIL can be turned on.
_WITH_GIL = ("-X", "gil=1") if sysconfig.get_config_var("Py_GIL_DISABLED") else ()

#: The threads take no other lock, and end with the process, when its standard input closes.
_COMPETE = """
import sys, _thread
def spin():
    while True: pass
for _ in range(2): _thread.start_new_thread(spin, ())
sys.stdin.read()
"""


class GilNotFoundError(Exception):
    """Why waits for the GIL can't be distinguished from waits for other locks."""


@dataclass(frozen=True, slots=True)
class GilAddress:
    """Where the GIL is in each process of an interpreter."""

    #: Device and inode of the file with the interpreter's state, as in ``/proc/<pid>/maps``.
    file: tuple[str, str]
    #: Distance from the start of the file's mapping, bytes.
    offset: int

    def range_in(self, pid: int) -> range:
        """Return the addresses of the words in a process.

        Raises:
            OSError: if the process is gone or can't be read.
            GilNotFoundError: if it runs another interpreter.
        """
        for mapping in _mappings(pid):
            if mapping.file == self.file:
                at = mapping.start + self.offset
                return range(at - GIL_REACH_BYTES, at + GIL_REACH_BYTES)
        raise GilNotFoundError(f"process {pid} runs another interpreter than its recorder")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A line of ``/proc/<pid>/maps``."""

    start: int
    end: int
    #: Device and inode; None if it is anonymous.
    file: tuple[str, str] | None


def find_gil() -> GilAddress:
    """Return where this interpreter's GIL is; takes about 50 ms.

    Raises:
        GilNotFoundError: if it can't be found, with the reason.
    """
    if FUTEX_CALL is None:
        raise GilNotFoundError(f"not known for {platform.machine()} processors")
    try:
        with _competition() as pid:
            return locate(list(_futex_waits(pid)), mappings=list(_mappings(pid)))
    except OSError as error:
        raise GilNotFoundError(f"the states of threads can't be read: {error}") from error


@contextlib.contextmanager
def _competition() -> Iterator[int]:
    """Run a process in which two threads compete for the GIL."""
    process = subprocess.Popen(
        [sys.executable, *_WITH_GIL, "-I", "-S", "-c", _COMPETE],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def _futex_waits(pid: int) -> Iterator[int]:
    """Yield the addresses on which the competing threads sleep; the main thread reads its input."""
    deadline_s = time.monotonic() + _SEARCH_S
    found = 0
    while found < _WAITS:
        if time.monotonic() > deadline_s:
            raise GilNotFoundError("no thread was seen waiting for it")
        time.sleep(_LOOK_S)
        threads = [task for task in Path(f"/proc/{pid}/task").iterdir() if task.name != str(pid)]
        for task in threads if len(threads) > 1 else ():
            number, *arguments = (task / "syscall").read_bytes().split()
            if number == FUTEX_CALL:
                found += 1
                yield int(arguments[0], 16)


def locate(waits: list[int], *, mappings: list[Mapping]) -> GilAddress:
    """Return the GIL's address from those on which threads waited, and the process's memory.

    Raises:
        GilNotFoundError: if they are not one place in the interpreter's static state.
    """
    middle = sorted(waits)[len(waits) // 2]
    # a condition's two words, or the mutex beside them
    near = [at for at in waits if abs(at - middle) <= GIL_REACH_BYTES]
    low = min(near)
    if len(near) < _GIL_SHARE * len(waits) or max(near) - low > GIL_REACH_BYTES:
        raise GilNotFoundError("threads wait for it at different addresses (another C library?)")
    # the two words of a condition, which are beside each other, more often than any other of them
    at = statistics.mode(address & ~7 for address in waits)
    before: Mapping | None = None
    for mapping in mappings:
        # zero-initialized state follows its file's segments, without a file of its own
        if mapping.file is None and before is not None and before.end == mapping.start:
            mapping = replace(mapping, file=before.file)  # noqa: PLW2901
        if mapping.file is not None and mapping.start <= at < mapping.end:
            start = next(one.start for one in mappings if one.file == mapping.file)
            return GilAddress(file=mapping.file, offset=at - start)
        before = mapping
    raise GilNotFoundError("it is not part of the interpreter's static state")


def _mappings(pid: int) -> Iterator[Mapping]:
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").split("\n"):
        addresses, _, rest = line.partition(" ")
        if rest:
            start, end = (int(part, 16) for part in addresses.split("-"))
            _, _, device, inode = rest.split()[:4]
            yield Mapping(start, end, None if inode == "0" else (device, inode))
