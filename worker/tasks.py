"""Registers the functions of `worker.jobs` in Celery under the names of their kinds.

A job also accepts `poolbench.jobs.PAYLOAD` and `ENDING`, which it does not pass to its function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from poolbench.errors import PlannedError
from poolbench.settings import load_settings
from poolbench.work import report_work_ns
from worker.app import app
from worker.jobs import COROUTINES, FUNCTIONS


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


def register(kind: str, function: Callable[..., object]) -> None:
    """Register ``function`` as the job of that kind."""

    @app.task(name=kind)
    def job(
        *,
        payload: str = "",  # noqa: ARG001 -- see PAYLOAD
        ending: Mapping[str, Any] | None = None,
        **parameters: float,
    ) -> object:
        begun_ns = time.perf_counter_ns()
        try:
            result = function(**parameters)
        finally:
            report_work_ns(time.perf_counter_ns() - begun_ns)
        return end(job, result, **ending) if ending else result


def register_coroutine(kind: str, function: Callable[..., Coroutine[Any, Any, object]]) -> None:
    """Register a coroutine function as the job of that kind, for a pool that awaits it."""

    @app.task(name=kind)
    async def job(
        *,
        payload: str = "",  # noqa: ARG001 -- see PAYLOAD
        ending: Mapping[str, Any] | None = None,
        **parameters: float,
    ) -> object:
        begun_ns = time.perf_counter_ns()
        try:
            result = await function(**parameters)
        finally:
            # our asyncio pool steps a job's coroutine in the greenlet of its tracer, so that this
            # finds the job's own request
            report_work_ns(time.perf_counter_ns() - begun_ns)
        return end(job, result, **ending) if ending else result


#: The kinds that are jobs in their async form: where the pool awaits them.
_AWAITED = COROUTINES if load_settings().runs_coroutines else {}

for _kind, _function in FUNCTIONS.items():
    if _kind in _AWAITED:
        register_coroutine(_kind, _AWAITED[_kind])
    else:
        register(_kind, _function)
