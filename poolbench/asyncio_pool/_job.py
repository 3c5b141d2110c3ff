"""A job of the asyncio pool: Celery's tracer in a greenlet, driven as a coroutine by the loop.

A job runs in one greenlet, by which Celery distinguishes jobs, and in one context. The pool is in
pool.py. The sequence of a job that awaits once; each arrow is a switch or a call::

    loop, asyncio.Task       Job, in the loop's greenlet    the job's greenlet
    ------------------       ---------------------------    ------------------
    task's first step -----> send(None): _turn
                               _begin: greenlet(_run),
                               on_accepted is posted
                               slot.switch(None) ---------> _run: Celery's tracer
                                                              calls the task's function,
                                                              which returns a coroutine
                                                            finish: _drive
                                                              coroutine.send(None)
    waits for the future <---- returns the future <---------- parent.switch(future)
    future is done --------> send(None): _turn
                               slot.switch(None) ---------> _drive
                                                              coroutine.send(None)
                                                              StopIteration: the value
                                                            the tracer stores the result
                                                            _run: on_success is posted
    task is done <------------ _end; StopIteration <------- the greenlet ends

A cancellation comes as `throw` instead of `send`, and `_drive` throws it at the await. A task that
the job starts takes its steps in the same greenlet: `Child` switches to it with the step as a call,
and `_take_step` switches back with what the step awaits. A plain function takes a single turn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery import exceptions
from celery.exceptions import Terminated, WorkerLostError
from greenlet import greenlet

if TYPE_CHECKING:
    from ._request import JobRequest
    from .pool import TaskPool

#: Least time without an await that counts as blocking the loop, nanoseconds.
BLOCKED_NS = 50_000_000

#: Time after its cancellation at which a job that still runs is reported, seconds.
STUBBORN_AFTER_S = 1.0

_log = logging.getLogger("celery.pool.asyncio")

#: The job on whose behalf code runs, also in the tasks that it started.
current_job: contextvars.ContextVar[Job] = contextvars.ContextVar("celery_job")


class SoftTimeLimitExceeded(exceptions.SoftTimeLimitExceeded, asyncio.CancelledError):
    """Celery's exception, as it is raised at a job's await.

    Jobs catch it by that name. It is also a CancelledError, so that code that cleans up after a
    cancellation, such as a task group, handles it as one.
    """


class Job(Coroutine[Any, Any, None]):
    """A job in the pool, and the coroutine of its asyncio task.

    Celery keeps a weak reference and calls `terminate`; all other methods run on the loop.
    """

    def __init__(self, pool: TaskPool, *, request: JobRequest) -> None:
        self.pool = pool
        self.request = request
        #: Whether Celery has confirmed, when a slot became free, that the job should still run.
        self.is_cleared = False
        #: Whether the greenlet runs Celery's tracer, and not the job's own function.
        self.is_in_tracer = False
        #: Whether the job's outcome is reported to Celery: the tracer has returned, or the job
        #: exceeded its limit.
        self.has_outcome = False
        self.has_ended = False
        #: Why it was cancelled, and by which signal; empty if it wasn't.
        self.cancel_reason = ""
        self.signal: int | None = None
        #: The SystemExit or KeyboardInterrupt of a task or callback of the job's.
        self._exit: BaseException | None = None
        self.blocked_ns = 0
        self.turn_began_ns = 0
        self.context = contextvars.Context()
        self.slot: Any = None
        self._task: Any = None
        self._timers: list[asyncio.TimerHandle] = []
        self._is_soft_limit_due = False
        self._is_over_limit = False

    def __str__(self) -> str:
        return f"{self.request.kind}[{self.request.job_id}]"

    # the pool, Celery and timers call these

    def start(self) -> None:
        """Start its task, in its context."""
        self.context.run(current_job.set, self)
        self._task = asyncio.Task(self, loop=self.pool.loop, name=str(self), context=self.context)

    def terminate(self, signal: int | None = None) -> None:
        """Cancel it at its next await; called by Celery, in the consumer's thread."""
        self.pool.call(functools.partial(self.cancel, "it was terminated", signal=signal))

    def cancel(self, reason: str, *, signal: int | None = None) -> None:
        """Cancel it at its next await. A job that waits for a slot is skipped instead."""
        # once: Celery may call it twice, and a second call would interrupt the job's own clean-up
        if self._task is not None and not self.cancel_reason:
            self.cancel_reason, self.signal = reason, signal
            self._after(STUBBORN_AFTER_S, self._report_stubborn)
            self._task.cancel(reason)

    def fail_by_exit(self, exit_: BaseException) -> None:
        """Fail it as if its own function had raised this SystemExit or KeyboardInterrupt."""
        if not self.has_ended and not self.cancel_reason:
            self._exit = exit_
            self.cancel(f"one of its tasks raised {exit_!r}")

    def abandon(self) -> None:
        """Report its failure because the event loop has failed; runs in the consumer's thread.

        A job that is not acknowledged yet is not reported: its message returns to the queue.
        """
        request = self.request.celery_request
        if not self.has_outcome and (request is None or request.acknowledged):
            self._post_failure(WorkerLostError("The event loop of the worker has failed."))

    def blocked_so_far_ns(self) -> int:
        """Return how long it has blocked the loop, including its current turn, ns."""
        turn_ns = time.perf_counter_ns() - self.turn_began_ns
        return self.blocked_ns + (turn_ns if turn_ns > BLOCKED_NS else 0)

    def note_turn(self, began_ns: int) -> None:
        """Count a turn that ends now if it blocked the loop."""
        turn_ns = time.perf_counter_ns() - began_ns
        if turn_ns > BLOCKED_NS:
            self.blocked_ns += turn_ns
            self.pool.blocked.note(self.request.kind, stretch_ns=turn_ns)

    def _after(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._timers.append(self.pool.loop.call_later(delay_s, callback))

    def _exceed_soft_limit(self) -> None:
        if self._task is not None and not self.cancel_reason:
            self._is_soft_limit_due = True
            self._task.cancel("soft time limit")
            self.pool.post(self.request.on_timeout, True, self.request.soft_limit_s)

    def _exceed_limit(self) -> None:
        if not self.cancel_reason:
            self._is_over_limit = True
            self.cancel(f"it exceeded its time limit of {self.request.limit_s:g} s")

    def _report_stubborn(self) -> None:
        _log.error("Job %s still runs although %s; it keeps its slot", self, self.cancel_reason)
        if self._is_over_limit:
            self._post_timeout()

    # the job's asyncio task calls these, in the loop's greenlet

    def __await__(self) -> Any:
        """Raise TypeError: only its own task may await a job."""
        raise TypeError(f"{self} can't be awaited")

    def send(self, _: Any) -> Any:
        """Run the job's next turn; return the awaitable that it waits for."""
        return self._turn(None)

    def close(self) -> None:
        """Do nothing: a job ends by itself."""

    def throw(self, error: Any, *_: Any) -> Any:
        """Run the job's next turn, which begins with an exception at its await."""
        return self._turn(error)

    def _turn(self, error: BaseException | None) -> Any:
        if self.slot is None:
            if error is not None and self.pool.is_terminating:
                self._end()  # it never began: nothing is reported, and its message is returned
                raise StopIteration
            self._begin()
        self.turn_began_ns = time.perf_counter_ns()
        try:
            awaited = self.slot.switch(error)
        finally:
            self.note_turn(self.turn_began_ns)
            if self.slot.dead:
                self._end()
        if self.has_ended:
            raise StopIteration
        return awaited

    def _begin(self) -> None:
        self.slot = greenlet(self._run)
        self.slot.celery_job = self
        self.slot.gr_context = self.context
        request = self.request
        self.pool.post(self._accept, os.getpid(), time.monotonic())
        if request.soft_limit_s:
            self._after(request.soft_limit_s, self._exceed_soft_limit)
        if request.limit_s:
            self._after(request.limit_s, self._exceed_limit)

    def _accept(self, pid: int, begun_at_s: float) -> None:
        """Report its start to Celery, unless it was cancelled before that.

        The message of a cancelled job returns to the queue; acknowledging it would lose the job.
        """
        if self.request.on_accepted and (self.has_outcome or not self.pool.is_terminating):
            self.request.on_accepted(pid, begun_at_s)

    def _end(self) -> None:
        self.has_ended = True
        for timer in self._timers:
            timer.cancel()
        # each of these references the job
        self._timers, self._task, self.slot = [], None, None
        self.context = contextvars.Context()
        self.pool.on_ended(self)

    # the job's greenlet runs these

    def _run(self, error: BaseException | None) -> None:
        """Run Celery's tracer and post how it ended. The job's greenlet runs this."""
        try:
            if error is not None:
                raise error  # noqa: TRY301 -- cancelled before its first step
            self._leave_loop()
            self.is_in_tracer = True
            try:
                outcome = self.request.call()
            finally:
                self.is_in_tracer = False
                self._enter_loop()
        except Exception:  # noqa: BLE001 -- the tracer raises few; Celery's request handles them
            self.has_outcome = True
            self.pool.post_soon(self.request.on_failure, ExceptionInfo())
        except BaseException as exit_:  # noqa: BLE001 -- a job that exits must not end the loop
            self._post_exit(exit_)
        else:
            self.has_outcome = True
            self.pool.post_soon(self.request.on_success, outcome)

    def _post_exit(self, exit_: BaseException) -> None:
        if self._is_over_limit:
            self._post_timeout()
        elif self.pool.is_terminating:
            return
        elif self.cancel_reason and self._exit is None:
            self._post_failure(Terminated(self.signal))
        else:
            self._post_failure(WorkerLostError(f"The job left by {self._exit or exit_!r}."))

    def _post_timeout(self) -> None:
        if not self.has_outcome:
            self.has_outcome = True
            self.pool.post(self.request.on_timeout, False, self.request.limit_s)

    def _post_failure(self, error: Exception) -> None:
        try:
            raise error
        except type(error):
            self.pool.post(self.request.on_failure, ExceptionInfo())

    def _leave_loop(self) -> None:
        """Hide the running loop from plain code, which may call `asyncio.run` in any other pool."""
        asyncio._leave_task(self.pool.loop, self._task)  # noqa: SLF001 -- as below
        asyncio._set_running_loop(None)  # noqa: SLF001 -- as below

    def _enter_loop(self) -> None:
        # documented for extensions of asyncio: docs.python.org/3/library/asyncio-extending.html
        asyncio._set_running_loop(self.pool.loop)  # noqa: SLF001
        asyncio._enter_task(self.pool.loop, self._task)  # noqa: SLF001

    def finish(self, awaitable: Any) -> Any:
        """Await what the job's function returned, and return its value, in the job's greenlet."""
        is_coroutine = inspect.iscoroutine(awaitable)
        coroutine = awaitable if is_coroutine else _wait_for(awaitable)
        self._enter_loop()
        try:
            value = self._drive(coroutine)
        except (Exception, asyncio.CancelledError) as error:
            if self.cancel_reason or self.pool.is_terminating:
                raise asyncio.CancelledError(self.cancel_reason) from error
            if isinstance(error, SoftTimeLimitExceeded):
                bare = exceptions.SoftTimeLimitExceeded().with_traceback(error.__traceback__)
                raise bare from error.__cause__
            if isinstance(error, asyncio.CancelledError):
                # the job was not cancelled: it awaited a cancelled future, and fails
                raise concurrent.futures.CancelledError(*error.args) from error
            raise
        finally:
            self._leave_loop()
        if self.cancel_reason:
            # a value returned after its cancellation must not become its result
            raise asyncio.CancelledError(self.cancel_reason)
        return value

    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        step: Callable[[Any], Any] = coroutine.send
        argument: BaseException | None = None
        while True:
            try:
                awaited = step(argument)
            except StopIteration as stop:
                return stop.value
            woken_by = self.slot.parent.switch(awaited)
            while not isinstance(woken_by, BaseException | None):
                woken_by = self._take_step(woken_by)
            argument = self._translate(woken_by)
            step = coroutine.send if argument is None else coroutine.throw

    def _take_step(self, step: Callable[[], Any]) -> Any:
        """Run a step of a task that the job started; return the value of the next switch."""
        try:
            awaited = step()
        except BaseException as error:  # noqa: BLE001 -- raised where the loop took the step
            return self.slot.parent.throw(type(error), error, error.__traceback__)
        return self.slot.parent.switch(awaited)

    def _translate(self, error: BaseException | None) -> BaseException | None:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        if not is_cancelled or not self._is_soft_limit_due or self.cancel_reason:
            return error
        self._is_soft_limit_due = False
        if self._task is not None:
            self._task.uncancel()
        return SoftTimeLimitExceeded()


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
