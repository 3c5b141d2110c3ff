"""How a trial went, bin by bin: nothing lost between the bins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.schema import SAMPLE_SCHEMA, conform
from report.summary import summarize
from report.trials.timeline import MOST_BINS, Timeline, bin_width_s, measure_timeline
from report.trials.trial import TrialSummary
from tests.summaries import known
from tests.synthetic import BROKER_LOST, START_NS, WORKLOADS, S, make_run, spoil

_TRIAL = TrialSummary(
    trial=0, block=0, contender="solo", workload="work", start_ns=START_NS, end_ns=START_NS + S
)
_NO_SAMPLES = SAMPLE_SCHEMA.to_frame()


def records(*jobs: tuple[float, float | None, float | None]) -> pl.DataFrame:
    """Return records of jobs due, started and finished so many seconds after the start."""
    names = ("due_ns", "started_ns", "finished_ns")
    after_s = pl.DataFrame(jobs, schema=dict.fromkeys(names, pl.Float64), orient="row")
    return after_s.select(
        pl.int_range(pl.len()).alias("seq"),
        *((START_NS + (pl.col(name) * S).round().cast(pl.Int64)).alias(name) for name in names),
        pl.when(pl.col("finished_ns").is_null())
        .then(pl.lit("lost-worker"))
        .otherwise(pl.lit("done"))
        .alias("outcome"),
    )


def course(
    frame: pl.DataFrame, *, lasted_s: float = 10.0, samples: pl.DataFrame = _NO_SAMPLES
) -> Timeline:
    """Return the timeline of a trial that began at `START_NS`."""
    end_ns = START_NS + round(lasted_s * S)
    trial = replace(_TRIAL, end_ns=end_ns)
    found = measure_timeline(trial, pool="solo", records=frame, samples=samples)
    assert found
    return found


def column(found: Timeline, name: str) -> list[Any]:
    """Return a column of the points."""
    return [getattr(point, name) for point in found.points]


def test_each_second_is_counted() -> None:
    """Three jobs: due, started and done in seconds of their own; what is open at each end."""
    found = course(records((0.0, 0.5, 2.5), (0.1, 2.6, 4.2), (3.0, 4.3, 4.4)), lasted_s=10)

    assert column(found, "arrivals")[:6] == [2, 0, 0, 1, 0, 0]
    assert column(found, "done")[:6] == [0, 0, 1, 0, 2, 0]
    assert column(found, "backlog")[:6] == [1, 1, 0, 1, 0, 0]
    assert column(found, "in_flight")[:6] == [1, 1, 1, 1, 0, 0]


def test_what_never_ended_stays_in_flight() -> None:
    """A job whose worker was killed is not done, and not gone."""
    found = course(records((0.0, 0.5, None)))

    assert column(found, "in_flight") == [1] * 10
    assert sum(column(found, "done")) == 0


@settings(deadline=None)
@given(
    jobs=st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=60
    ),
    lasted_s=st.floats(0.2, 5_000),
)
def test_no_job_falls_between_bins(jobs: list[tuple[float, float, float]], lasted_s: float) -> None:
    """Arrivals and ends add up to the jobs; backlog and flight end at nothing, and never below."""
    stamps = [(due, due + wait, due + wait + ran) for due, wait, ran in jobs]
    found = course(records(*stamps), lasted_s=lasted_s)

    assert sum(column(found, "arrivals")) == sum(column(found, "done")) == len(jobs)
    assert min(column(found, "backlog")) >= 0
    assert min(column(found, "in_flight")) >= 0
    assert column(found, "backlog")[-1] == column(found, "in_flight")[-1] == 0


@pytest.mark.parametrize(
    ("lasted_s", "width_s"),
    [(0.5, 0.02), (1.3, 0.05), (9.9, 0.2), (10, 1), (119, 1), (121, 2), (3_600, 30), (1e6, 10_800)],
)
def test_bins_are_of_a_width_that_people_count_in(lasted_s: float, width_s: float) -> None:
    """By the second from ten seconds on."""
    assert bin_width_s(lasted_s) == pytest.approx(width_s)


@settings(deadline=None)
@given(lasted_s=st.floats(1e-3, 1e7))
def test_there_are_never_too_many_bins(lasted_s: float) -> None:
    """However long it lasts."""
    assert lasted_s / bin_width_s(lasted_s) <= MOST_BINS


def test_cores_are_what_was_spent_between_two_looks() -> None:
    """Two cores for five seconds, then none; memory as last seen; without a look None, not 0."""
    samples = pl.DataFrame(
        {
            "t_ns": [START_NS, START_NS + 5 * S, START_NS + 10 * S],
            "cpu_s": [3.0, 13.0, 13.0],
            "rss_bytes": [100, 200, 300],
        }
    )
    frame = records((0.0, 1.0, 2.0))
    samples = conform(samples, schema=SAMPLE_SCHEMA)
    found, unseen = course(frame, samples=samples), course(frame)

    assert column(found, "cpu_cores") == pytest.approx([2.0] * 5 + [0.0] * 5)
    assert column(found, "rss_bytes") == [100] * 4 + [200] * 5 + [300]
    assert {*column(unseen, "cpu_cores"), *column(unseen, "rss_bytes")} == {None}


def test_a_trial_that_was_cut_has_no_course() -> None:
    """Nor one without a record."""
    frame = records((0.0, 1.0, 2.0))

    for trial, found in ((replace(_TRIAL, end_ns=None), frame), (_TRIAL, frame.clear())):
        assert not measure_timeline(trial, pool="solo", records=found, samples=_NO_SAMPLES)


def test_a_summary_has_the_course_of_each_row(tmp_path: Path) -> None:
    """One valid trial a row, with its jobs: that of median throughput."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    spoil(folder, block=2, reasons=[BROKER_LOST])
    summary = summarize(folder)

    assert len(summary.timelines) == len(summary.rows)
    for row, told in zip(summary.rows, summary.timelines, strict=True):
        by_speed = sorted(
            summary.repetitions_of(row), key=lambda trial: known(trial.throughput_per_s)
        )
        assert told.trial == by_speed[1].trial
        assert sum(point.done for point in told.points) == 40
