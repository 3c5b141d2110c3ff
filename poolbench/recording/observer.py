"""What the recorder's process observes of a worker from outside, in addition to its own lines."""

from __future__ import annotations

import contextlib
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poolbench.recording.events import Event
from poolbench.recording.gil_address import GilAddress, GilNotFoundError, find_gil
from poolbench.recording.lanes import LANES_CPU_SHARE, LANES_HZ
from poolbench.recording.levels import Levels
from poolbench.recording.settings import RecordingSettings
from poolbench.recording.slot_states import SlotStates
from poolbench.recording.thread_states import GilWords, ThreadGoneError, ThreadReader

#: Rounds of samples per second.
SAMPLE_HZ = 50.0

#: Share of a core that sampling may take; beyond it the interval grows.
MAX_CPU_SHARE = 0.05

#: The interval varies by this share to both sides, so that it can't keep step with jobs.
_JITTER = 0.25

#: Interval between two *levels* lines, seconds.
_LEVELS_S = 1.0

#: Who may read what a process waits for: 0 for any process of the same user.
PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


class Observer:
    """Sees each event as it arrives and adds lines of its own. This one observes nothing."""

    #: Interval until the next call of `observe`, seconds; it may change with every call.
    interval_s = 0.1

    #: CPU time of the sampling, a part of the recorder's, seconds.
    sampler_cpu_s = 0.0

    def opening(self) -> dict[str, Any]:
        """Return the members of the `recording` line that describe the sampling."""
        reason = f"states of threads are read on Linux only, not on {sys.platform}"
        return {"sample_hz": 0, "gil": "unknown", "gil_reason": reason}

    def observe(self, events: Sequence[Event | bytes]) -> bytes:  # noqa: ARG002 -- see above
        """Return lines to append after those of ``events``, which have arrived since the last call.

        It is called every `interval_s`, also without events.
        """
        return b""

    def end(self) -> bytes:
        """Return the last lines, of executions that still run."""
        return b""


class LinuxObserver(Observer):
    """Samples what the slots are doing, and measures the worker's process tree each second.

    ``has_lanes`` makes it sample more often and return *lane* lines too.
    """

    def __init__(
        self, worker_pid: int, *, sample_hz: float = SAMPLE_HZ, has_lanes: bool = False
    ) -> None:
        self._pid = worker_pid
        # a slot takes two descriptors, and a pool may have hundreds
        _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        if has_lanes:
            sample_hz = LANES_HZ
        self._cpu_share = LANES_CPU_SHARE if has_lanes else MAX_CPU_SHARE
        self._shortest_interval_s = self.interval_s = 1.0 / sample_hz
        self._sample_s = 0.0
        self._gil: GilAddress | None = None
        self._opening: dict[str, Any] = {"sample_hz": sample_hz, **self._find_gil()}
        if not _counts_times(worker_pid):
            reason = "this kernel doesn't count the times of threads (schedstat)"
            self._opening = {"sample_hz": 0, "gil": "unknown", "gil_reason": reason}
        self._slots = SlotStates(gil_words=self._gil_words, has_lanes=has_lanes)
        self._levels = Levels(worker_pid)
        self._levels_due_s = time.monotonic()
        self._jitter = random.Random()

    def opening(self) -> dict[str, Any]:
        """Return the members of the `recording` line that describe the sampling."""
        return self._opening

    def observe(self, events: Sequence[Event | bytes]) -> bytes:
        """Sample the slots, and measure the levels if a second has passed."""
        began_s = time.thread_time()
        found = self._sample(events) if self._opening["sample_hz"] else []
        sample_s = time.thread_time() - began_s
        # of about ten rounds: the first one with a new process takes much longer
        self._sample_s = 0.9 * self._sample_s + 0.1 * sample_s
        interval_s = max(self._shortest_interval_s, self._sample_s / self._cpu_share)
        self.interval_s = interval_s * self._jitter.uniform(1 - _JITTER, 1 + _JITTER)
        now_s = time.monotonic()
        if now_s >= self._levels_due_s:
            self._levels_due_s = max(self._levels_due_s + _LEVELS_S, now_s)
            found.append(
                self._levels.line(
                    sampler_cpu_s=self.sampler_cpu_s, loop_states=self._slots.take_loop_states()
                )
            )
        self.sampler_cpu_s += time.thread_time() - began_s
        return b"".join(found)

    def end(self) -> bytes:
        """Return the last lines, of executions that still run."""
        return b"".join(self._slots.finish())

    def _sample(self, events: Sequence[Event | bytes]) -> list[bytes]:
        for event in events:
            self._slots.note(event)
        return self._slots.sample()

    def _find_gil(self) -> dict[str, str]:
        """Find the GIL; return how its waits are distinguished, or why they are not."""
        try:
            Path(f"/proc/{self._pid}/task/{self._pid}/syscall").read_bytes()
            address = find_gil()
            address.range_in(self._pid)
        except (OSError, GilNotFoundError) as error:
            found = {"gil": "unknown", "gil_reason": reason_of(error)}
        else:
            self._gil, found = address, {"gil": "address"}
        # a worker may turn it on by what it imports; each job's line states whether it has
        return found if getattr(sys, "_is_gil_enabled", lambda: True)() else {"gil": "none"}

    def _gil_words(self, pid: int) -> GilWords:
        try:
            return GilWords(self._gil.range_in(pid) if self._gil else None)
        except (OSError, GilNotFoundError):
            return GilWords(None)


def observer_of(settings: RecordingSettings) -> Observer:
    """Return the observer of a worker, by what this system offers."""
    if sys.platform != "linux":
        return Observer()
    return LinuxObserver(settings.worker_pid, has_lanes=settings.lanes)


def _counts_times(pid: int) -> bool:
    """Return whether the kernel counts the times of threads; a process that runs has some."""
    try:
        reader = ThreadReader(pid, pid, gil=GilWords(None))
        run_ns, _ = reader.read_times()
    except ThreadGoneError:
        return False
    reader.close()
    return run_ns > 0


def reason_of(error: Exception) -> str:
    """Return why the states of a worker's threads can't be read."""
    if not isinstance(error, PermissionError):
        return str(error)
    scope = PTRACE_SCOPE.read_text(encoding="utf-8").strip() if PTRACE_SCOPE.exists() else "0"
    if scope != "0":
        return f"kernel.yama.ptrace_scope is {scope}; 0 allows reading what threads wait for"
    return "the worker runs as another user than its recorder, or has changed its user"
