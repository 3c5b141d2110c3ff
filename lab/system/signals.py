"""Turns signals into interruptions of a run, and delays them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

#: Sent by Ctrl-C, by a supervisor, by a terminal that is closed.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_signals(announce: Callable[[], object]) -> None:
    """Raise KeyboardInterrupt at the first of these signals, after ``announce``; ignore the next.

    For the main thread.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)
        announce()
        raise KeyboardInterrupt

    for number in ENDING:
        signal.signal(number, interrupt)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay interrupting signals until the body is done, then deliver the first.

    For the main thread: a run must not stop workers or write records only in part.
    """
    waiting: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    before = {number: signal.signal(number, remember) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])
