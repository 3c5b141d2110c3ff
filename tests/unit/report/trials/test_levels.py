"""What a run reports of the levels of its workers over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.reasons import Code
from report.charts.timeline import timeline
from report.export import Format, Table, export
from report.result import Summary
from report.summary import summarize
from report.trials.levels import Level, TrialLevels, measure_levels, over_time
from tests.loading import serve
from tests.summaries import codes, details, known, row_of, shown
from tests.synthetic import DEMO, WORKLOADS, make_run
from tests.watched import REST, watch, whole_samples

#: Countdowns wait in the worker, and then run: the prefetch count follows them.
WAITING: Mapping[str, Any] = {"prefetch_count": 61, "countdown_jobs": 45, "unacked_jobs": 49}

_NO_JOBS = pl.DataFrame(schema={"finished_ns": pl.Int64})


def levels(*points: Mapping[str, Any], records: pl.DataFrame = _NO_JOBS) -> TrialLevels:
    """Return the levels of a trial with a sample each second."""
    return measure_levels(whole_samples(points), records=records)


def summary_of(path: Path, points: Sequence[Sequence[Mapping[str, Any]]]) -> Summary:
    """Return the summary of a run of five blocks with these samples in each trial."""
    folder = make_run(path, workloads=WORKLOADS[2:3], contenders=[DEMO[3]])
    watch(folder, levels=points)
    return summarize(folder)


def test_a_level_is_that_before_at_the_most_and_after() -> None:
    """Without a sample before the jobs, or after them, there is no level."""
    found = levels({}, WAITING, {"prefetch_count": 30}, {"prefetch_count": 17})

    assert found.by_name["prefetch_count"] == Level(start=16, peak=61, end=17)
    assert found.by_name["reserved_jobs"] == Level(start=0, peak=0, end=0)
    samples = whole_samples([{}, WAITING, {}])
    assert not measure_levels(samples.head(2), records=_NO_JOBS).by_name
    unread = samples.with_columns(pl.lit(None, pl.Int64).alias(name) for name in REST)
    assert measure_levels(unread, records=_NO_JOBS) == TrialLevels()


def test_a_prefetch_count_that_returned_is_no_drift(tmp_path: Path) -> None:
    """The first screen says how far it went, the details also show the levels."""
    summary = summary_of(tmp_path, [[{}, WAITING, {}, {}]])

    assert codes(row_of(summary, "solo")) == [Code.LEVEL_RETURNED]
    text = (
        "solo: the prefetch count rose from 16 to 61 and returned to 16: no drift "
        "(0 [0 to 0], 5 repetitions)"
    )
    assert text in " ".join(shown(summary).split())
    assert text in details(summary)
    assert "16 → 61 → 16" in details(summary)


def test_a_prefetch_count_that_stayed_up_is_a_drift(tmp_path: Path) -> None:
    """If all five repetitions agree; what is left unacknowledged is one too."""
    left = {"prefetch_count": 19, "unacked_jobs": 3}
    summary = summary_of(tmp_path, [[{}, WAITING, {}, left]])

    row = row_of(summary, "solo")
    assert codes(row) == [Code.LEVEL_DRIFTED, Code.LEVEL_DRIFTED]
    assert "was 19 with no job left: a drift of 3 [3 to 3]" in row.reasons[0].text


def test_levels_that_only_fill_and_empty_are_not_reported(tmp_path: Path) -> None:
    """Reserved jobs, a queue, and a heap that grows are usual: no line, no table."""
    busy = {"reserved_jobs": 12, "queue_jobs": 50, "connections": 9, "pss_bytes": 60_000_000}
    summary = summary_of(tmp_path, [[{}, busy, {"connections": 9, "pss_bytes": 55_000_000}]])

    row = row_of(summary, "solo")
    assert known(row.over_time).levels["reserved_jobs"].peak == 12
    assert not row.reasons
    assert "over time" not in details(summary)


def test_a_run_without_levels_reports_none(tmp_path: Path) -> None:
    """Samples of an earlier version have no such columns."""
    folder = make_run(tmp_path, workloads=WORKLOADS[2:3], contenders=[DEMO[3]], blocks=1)
    assert row_of(summarize(folder), "solo").over_time is None


def test_memory_per_countdown_is_that_of_the_most() -> None:
    """5,000 countdowns of 19 kB; a sample in which memory runs ahead of them does not count."""
    full = {"countdown_jobs": 5_000, "pss_bytes": 145_000_000}
    found = levels({}, {"countdown_jobs": 900, "pss_bytes": 90_000_000}, full, full, {})

    assert found.bytes_per_countdown == pytest.approx(19_000)
    assert levels({}, {"countdown_jobs": 99}, {}).bytes_per_countdown is None
    assert known(over_time([found])).reasons[-1].code is Code.COUNTDOWN_MEMORY


def test_memory_per_job_is_the_slope_after_the_first_third() -> None:
    """10 jobs a second leave 500 bytes each; the first samples grow faster, and don't count."""
    jobs = serve(rate_per_s=10, job_s=0.05, jobs=400)
    points = [
        {"pss_bytes": 5_000_000 * at if at < 10 else 50_000_000 + 5_000 * at} for at in range(40)
    ]
    found = levels(*points, {}, records=jobs)

    assert found.bytes_per_job == pytest.approx(500, rel=0.01)
    assert levels(*points[:20], {}, records=jobs).bytes_per_job is None
    five = known(over_time([found] * 5))
    assert [one.code for one in five.reasons] == [Code.JOB_MEMORY]
    # a long backlog has no sample at rest
    backlog = measure_levels(whole_samples(points).with_columns(is_after=False), records=jobs)
    assert known(over_time([backlog])).bytes_per_job
    assert not known(over_time([backlog])).levels


def test_figures_of_a_trial_ignore_the_sample_after_it(tmp_path: Path) -> None:
    """PSS and connections are those at the trial's end, as they are without levels."""
    folder = make_run(tmp_path, workloads=WORKLOADS[2:3], contenders=[DEMO[3]], blocks=1)
    high, end = {"pss_bytes": 90_000_000}, {"pss_bytes": 70_000_000, "connections": 6}
    watch(folder, levels=[[{}, high, end, {"pss_bytes": 60_000_000}]])

    row = row_of(summarize(folder), "solo")
    assert (row.pss_bytes, row.connections) == (70_000_000, 6)
    with (tmp_path / "samples.csv").open("w+b") as file:
        export(folder, file, table=Table.SAMPLES, form=Format.CSV)
    assert "countdown_jobs" in (tmp_path / "samples.csv").read_text(encoding="utf-8")


def test_the_timeline_has_each_whole_sample(tmp_path: Path) -> None:
    """With the one before the trial and the one after it."""
    summary = summary_of(tmp_path, [[{}, WAITING, {}, {}]])

    points = summary.timelines[0].levels
    assert [(point.t_s, point.prefetch_count) for point in points] == [
        (0, 16), (1, 61), (2, 16), (3, 16),
    ]  # fmt: skip
    chart = known(timeline(summary, workload="io.sleep"))
    panels = [panel.title for panel in chart.panels]
    assert "prefetch count, 0 to 61 jobs" in panels
    assert not any("reserved" in title for title in panels)
    assert {row["prefetch_count"] for row in chart.rows} == {16, 61}
