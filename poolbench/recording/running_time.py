"""Measures how long a greenlet runs, where the slots of a worker take turns in one thread.

greenlet calls a function at each switch in a thread: ``greenlet.settrace``. A function that was set
before is still called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

#: Shortest stretch without a switch that blocks the loop, ns; as in our asyncio pool.
BLOCKING_NS = 50_000_000

#: Attribute of a greenlet that runs a job: its `_Turns`.
_TURNS = "poolbench_turns"


class _Turns:
    """The turns of one greenlet since its job began."""

    __slots__ = ("began_ns", "blocked_ns", "running_ns")

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self.running_ns = 0
        self.blocked_ns = 0

    def end_turn(self, now_ns: int) -> None:
        turn_ns = now_ns - self.began_ns
        self.running_ns += turn_ns
        if turn_ns >= BLOCKING_NS:
            self.blocked_ns += turn_ns


class RunningTime:
    """Measures the jobs that run in greenlets of one thread."""

    def __init__(self) -> None:
        self._thread_id: int | None = None
        self._getcurrent: Callable[[], Any]
        self._earlier: Callable[[str, Any], None] | None = None
        self._has_ended = False

    def begin(self) -> None:
        """Begin to measure the calling greenlet."""
        # gevent replaces the other identity of threads by that of greenlets
        if threading.get_native_id() != self._thread_id:
            self._trace_this_thread()
        setattr(self._getcurrent(), _TURNS, _Turns(time.perf_counter_ns()))

    def end(self) -> tuple[int, int] | None:
        """Return how long the calling greenlet ran, and how long it blocked its loop, ns.

        None if it didn't `begin`. A stretch from `BLOCKING_NS` on without a switch blocks.
        """
        greenlet = self._getcurrent() if self._thread_id is not None else None
        turns = getattr(greenlet, _TURNS, None)
        if turns is None:
            return None
        delattr(greenlet, _TURNS)
        turns.end_turn(time.perf_counter_ns())
        return turns.running_ns, turns.blocked_ns

    def stop(self) -> None:
        """End the measuring with the next switch, in the thread that is measured."""
        self._has_ended = True

    def _trace_this_thread(self) -> None:
        # only where a pool has imported it: Poolbench doesn't require it
        from greenlet import getcurrent, settrace  # noqa: PLC0415 -- as above

        self._getcurrent = getcurrent
        self._earlier = settrace(self._on_switch)
        self._thread_id = threading.get_native_id()

    def _on_switch(self, event: str, greenlets: Any) -> None:
        if self._has_ended:
            from greenlet import settrace  # noqa: PLC0415 -- as in `_trace_this_thread`

            settrace(self._earlier)
        now_ns = time.perf_counter_ns()
        origin, target = greenlets
        if (turns := getattr(origin, _TURNS, None)) is not None:
            turns.end_turn(now_ns)
        if (turns := getattr(target, _TURNS, None)) is not None:
            turns.began_ns = now_ns
        if self._earlier is not None:
            self._earlier(event, greenlets)
