"""The tasks that a job of the asyncio pool starts: they run in the job's greenlet."""

from __future__ import annotations

import asyncio
import contextvars
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
        self._step: Callable[[Any], Any] = coroutine.send
        self._argument: Any = None
        self._awaited: Any = None
        self._error: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __await__(self) -> Any:
        """Refuse: its own task alone awaits it."""
        raise TypeError(f"{self!r} can't be awaited")

    def send(self, value: Any) -> Any:
        """Take the coroutine's next step."""
        return self._turn(self._coroutine.send, value)

    def throw(self, error: Any, *_: Any) -> Any:
        """Take the coroutine's next step, which begins with an exception at its await."""
        return self._turn(self._coroutine.throw, error)

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def take_turn(self) -> None:
        """Take the step that is due and keep how it ended, an exception too."""
        try:
            self._awaited = self._step(self._argument)
        except BaseException as error:  # noqa: BLE001 -- raised again in `_turn`
            self._error = error

    def _turn(self, step: Callable[[Any], Any], argument: Any) -> Any:
        self._step, self._argument = step, argument
        job, slot = self._job, self._job.slot
        began_ns = time.perf_counter_ns()
        # the job may have ended, or be at its turn and begin this task at once
        if job.has_ended or getcurrent() is not slot.parent:
            self.take_turn()
        else:
            slot.gr_context = self._context
            slot.switch(self)
            slot.gr_context = job.context
        job.note_turn(began_ns)
        error, self._error, self._argument = self._error, None, None
        if error is None:
            return self._awaited
        try:
            if isinstance(error, SystemExit | KeyboardInterrupt):
                # asyncio would let it end the loop, and every other job with it
                fail_job(job, exit_=error, where=f"A task of {job}")
                raise asyncio.CancelledError(f"it raised {error!r}") from error
            raise error
        finally:
            del error


def fail_job(job: Job | None, *, exit_: BaseException, where: str) -> None:
    """Let a SystemExit or KeyboardInterrupt on the loop cost its own job, if it has one.

    ``where`` names what raised it, for the log.
    """
    if job is None or job.has_ended:
        _log.error("%s raised %r; the event loop goes on", where, exit_)
    else:
        job.leave(exit_)
