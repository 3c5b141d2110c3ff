"""Tasks and callbacks that run on the asyncio pool's loop on behalf of a job.

A job's tasks run in its greenlet. A SystemExit in them ends their job, and not the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from greenlet import getcurrent

from ._job import Job, current_job

_log = logging.getLogger("celery.pool.asyncio")


class Child(Coroutine[Any, Any, Any]):
    """The coroutine of a task that a job started; its steps run in the job's greenlet.

    Celery therefore finds the job's request, and a blocked loop is counted for the job.
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
        """Raise TypeError: only its own task may await it."""
        raise TypeError(f"{self!r} can't be awaited")

    def send(self, value: Any) -> Any:
        """Run the coroutine's next step."""
        return self._turn(functools.partial(self._coroutine.send, value))

    def throw(self, error: Any, *_: Any) -> Any:
        """Run the coroutine's next step, which begins with an exception at its await."""
        return self._turn(functools.partial(self._coroutine.throw, error))

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def _turn(self, step: Callable[[], Any]) -> Any:
        job, slot = self._job, self._job.slot
        began_ns = time.perf_counter_ns()
        try:
            # the job may have ended, or its current turn may start this task eagerly
            if job.has_ended or getcurrent() is not slot.parent:
                return step()
            slot.gr_context = self._context
            try:
                return slot.switch(step)
            finally:
                slot.gr_context = job.context
        except (SystemExit, KeyboardInterrupt) as exit_:
            # asyncio would end the loop, and every other job with it
            _fail_job(job, exit_=exit_, where=f"A task of {job}")
            raise asyncio.CancelledError(f"it raised {exit_!r}") from exit_
        finally:
            job.note_turn(began_ns)


def _fail_job(job: Job | None, *, exit_: BaseException, where: str) -> None:
    """Fail the job of a SystemExit or KeyboardInterrupt on the loop, if it has one.

    ``where`` is the code that raised it, for the log.
    """
    if job is None or job.has_ended:
        _log.error("%s raised %r; the event loop continues", where, exit_)
    else:
        job.fail_by_exit(exit_)


def run_until(is_stopped: Callable[[], bool], *, loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it stops and ``is_stopped`` is true.

    A job may call ``loop.stop()``, and a callback of the loop may raise SystemExit, which asyncio
    propagates. The loop is intact after both, so it continues. Any other error is raised.
    """
    while not is_stopped():
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as exit_:
            _fail_job(_job_of(exit_), exit_=exit_, where="A callback on the event loop")


def _job_of(error: BaseException) -> Job | None:
    """Return the job of the callback that raised an error; None if it is unknown."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        handle = frame.f_locals.get("self")
        if isinstance(handle, asyncio.Handle):
            # asyncio has no public name for a handle's context; uvloop's handles have no frame
            return handle._context.get(current_job)  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
    return None
