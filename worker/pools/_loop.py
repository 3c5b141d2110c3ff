"""Keeps the asyncio pool's loop running when jobs stop it or exit."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

from ._child import fail_job
from ._job import Job, current_job


def run_until(is_stopped: Callable[[], bool], *, loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it stops because the pool does.

    A job may call ``loop.stop()``, and a callback of the loop may raise SystemExit, which asyncio
    lets through. Both leave the loop as it was, so it runs on. Any other error is raised.
    """
    while not is_stopped():
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as exit_:
            fail_job(_job_of(exit_), exit_=exit_, where="A callback on the event loop")


def _job_of(error: BaseException) -> Job | None:
    """Return the job that owns the callback which raised; None if it is not known."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        handle = frame.f_locals.get("self")
        if isinstance(handle, asyncio.Handle):
            # asyncio has no public name for a handle's context; uvloop's handles have no frame
            return handle._context.get(current_job)  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
    return None
