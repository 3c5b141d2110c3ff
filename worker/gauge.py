"""Measures the CPU time of the work without Celery, from which ceilings are computed."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from poolbench.calibration import message_parameters
from poolbench.errors import PoolbenchError
from poolbench.jobs import (
    JOB_KINDS,
    STAND_IN,
    complete_parameters,
    find_kind,
    ideal_wait_s,
    rough_job_s,
)
from worker.jobs import COMPUTING

#: Least CPU time of a measurement, nanoseconds: several calls of a job of a few ms. A row has ten
#: measurements or more, whose median counts, and each delays a trial.
MIN_MEASURE_NS = 25_000_000

#: The kinds whose work is counted in units.
CALIBRATED = tuple(name for name, kind in JOB_KINDS.items() if kind.calibrated)

#: Calibration of a unit: the number of rounds, whose median counts, and the CPU time of each. The
#: rounds of all kinds alternate, so that a disturbance doesn't affect only one kind. A kind takes a
#: fifth of a second.
CALIBRATION_ROUNDS = 15
CALIBRATION_ROUND_NS = 10_000_000


def answer_requests(requests: TextIO, *, answers: TextIO) -> None:
    """Answer each line ``{"kind", "parameters"}`` with one line until the requests end.

    An answer is ``{"cpu_s_per_job", "jobs"}``, with null for a kind that only waits, or
    ``{"error"}`` for an invalid line. The parameters are those of messages.
    """
    for request in requests:
        if request.strip():
            answers.write(json.dumps(_answer(request)) + "\n")
            answers.flush()


def calibrate(kinds: Sequence[str] = CALIBRATED) -> dict[str, float]:
    """Return the CPU-seconds of one unit of work of each of these kinds, in one thread."""
    units = {kind: _units_of_a_round(kind) for kind in kinds}
    rounds = [
        {kind: _cpu_ns(COMPUTING[kind], {"units": units[kind]}) / units[kind] for kind in kinds}
        for _ in range(CALIBRATION_ROUNDS)
    ]
    return {kind: statistics.median(each[kind] for each in rounds) / 1e9 for kind in kinds}


def _answer(request: str) -> dict[str, Any]:
    try:
        asked = json.loads(request)
        kind = find_kind(str(asked["kind"]))
        complete = complete_parameters(kind, asked.get("parameters", {}))
        parameters = message_parameters(kind, complete, calibration={})
    except (PoolbenchError, ValueError, TypeError, KeyError, AttributeError) as error:
        return {"error": f"no request: {request.strip()[:80]!r}: {error}"}
    if not kind.computes or parameters.get("units") == 0:
        return {"cpu_s_per_job": None, "jobs": 0}
    if kind.name == STAND_IN:
        # it computes until it has used this CPU time, whatever the machine's speed
        return {
            "cpu_s_per_job": rough_job_s(kind, parameters) - (ideal_wait_s(kind, parameters) or 0.0)
            or None,
            "jobs": 1,
        }
    jobs_ns: list[int] = []
    while sum(jobs_ns) < MIN_MEASURE_NS:
        jobs_ns.append(_cpu_ns(COMPUTING[kind.name], parameters))
    # the median: a job that shares a core's second hardware thread with another process costs a
    # third more, which would change a mean and so the ceiling
    return {"cpu_s_per_job": statistics.median(jobs_ns) / 1e9, "jobs": len(jobs_ns)}


def _units_of_a_round(kind: str) -> int:
    """Return the number of units in a round, from the cost of one unit after a warm-up unit."""
    _cpu_ns(COMPUTING[kind], {"units": 1})
    return max(1, round(CALIBRATION_ROUND_NS / max(_cpu_ns(COMPUTING[kind], {"units": 1}), 1)))


def _cpu_ns(function: Callable[..., object], parameters: Mapping[str, int | float]) -> int:
    """Return the CPU time of a call in this thread, ns."""
    begun_ns = time.thread_time_ns()
    function(**parameters)
    return time.thread_time_ns() - begun_ns
