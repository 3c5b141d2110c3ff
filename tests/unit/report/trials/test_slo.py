"""Whether a rate was sustained, and jobs sent in time: from records of known servers."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.reasons import Code, Reason
from report.trials.lag_histogram import lag_histogram
from report.trials.slo import (
    by_job,
    from_countdowns,
    judge_rate,
    judge_targets,
    late_reason,
    slo_by_part,
)
from tests.loading import serve

SLO = {"": {"p95_wait_s": 1.0}}


def found(**served: Any) -> pl.DataFrame:
    """Return the jobs of a served trial."""
    return by_job(serve(**served))


def test_above_the_capacity_waits_grow_in_a_line() -> None:
    """A fifth more than it can do: each second adds a fifth of a second to the wait."""
    jobs = found(rate_per_s=24.0, job_s=0.05, jobs=240)

    waits_s = jobs["wait_ns"] / 1e9
    due_s = (jobs["due_ns"] - jobs["due_ns"][0]) / 1e9
    slope = pl.select(pl.cov(due_s, waits_s) / due_s.var()).item()
    assert slope == pytest.approx(0.2, rel=0.01)
    verdict = judge_rate(jobs, jobs=240, slots=1, slo=SLO)
    assert not verdict.is_sustained
    assert [one.code for one in verdict.reasons] == [Code.OVER_BOUND, Code.FELL_BEHIND]
    assert verdict.reasons[0].parameters["seen_s"] == pytest.approx(1.89, abs=0.01)


def test_a_short_trial_does_not_hide_a_backlog() -> None:
    """In two seconds a rate a tenth too high keeps the SLO, and is not sustained all the same."""
    jobs = found(rate_per_s=110.0, job_s=0.01, jobs=220)

    verdict = judge_rate(jobs, jobs=220, slots=1, slo=SLO)

    assert verdict.behind_share == pytest.approx(0.095, abs=0.01)
    assert verdict.reasons == (Reason.of(Code.FELL_BEHIND, share=verdict.behind_share),)


@settings(max_examples=60, deadline=None)
@given(
    slots=st.integers(min_value=1, max_value=50),
    job_s=st.floats(min_value=0.005, max_value=0.2),
    load=st.floats(min_value=0.1, max_value=0.9),
)
def test_even_arrivals_below_the_capacity_are_always_sustained(
    slots: int, job_s: float, load: float
) -> None:
    """Whatever the slots and the jobs: nobody waits, and no false alarm."""
    rate_per_s = load * slots / job_s
    jobs = found(rate_per_s=rate_per_s, job_s=job_s, jobs=200, slots=slots)

    assert judge_rate(jobs, jobs=200, slots=slots, slo=SLO).is_sustained
    # due times are whole nanoseconds
    assert jobs["wait_ns"].to_numpy().max() <= 1


def test_jobs_that_were_not_done_are_not_sustained() -> None:
    """Of a step of 30 jobs 20 were sent and two never started, which wait without end.

    A percentile that they reach is no number, and over every bound.
    """
    records = serve(rate_per_s=10.0, job_s=0.01, jobs=20)
    is_done = pl.col("seq") < 18
    ends = ("started_ns", "finished_ns", "outcome")
    lost = records.with_columns(pl.when(is_done).then(name).alias(name) for name in ends)

    given_up = judge_rate(by_job(records), jobs=30, slots=1, slo={})
    verdict = judge_rate(by_job(lost), jobs=20, slots=1, slo=SLO)

    assert given_up.reasons == (Reason.of(Code.JOBS_NOT_DONE, missing=10, jobs=30),)
    assert Reason.of(Code.JOBS_NOT_DONE, missing=2, jobs=20) in verdict.reasons
    assert "p95 wait without end exceeds 1.00 s" in [one.text for one in verdict.reasons]


def test_a_target_has_its_percentile_and_the_share_that_missed_it() -> None:
    """Each part by its own jobs: the long ones wait for each other, and fill no other's share."""
    parts = ["long" if seq % 4 == 0 else "short" for seq in range(40)]
    jobs = found(rate_per_s=1.0, job_s=0.1, jobs=40, parts=parts)
    is_late = (pl.col("part") == "long") & (pl.col("seq") < 8)
    late = jobs.with_columns(wait_ns=pl.when(is_late).then(int(3e9)).otherwise("wait_ns"))

    bounds = {"p95_wait_s": 1.0}
    short, long = judge_targets(late, slo={"short": bounds, "long": bounds})

    assert (short.seen_s, short.missed_share, short.is_met) == (0.0, 0.0, True)
    assert (long.seen_s, long.is_met) == (3.0, False)
    assert long.missed_share == pytest.approx(0.2)
    assert judge_rate(late, jobs=40, slots=1, slo={"long": bounds}).reasons == (
        Reason.of(Code.OVER_BOUND, percentile="p95", span="wait of long", seen_s=3.0, bound_s=1.0),
    )


def test_jobs_that_were_not_done_miss_every_target() -> None:
    """A job that never started waits without end, so a percentile that it reaches has no number."""
    jobs = found(rate_per_s=10.0, job_s=0.01, jobs=20)
    lost = jobs.with_columns(
        wait_ns=pl.when(pl.col("seq") < 18).then("wait_ns"), response_ns=pl.lit(None, pl.Int64)
    )

    wait, response = judge_targets(lost, slo={"": {"p50_wait_s": 1.0, "p50_response_s": 1.0}})

    assert (wait.seen_s, wait.is_met) == (0.0, True)
    assert wait.missed_share == pytest.approx(0.1)
    assert (response.seen_s, response.missed_share, response.is_met) == (None, 1.0, False)


@pytest.mark.parametrize(
    ("measure", "own", "parts", "bounds"),
    [
        ("capacity", None, {}, {}),
        ("rate", None, {}, {"": "file"}),
        ("rate", "own", {}, {"": "own"}),
        ("rate", None, {"a": None, "b": "b"}, {"a": "file", "b": "b"}),
        ("rate", "own", {"a": None, "b": None}, {"a": "own", "b": "own"}),
        # jobs of one kind with options
        ("rate", None, {"a": None}, {"": "file"}),
        ("sustain", None, {"a": None, "b": "b"}, {"": "file", "b": "b"}),
    ],
)
def test_the_nearest_slo_bounds_a_job(
    measure: str, own: str | None, parts: dict[str, str | None], bounds: dict[str, str]
) -> None:
    """Its part's, its workload's or the file's; a search judges all jobs together."""
    found = slo_by_part(
        slo("file"),
        measure=measure,
        own=slo(own) if own else None,
        parts={name: slo(one) if one else None for name, one in parts.items()},
    )

    assert found == {part: slo(name) for part, name in bounds.items()}


def slo(name: str) -> dict[str, float]:
    """Return bounds of that name."""
    return {name: 1.0}


def test_a_stall_of_the_worker_counts_for_all_who_meet_it() -> None:
    """Half a second at 50 jobs a second: latency from due shows it to some 25 jobs, not to one."""
    jobs = found(rate_per_s=50.0, job_s=0.01, jobs=500, stall_at_s=4.0, stall_s=0.5)

    waits_s = jobs["wait_ns"] / 1e9
    assert (waits_s > 0.05).sum() > 25
    assert (waits_s > 0.35).sum() > 0.01 * len(waits_s)
    assert jobs["lag_ns"].max() == 0
    assert not late_reason(jobs)


@pytest.mark.parametrize(
    ("late", "lag_s", "job_s", "is_said"),
    [
        (10, 0.2, 0.01, True),
        (2, 0.2, 0.01, False),
        (10, 0.04, 0.01, False),
        # of an overloaded contender's seconds 100 ms change nothing
        (200, 0.1, 3.0, False),
    ],
)
def test_jobs_sent_late_are_said(late: int, lag_s: float, job_s: float, *, is_said: bool) -> None:
    """Over 50 ms and over 1 % of the jobs; one or two hiccups are not the producer's fault."""
    lag_ns = pl.when(pl.col("seq") < late).then(int(lag_s * 1e9)).otherwise(0)
    records = serve(rate_per_s=50.0, job_s=job_s, jobs=200)
    jobs = by_job(records.with_columns(sent_ns=pl.col("due_ns") + lag_ns))

    assert bool(late_reason(jobs)) == is_said


def test_lags_are_counted_in_bins_that_grow() -> None:
    """1-2-5 from 10 µs on; a lag at an end lies below it; every job is in one bin."""
    lags_ns = pl.Series([0, 10_000, 10_001, 45_000, 3_000_000])

    bins = lag_histogram(lags_ns)

    counts = {one.to_s: one.jobs for one in bins if one.jobs}
    assert counts == {1e-5: 2, 2e-5: 1, 5e-5: 1, 5e-3: 1}
    assert bins[0].from_s == 0
    assert all(one.to_s == after.from_s for one, after in itertools.pairwise(bins))
    assert lag_histogram(pl.Series(dtype=pl.Int64)) == ()


def test_a_countdown_is_not_a_backlog() -> None:
    """Jobs that may start a second after they are due wait for it; none of them is behind."""
    second_ns = 1_000_000_000
    records = serve(rate_per_s=10.0, job_s=0.01, jobs=20).with_columns(
        pl.col("started_ns", "finished_ns") + second_ns, eta_ns=pl.col("due_ns") + second_ns
    )

    jobs = by_job(records)

    assert jobs["wait_ns"].to_list() == [second_ns] * 20
    assert from_countdowns(jobs)["wait_ns"].max() == jobs["delay_ns"].max() == 0
    assert judge_rate(jobs, jobs=20, slots=1, slo={}).is_sustained
    without = by_job(records.with_columns(eta_ns=pl.lit(None, pl.Int64)))
    assert not judge_rate(without, jobs=20, slots=1, slo={}).is_sustained


def test_a_later_link_of_a_chain_is_not_behind() -> None:
    """It starts when the link before it has ended; the first links alone show a backlog."""
    half_ns = 500_000_000
    first = serve(rate_per_s=10.0, job_s=0.01, jobs=20).with_columns(part=pl.lit("first"))
    then = first.with_columns(
        pl.col("started_ns", "finished_ns") + half_ns,
        seq=pl.col("seq") + 20,
        part=pl.lit("then"),
    )
    jobs = by_job(pl.concat([first, then, then.with_columns(seq=pl.col("seq") + 20)]))

    assert judge_rate(jobs, jobs=60, slots=1, slo={}, later_parts=["then"]).is_sustained
    assert not judge_rate(jobs, jobs=60, slots=1, slo={}, later_parts=["first"]).is_sustained


@pytest.mark.parametrize(("error", "is_sustained"), [("PlannedError: ", True), ("OSError", False)])
def test_jobs_that_fail_as_planned_are_done(error: str, is_sustained: bool) -> None:  # noqa: FBT001 -- a parameter
    """They did their work, and the experiment wanted them to fail; others are missing."""
    records = serve(rate_per_s=10.0, job_s=0.01, jobs=20).with_columns(
        outcome=pl.lit("failed"), error=pl.lit(error)
    )

    verdict = judge_rate(by_job(records), jobs=20, slots=1, slo={})

    assert verdict.is_sustained is is_sustained
