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

from poolbench.recording.lanes import PAUSES, RUNS, Steps

#: Most lines of one job's turns; later turns are not recorded.
MOST_LINES = 50

#: Shortest stretch without a switch that blocks the loop, ns; as in our asyncio pool.
BLOCKING_NS = 50_000_000


class _Turns:
    """The turns of one greenlet since its job began."""

    __slots__ = ("began_ns", "blocked_ns", "running_ns", "steps")

    def __init__(self, began_ns: int, *, steps: list[Steps] | None) -> None:
        self.began_ns = began_ns
        self.running_ns = 0
        self.blocked_ns = 0
        #: When it ran, in pieces that fit into a line; None unless lanes are recorded.
        self.steps = steps

    def end_turn(self, now_ns: int) -> None:
        turn_ns = now_ns - self.began_ns
        self.running_ns += turn_ns
        if turn_ns >= BLOCKING_NS:
            self.blocked_ns += turn_ns
        if self.steps is not None:
            self._note_turn(self.steps, now_ns)

    def _note_turn(self, pieces: list[Steps], now_ns: int) -> None:
        if not pieces or pieces[-1].is_long:
            if len(pieces) == MOST_LINES:
                return
            pieces.append(Steps(self.began_ns))
        steps = pieces[-1]
        steps.add(PAUSES, self.began_ns - steps.end_ns)
        steps.add(RUNS, now_ns - steps.end_ns)


class RunningTime:
    """Measures the jobs that run in greenlets of one thread; with ``has_lanes``, also when."""

    def __init__(self, *, has_lanes: bool = False) -> None:
        self._has_lanes = has_lanes
        #: What turns a time of the performance counter into one since 1970, ns.
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()
        #: The steps of the job that `end` ended last.
        self._ended: list[Steps] = []
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
        steps: list[Steps] | None = [] if self._has_lanes else None
        turns = self._current = _Turns(time.perf_counter_ns(), steps=steps)
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
        self._ended = turns.steps or []
        return turns.running_ns, turns.blocked_ns

    def steps(self) -> list[tuple[int, str]]:
        """Return when the job that ended last ran: begins (Unix ns) and texts of steps."""
        return [(self._epoch_ns + one.began_ns, one.text()) for one in self._ended]

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
