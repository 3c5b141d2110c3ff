"""Reports how long a job's function took; needs no probe and starts none."""

from __future__ import annotations

from celery import current_task

#: Attribute of a job's request that holds the time until the job is finished.
WORK_NS = "poolbench_work_ns"


def report_work_ns(work_ns: int) -> None:
    """Report how long the running job worked, nanoseconds; without a probe it has no effect.

    To be called in the slot, in the job's own thread or greenlet. Celery keeps a job's request for
    exactly that scope in every pool, which a thread-local or a context variable would not be: an
    executor's thread serves many jobs, and another pool's coroutine may run in another context.
    A coroutine may call it in our asyncio pool, which steps it in the greenlet of its job.
    """
    if current_task:
        setattr(current_task.request, WORK_NS, work_ns)
