"""The gauge: what the work costs without Celery, asked line by line."""

from __future__ import annotations

import gc
import io
import json
import time
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
    """It is CPU time of this thread, and jobs are run for at least its least time."""
    begun_s = time.thread_time()
    (answer,) = ask(json.dumps({"kind": kind, "parameters": {"units": 2}}))
    used_s = time.thread_time() - begun_s

    assert used_s >= gauge.MIN_MEASURE_NS / 1e9
    assert 0 < answer["cpu_s_per_job"] < used_s
    assert answer["jobs"] >= 1


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("mixed.share", {"units": 20, "delay_ms": 3_000_000}),
        ("mixed.fetch", {"delay_ms": 3_000_000}),
    ],
)
def test_of_mixed_work_only_the_computing_is_measured(
    kind: str, parameters: dict[str, float]
) -> None:
    """Nobody waits, and nobody asks upstream."""
    # one in the measured thread would take longer than a job: this process has a large heap
    gc.collect()
    (answer,) = ask(json.dumps({"kind": kind, "parameters": parameters}))

    assert 1e-5 < answer["cpu_s_per_job"] < 0.1


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("io.sleep", {"delay_ms": 3_000_000}),
        ("io.http", {"delay_ms": 3_000_000}),
        ("io.redis", {"commands": 100_000}),
        ("io.file", {"size_bytes": 10_000_000}),
        ("mixed.share", {"units": 0, "delay_ms": 3_000_000}),
    ],
)
def test_work_that_only_waits_has_none(kind: str, parameters: dict[str, float]) -> None:
    """A wait is bounded by its slots, so there is nothing to measure, and nothing is called."""
    (answer,) = ask(json.dumps({"kind": kind, "parameters": parameters}))

    assert answer == {"cpu_s_per_job": None, "jobs": 0}


@pytest.mark.parametrize(
    "request_line",
    ["no JSON", "[]", "7", '{"kind": "cpu.prims"}', '{"kind": "cpu.primes", "parameters": [1]}'],
)
def test_a_line_that_means_nothing_is_answered(request_line: str) -> None:
    """It gets an error of its own, and the next line its answer; a blank line gets none."""
    wrong, right = ask(request_line, "", "  ", '{"kind": "io.sleep"}')

    assert set(wrong) == {"error"}
    assert right["jobs"] == 0


def test_one_long_job_is_enough() -> None:
    """A job above the measure's length runs once."""
    (answer,) = ask('{"kind": "cpu.primes", "parameters": {"units": 150}}')

    assert answer["jobs"] == 1


def test_work_in_time_is_not_for_the_gauge() -> None:
    """It measures what messages carry, and has no calibration."""
    (answer,) = ask('{"kind": "cpu.primes", "parameters": {"work_ms": 8}}')

    assert "no calibration of cpu.primes" in answer["error"]


def test_calibration_covers_what_is_counted_in_units() -> None:
    """Each such kind has the cost of one unit, and no other has one; some kinds are the sooner."""
    found = gauge.calibrate()

    assert set(found) == {"cpu.primes", "cpu.json", "cpu.sha256", "cpu.zlib", "mixed.share"}
    # wide: a millisecond or a tenth on a current core, whatever else that core does
    assert all(1e-6 < cpu_s < 0.1 for cpu_s in found.values())
    assert list(gauge.calibrate(["mixed.share"])) == ["mixed.share"]


def test_a_round_of_calibration_is_much_work_even_of_small_units() -> None:
    """A clock's resolution must not matter: a unit of mixed work is a tenth of a millisecond."""
    # wide: a hundred units on a current core
    assert gauge._units_of_a_round("mixed.share") > 5
