"""The threads that `asyncio.to_thread` and `loop.run_in_executor(None, …)` use in the asyncio pool.

Unlike asyncio's own threads, their number depends on the pool's slots, each running call has a
name, and a call that never ends doesn't prevent the process from exiting.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import functools
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from ._job import current_job

#: Most threads for any number of slots.
MOST_THREADS = 256

#: Fewest threads for any number of slots: as many as asyncio's own executor has
#: (`concurrent.futures.ThreadPoolExecutor`).
FEWEST_THREADS = min(32, (os.cpu_count() or 1) + 4)


class CallThreads(concurrent.futures.ThreadPoolExecutor):
    """An executor of daemon threads, which are started when there are more calls than threads.

    It inherits from ThreadPoolExecutor only because asyncio accepts no other default executor; it
    uses its own queue and threads, since those of ThreadPoolExecutor are joined at exit.
    """

    def __init__(self, *, slots: Callable[[], int]) -> None:
        super().__init__(max_workers=1)
        self._slots = slots
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread_count = 0
        self._is_closed = False
        #: Names of the calls that were submitted and have not ended.
        self._names: dict[concurrent.futures.Future[Any], str] = {}

    def unfinished(self) -> tuple[str, ...]:
        """Return the names of the calls that wait or run: function and job."""
        with self._lock:
            return tuple(sorted(self._names.values()))

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Run a call in a thread.

        Raises:
            RuntimeError: after `shutdown`.
        """
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        job = current_job.get(None)
        name = _name_of(function) + (f" for {job}" if job is not None else "")
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the asyncio pool has stopped: no thread can be used")
            self._names[future] = name
            call = functools.partial(function, *args, **kwargs)
            self._queue.put(functools.partial(self._run, future, call))
            most = max(FEWEST_THREADS, min(self._slots(), MOST_THREADS))
            if self._thread_count < min(len(self._names), most):
                self._thread_count += 1
                title = f"asyncio-pool-call-{self._thread_count}"
                threading.Thread(target=self._work, name=title, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 -- the executor's signature
        """Accept no more calls. It never waits, since the pool has waited as long as it may."""
        with self._lock:
            self._is_closed = True
            for _ in range(self._thread_count):
                self._queue.put(None)

    def _work(self) -> None:
        while (run := self._queue.get()) is not None:
            run()
            del run  # it references the call's result

    def _run(self, future: concurrent.futures.Future[Any], call: Callable[[], Any]) -> None:
        """Make a call unless its future was cancelled; drop its name, then set the future."""
        settle = None
        if future.set_running_or_notify_cancel():
            try:
                settle = functools.partial(future.set_result, call())
            except BaseException as error:  # noqa: BLE001 -- raised where the future is awaited
                settle = functools.partial(future.set_exception, error)
        with self._lock:
            del self._names[future]
        if settle is not None:
            settle()


def _name_of(function: Callable[..., Any]) -> str:
    if isinstance(function, functools.partial):
        # `asyncio.to_thread` submits partial(context.run, function, …)
        is_in_context = isinstance(getattr(function.func, "__self__", None), contextvars.Context)
        function = function.args[0] if is_in_context else function.func
    return str(getattr(function, "__qualname__", None) or type(function).__name__)
