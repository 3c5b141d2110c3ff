"""The tasks that a job of the asyncio pool starts: they run in the job's greenlet."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from greenlet import getcurrent

from ._job import Job

_log = logging.getLogger("celery.pool.asyncio")


class Child(Coroutine[Any, Any, Any]):
    """The coroutine of a task that a job started: takes its turns in the job's greenlet.

    So Celery finds the job's request there, and a blocked loop is counted for the job.
    """

    def __init__(
        self, job: Job, *, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        self._job = job
        self._coroutine = coroutine
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __await__(self) -> Any:
        """Refuse: its own task alone awaits it."""
        raise TypeError(f"{self!r} can't be awaited")

    def send(self, value: Any) -> Any:
        """Take the coroutine's next step."""
        return self._turn(functools.partial(self._coroutine.send, value))

    def throw(self, error: Any, *_: Any) -> Any:
        """Take the coroutine's next step, which begins with an exception at its await."""
        return self._turn(functools.partial(self._coroutine.throw, error))

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def _turn(self, step: Callable[[], Any]) -> Any:
        job, slot = self._job, self._job.slot
        began_ns = time.perf_counter_ns()
        try:
            # the job may have ended, or be at its turn and begin this task at once
            if job.has_ended or getcurrent() is not slot.parent:
                return step()
            slot.gr_context = self._context
            try:
                return slot.switch(step)
            finally:
                slot.gr_context = job.context
        except (SystemExit, KeyboardInterrupt) as exit_:
            # asyncio would let it end the loop, and every other job with it
            fail_job(job, exit_=exit_, where=f"A task of {job}")
            raise asyncio.CancelledError(f"it raised {exit_!r}") from exit_
        finally:
            job.note_turn(began_ns)


def fail_job(job: Job | None, *, exit_: BaseException, where: str) -> None:
    """Let a SystemExit or KeyboardInterrupt on the loop cost its own job, if it has one.

    ``where`` names what raised it, for the log.
    """
    if job is None or job.has_ended:
        _log.error("%s raised %r; the event loop goes on", where, exit_)
    else:
        job.leave(exit_)
