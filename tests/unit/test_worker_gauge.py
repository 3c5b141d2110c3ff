"""The gauge: what the work costs without Celery, asked line by line."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from poolbench.jobs import JOB_KINDS
from worker import gauge


def ask(*requests: str) -> list[dict[str, Any]]:
    """Return the gauge's answers."""
    answers = io.StringIO()
    gauge.answer_requests(io.StringIO("".join(f"{line}\n" for line in requests)), answers=answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


@pytest.mark.parametrize("kind", [kind.name for kind in JOB_KINDS.values() if kind.is_cpu_bound])
def test_work_that_computes_has_a_cost(kind: str) -> None:
    """It is CPU time, taken over at least 30 ms of it."""
    (answer,) = ask(json.dumps({"kind": kind, "parameters": {"units": 2}}))

    assert answer["cpu_s_per_job"] > 0
    assert answer["cpu_s_per_job"] * answer["jobs"] >= 0.03


@pytest.mark.parametrize(
    "kind", [kind.name for kind in JOB_KINDS.values() if not kind.is_cpu_bound]
)
def test_work_that_waits_has_none(kind: str) -> None:
    """A wait is bounded by its slots, so there is nothing to measure, and nothing is called."""
    (answer,) = ask(json.dumps({"kind": kind, "parameters": {"delay_ms": 3_000_000}}))

    assert answer == {"cpu_s_per_job": None, "jobs": 0}


@pytest.mark.parametrize(
    "request_line",
    ["no JSON", "[]", "7", '{"kind": "cpu.prims"}', '{"kind": "cpu.primes", "parameters": [1]}'],
)
def test_a_line_that_means_nothing_is_answered(request_line: str) -> None:
    """It gets an error of its own, and the next line its answer."""
    wrong, right = ask(request_line, '{"kind": "io.sleep"}')

    assert set(wrong) == {"error"}
    assert right["jobs"] == 0


def test_a_blank_line_is_passed_over() -> None:
    """Only a request has an answer."""
    assert ask("", "  ") == []


def test_one_long_job_is_enough() -> None:
    """A job above the measure's length runs once."""
    (answer,) = ask('{"kind": "cpu.primes", "parameters": {"units": 150}}')

    assert answer["jobs"] == 1


def test_calibration_covers_what_computes() -> None:
    """Each kind that computes has the cost of one unit, and no other kind has one."""
    found = gauge.calibrate()

    assert set(found) == {kind.name for kind in JOB_KINDS.values() if kind.is_cpu_bound}
    # wide: about a millisecond on a current core, whatever else that core does
    assert all(1e-5 < costs["cpu_s_per_unit"] < 0.1 for costs in found.values())
