"""The asyncio pool without a worker: jobs put into it directly, and its callbacks for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from celery.app.trace import trace_task_ret

from poolbench.asyncio_pool._job import Job
from poolbench.asyncio_pool.pool import TaskPool
from tests.conftest import wait_until


@dataclass(slots=True)
class CallbackLog:
    """The callbacks that the pool made for one job, in order, and their threads."""

    handle: Job | None = None
    words: list[tuple[str, Any]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def record(self, word: str) -> Callable[..., None]:
        """Return a callback that records its arguments under a name."""

        def note(*args: Any) -> None:
            self.threads.add(threading.get_ident())
            self.words.append((word, args[0] if len(args) == 1 else args))

        return note

    @property
    def order(self) -> list[str]:
        """The names of the callbacks."""
        return [word for word, _ in self.words]

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended."""
        return bool({"success", "failure", "timeout"} & set(self.order))

    def last(self) -> Any:
        """Wait for the last callback; return its argument."""
        wait_until(lambda: self.has_ended, what=f"the end of a job: {self.words}")
        return self.words[-1][1]

    def value(self) -> Any:
        """Wait for the end; return the value that Celery's tracer passes on, as text."""
        failed, value, _ = self.last()
        assert not failed, value
        return value

    def error(self) -> BaseException:
        """Wait for the end; return why the job failed."""
        last = self.last()
        error = (last[1] if isinstance(last, tuple) else last).exception
        bare: BaseException = getattr(error, "exc", error)  # as Celery takes its wrapping off
        return bare


@dataclass(slots=True)
class Crew:
    """A started pool, and an app of its own."""

    pool: TaskPool
    app: Celery

    def job(self, function: Callable[..., Any], **options: Any) -> Any:
        """Make a function a job of the app."""
        as_task: Any = self.app.task
        return as_task(function, shared=False, **{"name": function.__name__, **options})

    def put(self, job: Any, *args: Any, **limits: float) -> CallbackLog:
        """Put a job into the pool as Celery's request does."""
        calls = CallbackLog()
        job_id = f"id-{id(calls):x}"
        fields = {"id": job_id, "task": job.name, "hostname": "unit@here", "delivery_info": {}}
        calls.handle = self.pool.apply_async(
            trace_task_ret,
            args=(job.name, job_id, fields, (args, {}, {}), None, None),
            kwargs={"app": self.app},
            correlation_id=job_id,
            accept_callback=calls.record("accepted"),
            callback=calls.record("success"),
            error_callback=calls.record("failure"),
            timeout_callback=lambda soft, limit_s: calls.record("soft" if soft else "timeout")(
                limit_s
            ),
            **limits,
        )
        return calls

    def run(self, function: Callable[..., Any], *args: Any) -> CallbackLog:
        """Make a function a job and put it into the pool."""
        return self.put(self.job(function), *args)


@contextmanager
def started_crew(*, slots: int = 2) -> Iterator[Crew]:
    """Start a pool and stop it at the end."""
    with Celery("unit", broker="memory://", set_as_current=False) as app:
        app.conf.task_ignore_result = True
        pool = TaskPool(slots, app=app)
        pool.start()
        try:
            yield Crew(pool=pool, app=app)
        finally:
            pool.terminate()
