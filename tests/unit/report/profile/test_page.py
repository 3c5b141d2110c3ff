"""The page of a profile shows what the terminal does, with charts, in one file."""

from __future__ import annotations

import re

import pytest

from lab.conformance.kept import kept_verdicts
from report.profile.charts import charts_of
from report.profile.measure import measure_profile
from report.profile.page import build_page
from tests.recordings import RecordedApp, jobs_of, poisson
from tests.unit.report.profile.conftest import Record

SECONDS = [float(second) for second in range(20)]


def test_states_of_a_task_fill_its_lane(record: Record) -> None:
    """Segments follow each other up to the whole; what no sample shows is drawn as such."""
    states = {"core": 0.02, "io_wait": 0.08}
    chart = charts_of(measure_profile(record(jobs_of("mail", SECONDS, states))))["states"]

    assert [(row["x"], row["x2"], row["state"]) for row in chart.rows] == [
        (0.0, pytest.approx(0.2), "core, GIL ?"),
        (pytest.approx(0.2), pytest.approx(1.0), "I/O or timer"),
    ]
    assert chart.header[0] == "task"


def test_slots_that_share_a_thread_ran_or_did_not(record: Record) -> None:
    """Without samples, the time that a greenlet ran is drawn."""
    jobs = jobs_of("mail", SECONDS, {"core": 0.03, "io_wait": 0.07})
    profile = measure_profile(record(jobs, app=RecordedApp(pool="gevent")))

    assert [row["share"] for row in charts_of(profile)["states"].rows] == ["30 %", "70 %"]


def test_without_samples_there_is_no_chart_of_states(record: Record) -> None:
    """Nothing is drawn of what is unknown."""
    app = RecordedApp(has_states=False)
    profile = measure_profile(record(jobs_of("mail", SECONDS, {"core": 0.1}), app=app))

    assert set(charts_of(profile)) == {"causes", "slots"}
    assert "Record on Linux" in build_page(profile)


def test_the_page_has_all_sections_and_no_address(record: Record) -> None:
    """It shows tasks, settings, reliance and the unknown, and makes no request."""
    jobs = jobs_of("shop.<mail>", poisson(per_s=2, duration_s=30), {"core": 0.1, "io_wait": 0.2})
    app = RecordedApp(
        tasks={"shop.<mail>": {"time_limit": 5}}, worker={"options": {"concurrency": 9}}
    )
    profile = measure_profile(record(jobs, app=app), verdicts=kept_verdicts())
    page = build_page(profile)

    assert "shop.&lt;mail&gt;" in page
    for text in ("What the jobs are", "hard time limit", "not in effect", "--gil-probe"):
        assert text in page
    assert len(re.findall(r"<figure", page)) == 3
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
