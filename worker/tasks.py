"""Hands the functions of `worker.jobs` to Celery under their kinds' names; nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from poolbench.work import report_work_ns
from worker.app import app
from worker.jobs import FUNCTIONS


def register(kind: str, function: Callable[..., object]) -> None:
    """Make ``function`` the job of that kind."""

    @app.task(name=kind)
    def job(**parameters: float) -> object:
        begun_ns = time.perf_counter_ns()
        try:
            return function(**parameters)
        finally:
            report_work_ns(time.perf_counter_ns() - begun_ns)


for _kind, _function in FUNCTIONS.items():
    register(_kind, _function)
