"""Measures how long a greenlet runs, where the slots of a worker take turns in one thread.

greenlet calls a function at each switch in a thread: ``greenlet.settrace``. A function that was set
before is still called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

#: Shortest stretch without a switch that blocks the loop, ns; as in our asyncio pool.
BLOCKING_NS = 50_000_000


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
        self._getcurrent: Callable[[], object]
        #: Those of greenlets that run a job, by the identity of the greenlet.
        self._turns: dict[int, _Turns] = {}
        #: Those of the greenlet that has its turn.
        self._current: _Turns | None = None
        #: Called at each switch in addition: the function that was set before, if any.
        self._then: Callable[[str, Any], object] | None = None

    def begin(self) -> None:
        """Begin to measure the calling greenlet."""
        # gevent replaces the other identity of threads by that of greenlets
        if threading.get_native_id() != self._thread_id:
            self._trace_this_thread()
        turns = self._current = _Turns(time.perf_counter_ns())
        self._turns[id(self._getcurrent())] = turns

    def end(self) -> tuple[int, int] | None:
        """Return how long the calling greenlet ran, and how long it blocked its loop, ns.

        None if it didn't `begin`. A stretch from `BLOCKING_NS` on without a switch blocks.
        """
        if self._thread_id is None:
            return None
        turns = self._turns.pop(id(self._getcurrent()), None)
        if turns is None:
            return None
        self._current = None
        turns.end_turn(time.perf_counter_ns())
        return turns.running_ns, turns.blocked_ns

    def stop(self) -> None:
        """End the measuring with the next switch, in the thread that is measured."""
        self._then = partial(self._stop, self._then)

    def _trace_this_thread(self) -> None:
        # only where a pool has imported it: Poolbench doesn't require it
        from greenlet import getcurrent, settrace  # noqa: PLC0415 -- as above

        self._getcurrent = getcurrent
        self._then = settrace(self._on_switch)
        self._thread_id = threading.get_native_id()

    def _on_switch(self, event: str, greenlets: Any) -> None:
        now_ns = time.perf_counter_ns()
        turns = self._current
        if turns is not None:
            turns.end_turn(now_ns)
        turns = self._current = self._turns.get(id(greenlets[1]))
        if turns is not None:
            turns.began_ns = now_ns
        if self._then is not None:
            self._then(event, greenlets)

    @staticmethod
    def _stop(then: Callable[[str, Any], object] | None, event: str, greenlets: Any) -> None:
        from greenlet import settrace  # noqa: PLC0415 -- as in `_trace_this_thread`

        settrace(then)
        if then is not None:
            then(event, greenlets)
