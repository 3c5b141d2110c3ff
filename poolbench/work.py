"""What each job of ours does at its end; works without the probe and doesn't load it."""

from __future__ import annotations

from typing import Any

from celery import current_task

from poolbench.errors import PlannedError

#: Attribute of a job's request: the thread's CPU time when the execution began, ns.
CPU_FROM_NS = "poolbench_cpu_from_ns"

#: Key in Celery's request, set for each message received: what the probe knows its execution by. A
#: retry copies it into a header, so its value is valid only in the slot, after the consumer has
#: replaced it.
EXECUTION = "poolbench_execution"

#: Attribute of a job's request with the duration, until the job has finished.
WORK_NS = "poolbench_work_ns"


def report_work_ns(work_ns: int) -> None:
    """Report how long the running job worked, nanoseconds; without a probe it has no effect.

    Call it in the slot, in the job's own thread or greenlet. Celery keeps a job's request for
    exactly that scope in every pool. A thread-local or a context variable has another scope: an
    executor's thread runs many jobs, and another pool's coroutine may run in another context. A
    coroutine in Poolbench's asyncio pool may call it, since it runs in the greenlet of its job.
    """
    if current_task:
        setattr(current_task.request, WORK_NS, work_ns)


def end(
    job: Any,
    result: object,
    *,
    fails: bool = False,
    retry_s: float | None = None,
    result_bytes: int = 0,
) -> object:
    """Return the result of a job after its work, or let it fail or be retried: its `ENDING`.

    Raises:
        PlannedError: if it ``fails``.
        Retry: in the first attempt, if it has a countdown for the second.
    """
    if fails:
        raise PlannedError("the experiment lets this job fail")
    if retry_s is not None and not job.request.retries:
        raise job.retry(countdown=retry_s)
    return "x" * result_bytes if result_bytes else result
