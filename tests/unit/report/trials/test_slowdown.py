"""Slowdown by kind: response over ideal, and none of the jobs forgotten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.trials.slowdown import judge_fairness

MS = 1_000_000
IDEAL_S = {"short": 0.010, "long": 1.0}


def jobs(kind: str, *responses_ms: float | None, first_seq: int = 0) -> pl.DataFrame:
    """A record a job, due a millisecond apart; None was never done."""
    rows: list[dict[str, Any]] = [
        {
            "trial": 0,
            "seq": first_seq + n,
            "kind": kind,
            "due_ns": n * MS,
            "finished_ns": None if response_ms is None else round((n + response_ms) * MS),
            "outcome": None if response_ms is None else "done",
        }
        for n, response_ms in enumerate(responses_ms)
    ]
    return pl.DataFrame(rows, schema_overrides={"finished_ns": pl.Int64, "outcome": pl.String})


@pytest.mark.parametrize(
    ("short_ms", "long_ms", "slowdowns"), [(110.0, 1_100.0, (11, 1.1)), (20.0, 2_000.0, (2, 2))]
)
def test_slowdown_is_response_over_ideal(
    short_ms: float, long_ms: float, slowdowns: tuple[float, float]
) -> None:
    """Of jobs of 10 ms and of 1 s; how far apart they are is the unfairness."""
    records = pl.concat([jobs("short", *[short_ms] * 5), jobs("long", *[long_ms] * 5, first_seq=5)])

    found = judge_fairness(records, ideal_s=IDEAL_S)

    medians = [found.by_kind[kind].slowdown.p50 for kind in ("short", "long")]
    assert medians == pytest.approx(slowdowns)
    assert found.unfairness == pytest.approx(slowdowns[0] / slowdowns[1])


def test_jobs_that_were_not_done_count_as_slowed_without_end() -> None:
    """A pool that drops what it is late with must not look fair."""
    some = judge_fairness(jobs("short", *[20.0] * 6, None, None), ideal_s=IDEAL_S)
    most = judge_fairness(jobs("short", *[20.0] * 4, *[None] * 5), ideal_s=IDEAL_S)

    assert some.by_kind["short"].unfinished == 2
    assert some.by_kind["short"].slowdown.p50 == pytest.approx(2)
    assert (most.by_kind["short"].jobs, most.by_kind["short"].unfinished) == (9, 5)
    assert most.by_kind["short"].slowdown.p50 is None


def test_attempts_of_a_job_are_one_response() -> None:
    """A job that was retried counts once, from its due time to the end that was good."""
    first = jobs("short", *[30.0] * 5).with_columns(outcome=pl.lit("retried"))
    second = jobs("short", *[90.0] * 5)

    found = judge_fairness(pl.concat([first, second]), ideal_s=IDEAL_S).by_kind["short"]

    assert (found.jobs, found.unfinished) == (5, 0)
    assert found.slowdown.p50 == pytest.approx(9)


@pytest.mark.parametrize("ideal_s", [{}, {"short": None}, {"short": 0.0}, {"short": float("nan")}])
def test_a_kind_without_an_ideal_is_left_out_and_said(ideal_s: dict[str, float | None]) -> None:
    """No number is made up."""
    found = judge_fairness(jobs("short", 20.0), ideal_s=ideal_s)

    assert found.by_kind == {}
    assert "not known" in found.left_out["short"]
    assert found.unfairness is None


def test_parts_of_a_mix_are_told_apart_by_their_own_column() -> None:
    """Short and long sleeps are of one kind."""
    records = pl.concat([jobs("short", *[20.0] * 5), jobs("long", *[1_000.0] * 5, first_seq=5)])
    renamed = records.rename({"kind": "part"}).with_columns(kind=pl.lit("io.sleep"))

    found = judge_fairness(renamed, ideal_s=IDEAL_S, by="part")

    assert list(found.by_kind) == ["long", "short"]


def test_nothing_measured_says_nothing() -> None:
    """No records, no kinds, no figure."""
    found = judge_fairness(jobs("short", 1.0).clear(), ideal_s=IDEAL_S)

    assert (found.by_kind, found.left_out, found.unfairness) == ({}, {}, None)


@given(
    responses_ms=st.lists(st.floats(min_value=1, max_value=1e6), min_size=5, max_size=80),
    factor=st.floats(min_value=0.1, max_value=10),
)
def test_slowdown_has_no_unit(responses_ms: list[float], factor: float) -> None:
    """Jobs of another length, slowed as much, have the same slowdown."""
    one = judge_fairness(jobs("k", *responses_ms), ideal_s={"k": 0.1}).by_kind["k"]
    stretched = [response_ms * factor for response_ms in responses_ms]
    other = judge_fairness(jobs("k", *stretched), ideal_s={"k": 0.1 * factor}).by_kind["k"]

    known = {name: value for name, value in asdict(one.slowdown).items() if value is not None}
    found = {name: value for name, value in asdict(other.slowdown).items() if value is not None}
    assert found == pytest.approx(known, rel=1e-4)
