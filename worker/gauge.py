"""Measures what the work costs without Celery: the ceiling that a pool's figures stand beside."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from poolbench.errors import UsageError
from poolbench.jobs import JOB_KINDS, complete_parameters, find_kind
from worker.jobs import FUNCTIONS

#: The least CPU time over which a cost is taken, nanoseconds: some calls of a job of a few ms.
MIN_MEASURE_NS = 50_000_000

#: How a unit's cost is calibrated: the median of so many measurements of so many units.
CALIBRATION_ROUNDS = 5
CALIBRATION_UNITS = 10


def answer_requests(requests: TextIO, *, answers: TextIO) -> None:
    """Answer each line ``{"kind", "parameters"}`` with one line until the requests end.

    An answer is ``{"cpu_s_per_job", "jobs"}``, with null for a kind that waits; or ``{"error"}``
    for a line that can't be used.
    """
    for request in requests:
        if request.strip():
            answers.write(json.dumps(_answer(request)) + "\n")
            answers.flush()


def calibrate() -> dict[str, dict[str, float]]:
    """Return ``{kind: {"cpu_s_per_unit": seconds}}`` for the kinds that compute."""
    return {
        name: {"cpu_s_per_unit": _cpu_s_per_unit(FUNCTIONS[name])}
        for name, kind in JOB_KINDS.items()
        if kind.is_cpu_bound
    }


def measure(
    function: Callable[..., object], *, parameters: Mapping[str, int | float]
) -> tuple[float, int]:
    """Return a call's CPU-seconds in this thread, and over how many calls they were taken.

    The median of the calls: one that shared its core's other half with a neighbour costs a third
    more, and a mean would carry that into the ceiling.
    """
    calls_ns: list[int] = []
    while sum(calls_ns) < MIN_MEASURE_NS:
        begun_ns = time.thread_time_ns()
        function(**parameters)
        calls_ns.append(time.thread_time_ns() - begun_ns)
    return statistics.median(calls_ns) / 1e9, len(calls_ns)


def _answer(request: str) -> dict[str, Any]:
    try:
        asked = json.loads(request)
        kind = find_kind(str(asked["kind"]))
        parameters = complete_parameters(kind, asked.get("parameters", {}))
    except (UsageError, ValueError, TypeError, KeyError, AttributeError) as error:
        return {"error": f"no request: {request.strip()[:80]!r}: {error}"}
    if not kind.is_cpu_bound:
        return {"cpu_s_per_job": None, "jobs": 0}
    cpu_s, jobs = measure(FUNCTIONS[kind.name], parameters=parameters)
    return {"cpu_s_per_job": cpu_s, "jobs": jobs}


def _cpu_s_per_unit(function: Callable[..., object]) -> float:
    rounds = [
        measure(function, parameters={"units": CALIBRATION_UNITS})[0]
        for _ in range(CALIBRATION_ROUNDS)
    ]
    return statistics.median(rounds) / CALIBRATION_UNITS
