"""Sweeps in the summary: their points, the law of slots, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from collector.run_manifest import Contender, SweepPoint
from report.analyses.sweep_text import describe_law
from report.analyses.sweeps import curve_slots
from report.page.headline import headline
from report.page.lead_chart import Answer
from report.page.sections import charts_of
from report.result import RESPONSE, Summary
from report.statistics.scalability import MAX_EXTRAPOLATION
from report.summary import summarize
from tests.loading import make_load_run, serve
from tests.summaries import known, shown
from tests.synthetic import Workload, make_run

#: What the Universal Scalability Law gives with 100/s a slot, 5 % contention, 0.5 % coherency.
LAW = {n: 100 * n / (1 + 0.05 * (n - 1) + 0.005 * n * (n - 1)) for n in (1, 2, 4, 8, 16, 32)}


def summary_of(
    path: Path,
    per_s: Mapping[int, float],
    *,
    setting: str = "slots",
    order: Sequence[int] = (),
) -> Summary:
    """Return the summary of a sweep of threads with these figures, by slots or another value."""
    points = [SweepPoint(of="threads", setting=setting, value=one) for one in order or per_s]
    contenders = [
        Contender(
            name=one.name,
            pool="threads",
            slots=int(one.value) if setting == "slots" else 4,
            settings={} if setting == "slots" else {setting: one.value},
            sweep=one,
        )
        for one in points
    ]
    rates = {one.name: per_s[int(one.value)] for one in points}
    workload = Workload(name="io.http", kind="io.http", per_s=rates)
    return summarize(make_run(path, contenders=contenders, workloads=[workload], noise=0.005))


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """A sweep of slots by the law, whose contenders come in an order of their own."""
    return summary_of(tmp_path_factory.mktemp("run"), LAW, order=(8, 1, 32, 4, 2, 16))


def test_points_ascend_with_their_range(lawful: Summary) -> None:
    """Whatever the order of the contenders; each point names its own."""
    (sweep,) = lawful.sweeps

    assert (sweep.of, sweep.setting, sweep.pool) == ("threads", "slots", "threads")
    assert [point.value for point in sweep.points] == [1, 2, 4, 8, 16, 32]
    assert sweep.points[0].contender == "threads.slots-1"
    for point in sweep.points:
        assert known(point.low) <= known(point.median) <= known(point.high)
        assert point.mark == ""


def test_slots_follow_their_law(lawful: Summary) -> None:
    """Terms and peak with their intervals, near those that the figures were made from.

    The curve has each size measured, and ends where nothing may be said: at twice the largest.
    """
    (sweep,) = lawful.sweeps
    law, words = known(sweep.usl), describe_law(sweep)
    peak = known(law.peak)
    slots = [point.slots for point in sweep.usl_curve]

    assert law.sigma.value == pytest.approx(0.05, abs=0.02)
    assert law.kappa.value == pytest.approx(0.005, abs=0.001)
    assert known(peak.low) < peak.value < known(peak.high)
    assert peak.value == pytest.approx((0.95 / 0.005) ** 0.5, rel=0.1)
    assert sweep.usl_reason == ""
    assert "Contention 0.0" in words
    assert "The peak is at" in words
    assert words.count("[") == 4
    assert set(LAW) <= set(slots)
    assert (slots[0], slots[-1]) == (1, MAX_EXTRAPOLATION * 32)
    assert slots == sorted(set(slots))


def test_a_terminal_shows_sweeps(lawful: Summary) -> None:
    """The law on the first screen; a line a value, in the order of the values, in the details."""
    title = "threads by slots  io.http"

    points = shown(lawful, has_details=True).partition(title)[2]
    lines = [line.split() for line in points.splitlines()]

    assert title in shown(lawful)
    assert "The peak is at" in points
    assert [line[0] for line in lines if len(line) > 2 and line[0].isdecimal()] == [
        str(slots) for slots in LAW
    ]


@pytest.mark.parametrize("slots", [(1, 2), (3, 200), (1, 10_000), (7, 7)])
def test_a_curve_has_each_number_once(slots: tuple[int, int]) -> None:
    """Few sizes give few points, many give about as many as a line needs."""
    found = curve_slots(slots)

    assert found == sorted(set(found))
    assert set(slots) <= set(found)
    assert len(found) <= 45


def test_other_settings_have_no_law(tmp_path: Path) -> None:
    """Points all the same."""
    (sweep,) = summary_of(
        tmp_path / "run", {0: 400.0, 2: 200.0, 5: 90.0}, setting="redis_delay_ms"
    ).sweeps

    assert [point.value for point in sweep.points] == [0, 2, 5]
    assert sweep.usl is None
    assert describe_law(sweep) == ""


def test_a_sweep_without_a_law_is_only_in_the_details(tmp_path: Path) -> None:
    """Its title alone says nothing; and the long name of its baseline is not cut in 80 columns."""
    summary = summary_of(tmp_path / "run", {5: 400.0, 2: 200.0}, setting="redis_delay_ms")
    title = "threads by redis_delay_ms"

    first, details = (shown(summary, width=80, has_details=one) for one in (False, True))

    assert title not in first
    assert title in details
    assert "…" not in first
    assert re.search(r"× threads\.redis_ ", first)


def test_why_there_is_no_law_or_no_peak_is_said(tmp_path: Path) -> None:
    """Three sizes are too few for three unknowns, and figures that grow all along have no peak."""
    (few,) = summary_of(tmp_path / "few", {1: 100.0, 2: 190.0, 4: 350.0}).sweeps
    (growing,) = summary_of(tmp_path / "run", {n: 100.0 * n for n in (1, 2, 4, 8, 16)}).sweeps

    assert few.usl is None
    assert describe_law(few) == "No scalability law: 3 sizes were measured, and the law needs 4."
    assert known(growing.usl).peak is None
    assert "o peak" in describe_law(growing)


def test_at_a_rate_points_are_responses(tmp_path: Path) -> None:
    """Throughput was offered; slots have no law there, and the page and the chart show seconds."""
    points = [SweepPoint(of="threads", setting="slots", value=slots) for slots in (1, 2, 4)]
    contenders = [
        Contender(name=one.name, pool="threads", slots=int(one.value), sweep=one) for one in points
    ]
    trials = [
        (
            {"contender": one.name, "block": block, "rate_per_s": 12.0},
            serve(rate_per_s=12, job_s=0.08 + block / 1_000, jobs=60, slots=one.slots),
        )
        for block in range(5)
        for one in contenders
    ]
    workload = {
        "name": "work", "kind": "io.sleep", "parameters": {"delay_ms": 80.0}, "measure": "rate",
        "arrivals": {"how": "constant", "rate_per_s": 12.0}, "mix": [],
    }  # fmt: skip

    summary = summarize(
        make_load_run(tmp_path / "run", trials=trials, contenders=contenders, workload=workload)
    )
    (sweep,) = summary.sweeps

    assert sweep.figure == RESPONSE
    assert known(sweep.points[-1].median) == pytest.approx(0.082)
    assert (sweep.usl, describe_law(sweep)[:20]) == (None, "No scalability law: ")
    assert re.search(r"4 +82\.0 ms +80\.0 ms–84\.0 ms", shown(summary, has_details=True))
    chart = charts_of(summary)["sweep-slots-work"]
    assert (chart.title, chart.cells[-1][2]) == ("P95 response over slots, work", "82.0 ms")
    assert "Threads had a p95 response of" in headline(summary, answer=Answer.SWEEP)


def test_each_part_of_a_mix_has_its_points(tmp_path: Path) -> None:
    """The p95 of both together is the length of the long jobs, whatever the value."""
    parts = ["long", *["short"] * 9] * 3
    lengths_s = [0.5 if part == "long" else 0.01 for part in parts]
    points = [SweepPoint(of="threads", setting="slots", value=slots) for slots in (1, 2)]
    contenders = [
        Contender(name=one.name, pool="threads", slots=int(one.value), sweep=one) for one in points
    ]
    mix = [
        {"name": name, "kind": "io.sleep", "parameters": {}, "share": share}
        for name, share in (("short", 0.9), ("long", 0.1))
    ]
    trials = [
        (
            {"contender": one.name, "block": 0, "rate_per_s": 10.0, "parts": mix},
            serve(rate_per_s=10, job_s=0, jobs=30, jobs_s=lengths_s, parts=parts, slots=one.slots),
        )
        for one in contenders
    ]
    workload = {
        "name": "work", "kind": "mix", "parameters": {}, "measure": "rate",
        "arrivals": {"how": "constant", "rate_per_s": 10.0}, "mix": mix,
    }  # fmt: skip

    summary = summarize(
        make_load_run(tmp_path / "run", trials=trials, contenders=contenders, workload=workload)
    )

    found = {one.part: [point.median for point in one.points] for one in summary.sweeps}
    assert found["short"] == [pytest.approx(0.41), pytest.approx(0.01)]
    assert found["long"] == [pytest.approx(0.5)] * 2
    assert {"sweep-slots-work-short", "sweep-slots-work-long"} <= charts_of(summary).keys()
