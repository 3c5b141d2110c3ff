"""A pool for Celery whose slots are coroutines: runs `async def` jobs, and plain ones, on one loop.

Start a worker with ``CELERY_CUSTOM_WORKER_POOL=poolbench.asyncio_pool.pool:TaskPool`` and ``-P
custom``. This package needs only Celery and greenlet, and patches neither them nor asyncio.
docs/asyncio-pool.md lists the supported features.

The loop has a thread of its own. Celery's bookkeeping stays in the consumer's thread, to which the
loop posts events. A job that blocks the loop therefore blocks other jobs, but not remote control.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from celery.app import trace
from celery.concurrency.base import BasePool
from celery.platforms import EX_FAILURE
from celery.worker import state as worker_state

from . import _refusal  # noqa: F401 -- before the imports that fail where the pool can't run
from ._blocked import BlockedLog
from ._bridge import bridge
from ._child import Child, run_until
from ._consumer import ConsumerThread
from ._job import Job, current_job
from ._request import JobRequest
from ._stop_signals import wrap_stop_handlers
from ._threads import CallThreads

#: Time that a cold shutdown waits for its cancelled jobs, and every shutdown for the loop, seconds.
COLD_STOP_S = 5.0

#: Interval between two checks of the jobs that a shutdown waits for, seconds.
_CHECK_EVERY_S = 0.02

#: Jobs in flight from which on arrivals and ends within `GATHER_S` seconds are posted together,
#: since two threads of one interpreter delay each other at each post (docs/asyncio-pool.md). With
#: few slots, the delay would be noticeable if a job is fetched only when another has ended.
GATHER_FROM = 32
GATHER_S = 0.002

#: Celery's names of the limits that a job, or all jobs of a worker, may have.
_LIMITS = ("soft_timeout", "timeout")

#: State that Celery's signal handlers set for the worker.
_celery: Any = worker_state

_log = logging.getLogger("celery.pool.asyncio")


class TaskPool(BasePool):
    """The pool that Celery creates for ``-P custom``."""

    #: A message's body never leaves the process.
    body_can_be_buffer = True
    #: A shutdown waits for jobs, which it can't do within a signal handler.
    signal_safe = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self.is_terminating = False
        self._is_stopped = False
        self.blocked = BlockedLog(self.loop)
        self._threads = CallThreads(slots=lambda: self.limit)
        #: Jobs without a slot, filled by the consumer's thread and emptied by the loop's.
        self._waiting: deque[Job] = deque()
        #: Jobs with a slot, and error callbacks that have none.
        self._running: set[Job] = set()
        self._is_filling = False
        self._is_gathering = False
        self._is_closed = False
        #: Celery's tasks that are prepared to return coroutines, by name.
        self._bridged: dict[str, Any] = {}
        self._consumer = ConsumerThread()
        self._thread = threading.Thread(target=self._run_loop, name="asyncio-pool", daemon=True)

    # Celery calls these in the consumer's thread

    def on_start(self) -> None:
        """Start the loop."""
        # before the consumer builds the tracers: a wrapper that a library adds to a function then,
        # such as Sentry's, must get the coroutine's value
        for task in self.app.tasks.values() if self.app is not None else ():
            self._bridge(task)
        # the consumer is woken because it sleeps for up to a second otherwise
        wrap_stop_handlers(before=self.on_close, after=self._consumer.wake)
        self._thread.start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Make the posted calls in the consumer's hub; called again for each connection."""
        self._consumer.register(loop)

    def on_apply(  # type: ignore[override]  # celery-types has it return None
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        **options: Any,
    ) -> Job:
        """Queue a job; it waits in the pool until a slot is free, and is accepted only then."""
        if len(args) > 2:
            self._bridge_late(args[0], fields=args[2])
        limits = {name: options.get(name) or self.options.get(name) for name in _LIMITS}
        request = JobRequest(
            call=functools.partial(target, *args, **(kwargs or {})),
            kind=str(args[0]) if args else "",
            job_id=str(options.get("correlation_id", "")),
            soft_limit_s=limits["soft_timeout"],
            limit_s=limits["timeout"],
            on_accepted=options.get("accept_callback"),
            on_success=options.get("callback"),
            on_failure=options.get("error_callback"),
            on_timeout=options.get("timeout_callback"),
        )
        job = Job(self, request=request)
        if not self._is_closed:  # a job that a timer adds while the worker stops is redelivered
            self._waiting.append(job)
            self._wake_loop()
        return job

    def flush(self) -> None:
        """Drop the waiting jobs; they are unacknowledged, so the broker redelivers them."""
        self._waiting.clear()

    def grow(self, n: int = 1) -> None:
        """Add slots."""
        self.limit += n
        self._wake_loop()

    def shrink(self, n: int = 1) -> None:
        """Remove slots; a job in a removed slot finishes first."""
        if n > self.limit:
            raise ValueError(f"{n} of {self.limit} slots can't be taken away")
        self.limit -= n

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """Do nothing: a pid identifies no job, and Celery terminates the job's handle too."""

    def on_close(self) -> None:
        """Start no more jobs; waiting jobs return to the broker when the connection closes."""
        self._is_closed = True
        self.flush()

    def on_stop(self) -> None:
        """Wait for the running jobs to finish, or up to `COLD_STOP_S` in a cold shutdown.

        Celery calls it in its handler of the signal for a cold shutdown.
        """
        self.on_close()
        has_named_calls = False
        while self._has_work() and not _celery.should_terminate:
            self._consumer.deliver()
            self._consumer.tend_hub()
            if not has_named_calls and not self._running:
                has_named_calls = True
                self._name_calls("Waiting for calls that jobs left in threads: %s")
            time.sleep(_CHECK_EVERY_S)
        if _celery.should_terminate:
            self.on_terminate()
        else:
            self._stop_loop()
            self._consumer.tend_hub()

    def on_terminate(self) -> None:
        """Cancel the running jobs without a report; unacknowledged messages return to the queue."""
        self.on_close()
        if self._is_stopped:
            return
        self.is_terminating = True
        self.call(self._cancel_all)
        until_s = time.monotonic() + COLD_STOP_S
        while self._running and self._thread.is_alive() and time.monotonic() < until_s:
            time.sleep(_CHECK_EVERY_S)
        self._name_calls("The worker ends without these calls in threads: %s")
        self._stop_loop()

    def _get_info(self) -> dict[str, Any]:
        return {
            **super()._get_info(),  # type: ignore[misc]  # not in celery-types
            "max-concurrency": self.limit,
            "running": len(self._running),
            "waiting": len(self._waiting),
            "timeouts": [self.options.get(name) or 0 for name in _LIMITS],
            "loop": type(self.loop).__name__,
            "blocked": self.blocked.info(),
        }

    def _bridge(self, task: Any) -> None:
        self._bridged[task.name] = task
        bridge(task, pool=self)

    def _bridge_late(self, kind: str, *, fields: Any) -> None:
        """Prepare a task that was registered after the start to return a coroutine."""
        task = self.app.tasks.get(kind) if self.app is not None else None
        if task is None or self._bridged.get(kind) is task:
            return
        self._bridge(task)
        # looked up in its module at each call, since a library may have replaced it
        task.__trace__ = trace.build_tracer(
            kind, task, self.app.loader, fields.get("hostname"), app=self.app
        )

    def _wake_loop(self) -> None:
        # while ends are gathered, so are arrivals; with all slots busy, only an end frees one
        if self._may_fill() and not self._is_filling and not self._is_gathering:
            self._is_filling = True
            self.call(self._fill)

    def _recheck(self, job: Job) -> None:
        """Ask Celery whether a job that waited still runs; it drops revoked and expired jobs."""
        request = job.request.celery_request
        if request is None or not request.revoked():
            job.is_cleared = True
            self._waiting.appendleft(job)
            self._wake_loop()

    def _may_fill(self) -> bool:
        return bool(len(self._running) < self.limit)

    def _has_work(self) -> bool:
        """Return whether a warm shutdown must wait: for jobs, calls in threads, or a delivery."""
        is_running = bool(self._running) or bool(self._threads.unfinished())
        return bool(self._consumer) or (is_running and self._thread.is_alive())

    def _name_calls(self, message: str) -> None:
        if calls := self._threads.unfinished():
            _log.warning(message, ", ".join(calls))

    def _stop_loop(self) -> None:
        self.is_terminating = self._is_stopped = True
        self.call(self.loop.stop)
        left = tuple(self._running)
        for job in left:
            _log.error("Job %s would not end; the worker ends without it", job)
        self._thread.join(_CHECK_EVERY_S if left else COLD_STOP_S)
        self._consumer.deliver()

    # any thread calls this

    def call(self, function: Callable[[], Any]) -> None:
        """Call a function on the loop; do nothing if the loop has ended."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function)

    def run_errback(self, call: Callable[[], Any], *, kind: str) -> None:
        """Run an error callback on the loop, in addition to the jobs in slots; log its failure.

        Celery calls it in the consumer's thread, where nothing can be awaited.
        """
        request = JobRequest(
            call=call,
            kind=kind,
            job_id="error callback",
            on_failure=lambda failure: _log.error(
                "Error callback %s failed: %r\n%s", kind, failure.exception, failure.traceback
            ),
        )
        if self._is_stopped:
            _log.error("Error callback %s did not run: the event loop has ended", kind)
            return
        job = Job(self, request=request)
        self._running.add(job)
        self.call(job.start)

    # the loop's thread runs these

    def post(self, function: Callable[..., Any] | None, *args: Any) -> None:
        """Call a function in the consumer's thread, after those posted before.

        For a consumer without a hub, this thread makes the call, as in Celery's threads pool. If
        there are many jobs, arrivals and ends are gathered from now on.
        """
        self._consumer.put(function, *args)
        if self._consumer.hub is None:
            self._consumer.deliver()
            return
        self._consumer.wake()
        if not self._is_gathering and len(self._running) >= GATHER_FROM:
            self._is_gathering = True
            # not in a job's context, which would be kept alive while calls are gathered
            self.loop.call_later(GATHER_S, self._hand_over, context=contextvars.Context())

    def post_soon(self, function: Callable[..., Any] | None, *args: Any) -> None:
        """Call a function in the consumer's thread, together with others posted in `GATHER_S`."""
        if self._is_gathering:
            self._consumer.put(function, *args)
        else:
            self.post(function, *args)

    def _hand_over(self) -> None:
        """Deliver the gathered calls; continue gathering while there are any."""
        has_news = bool(self._consumer) or (bool(self._waiting) and self._may_fill())
        if has_news and len(self._running) >= GATHER_FROM:
            self.loop.call_later(GATHER_S, self._hand_over)
        else:  # before a last check, since a later arrival wakes the loop if this is unset
            self._is_gathering = False
        if self._consumer:
            self._consumer.wake()
        self._fill()

    def on_ended(self, job: Job) -> None:
        """Give the job's slot to the next job.

        After a cancellation the consumer's thread does this, since it may be in a cold shutdown,
        which cancels all jobs first and closes the pool after that.
        """
        self._running.discard(job)
        if job.cancel_reason:
            self.post(self._wake_loop)
        else:
            self._fill()

    def _run_loop(self) -> None:
        self.loop.set_task_factory(self._make_task)
        self.loop.set_default_executor(self._threads)
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                try:
                    run_until(lambda: self._is_stopped, loop=runner.get_loop())
                except BaseException:  # before the runner cancels all tasks at its exit
                    # acknowledged jobs are reported; the messages of others return to the queue
                    self._is_closed = self.is_terminating = True
                    for job in tuple(self._running):
                        self.post(job.abandon)
                    raise
        except BaseException:  # noqa: BLE001 -- without its loop the worker must end
            _log.critical("The event loop has failed, and the worker with it", exc_info=True)
            _celery.should_stop = EX_FAILURE
            self._consumer.wake()

    def _fill(self) -> None:
        """Give free slots to waiting jobs."""
        self._is_filling = False
        while self._may_fill() and not self._is_closed:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return
            if not job.is_cleared and job.request.may_be_revoked():
                self.post(self._recheck, job)
            else:
                self._running.add(job)
                job.start()

    def _cancel_all(self) -> None:
        for job in tuple(self._running):
            job.cancel("the worker is ending")

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """Create a task for code on the loop; code of a job gets a `Child` of that job."""
        context = options.pop("context", None)
        if context is None:
            context = contextvars.copy_context()
        job = context.get(current_job)
        if job is not None and not job.has_ended:
            coroutine = Child(job, coroutine=coroutine, context=context)
        return asyncio.Task(coroutine, loop=loop, context=context, **options)
