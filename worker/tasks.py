"""Registers the functions of `worker.jobs` in Celery under the names of their kinds.

A job also accepts `poolbench.jobs.PAYLOAD` and `ENDING`, which it does not pass to its function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from poolbench import stand_in
from poolbench.jobs import STAND_IN
from poolbench.settings import load_settings
from poolbench.work import end, report_work_ns
from worker.app import app
from worker.jobs import COROUTINES, FUNCTIONS


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

stand_in.register(app, is_awaited=bool(_AWAITED))

for _kind, _function in FUNCTIONS.items():
    if _kind == STAND_IN:
        # it has arguments of its own
        continue
    if _kind in _AWAITED:
        register_coroutine(_kind, _AWAITED[_kind])
    else:
        register(_kind, _function)
