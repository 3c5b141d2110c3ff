"""Slowdown by part: response over ideal, and none of the jobs forgotten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.trials.slowdown import Slowdown, slowdowns, unfairness
from tests.summaries import known

MS = 1_000_000
IDEAL_S = {"short": 0.010, "long": 1.0}


def jobs(part: str, *responses_ms: float | None, first_seq: int = 0) -> pl.DataFrame:
    """A record a job, due a millisecond apart; None was never done."""
    rows: list[dict[str, Any]] = [
        {
            "trial": 0,
            "seq": first_seq + n,
            "part": part,
            "due_ns": n * MS,
            "finished_ns": None if response_ms is None else round((n + response_ms) * MS),
            "outcome": None if response_ms is None else "done",
            "error": None,
        }
        for n, response_ms in enumerate(responses_ms)
    ]
    types = {"finished_ns": pl.Int64, "outcome": pl.String, "error": pl.String}
    return pl.DataFrame(rows, schema_overrides=types)


def slowed(records: pl.DataFrame, **ideal_s: float) -> dict[str, Slowdown]:
    """Return the slowdown of each part; all of them have an ideal."""
    found = slowdowns(records, ideal_s=ideal_s or IDEAL_S)
    return {part: known(one) for part, one in found.items()}


@pytest.mark.parametrize(
    ("short_ms", "long_ms", "medians"), [(110.0, 1_100.0, (11, 1.1)), (20.0, 2_000.0, (2, 2))]
)
def test_slowdown_is_response_over_ideal(
    short_ms: float, long_ms: float, medians: tuple[float, float]
) -> None:
    """Of jobs of 10 ms and of 1 s; how far apart they are is the unfairness."""
    records = pl.concat([jobs("short", *[short_ms] * 5), jobs("long", *[long_ms] * 5, first_seq=5)])

    found = slowed(records)

    assert [found[part].slowdown.p50 for part in ("short", "long")] == pytest.approx(medians)
    assert unfairness(found.values()) == pytest.approx(medians[0] / medians[1])


def test_a_job_that_failed_as_planned_has_a_slowdown() -> None:
    """It did its work, and the experiment wanted it to fail."""
    failed = jobs("short", *[20.0] * 5).with_columns(
        outcome=pl.lit("failed"), error=pl.lit("PlannedError: the experiment lets this job fail")
    )

    assert slowed(failed)["short"].unfinished == 0
    assert slowed(failed.with_columns(error=pl.lit("OSError")))["short"].unfinished == 5


def test_jobs_that_were_not_done_count_as_slowed_without_end() -> None:
    """A pool that drops what it is late with must not look fair."""
    some = slowed(jobs("short", *[20.0] * 6, None, None))["short"]
    most = slowed(jobs("short", *[20.0] * 4, *[None] * 5))["short"]

    assert some.unfinished == 2
    assert some.slowdown.p50 == pytest.approx(2)
    assert (most.jobs, most.unfinished) == (9, 5)
    assert most.slowdown.p50 is None


def test_attempts_of_a_job_are_one_response() -> None:
    """A job that was retried counts once, from its due time to the end that was good."""
    first = jobs("short", *[30.0] * 5).with_columns(outcome=pl.lit("retried"))
    second = jobs("short", *[90.0] * 5)

    found = slowed(pl.concat([first, second]))["short"]

    assert (found.jobs, found.unfinished) == (5, 0)
    assert found.slowdown.p50 == pytest.approx(9)


@pytest.mark.parametrize("ideal_s", [{}, {"short": None}, {"short": 0.0}, {"short": float("nan")}])
def test_a_part_without_an_ideal_has_no_slowdown(ideal_s: dict[str, float | None]) -> None:
    """No number is made up."""
    assert slowdowns(jobs("short", 20.0), ideal_s=ideal_s) == {"short": None}


def test_one_part_alone_is_neither_fair_nor_unfair() -> None:
    """Nor is nothing at all, or a part of which half the jobs were not done."""
    one = slowed(jobs("short", *[20.0] * 6))
    undone = slowed(jobs("long", *[None] * 6))

    assert slowdowns(jobs("short", 1.0).clear(), ideal_s=IDEAL_S) == {}
    assert unfairness([]) is None
    assert unfairness(one.values()) is None
    assert unfairness([*one.values(), *undone.values()]) is None


@given(
    responses_ms=st.lists(st.floats(min_value=1, max_value=1e6), min_size=5, max_size=80),
    factor=st.floats(min_value=0.1, max_value=10),
)
def test_slowdown_has_no_unit(responses_ms: list[float], factor: float) -> None:
    """Jobs of another length, slowed as much, have the same slowdown."""
    one = slowed(jobs("k", *responses_ms), k=0.1)["k"]
    stretched = [response_ms * factor for response_ms in responses_ms]
    other = slowed(jobs("k", *stretched), k=0.1 * factor)["k"]

    expected = {name: value for name, value in asdict(one.slowdown).items() if value is not None}
    found = {name: value for name, value in asdict(other.slowdown).items() if value is not None}
    assert found == pytest.approx(expected, rel=1e-4)
