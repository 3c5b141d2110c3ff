"""Pages with lanes: of a run that has nothing else, of lessons, and of an ordinary run."""

from __future__ import annotations

import re
from pathlib import Path

from collector.run_manifest import Machine
from report.charts.slots import slot_chart
from report.lanes import WorkloadLanes
from report.page.lane_page import build_lane_page
from report.page.lesson_page import LessonShown, build_lesson_page
from report.page.page import build_page
from report.summary import summarize
from tests.lanes import lanes_with
from tests.synthetic import make_run

MACHINE = Machine(cores=2, os="Linux", python="CPython 3.11.7", cpu_model="Some CPU")


def has_requests(page: str) -> bool:
    """Return whether a page refers to anything outside of it."""
    return bool(re.search(r'(src|href)="(?!#|data:)', page))


def test_a_run_with_lanes_only_has_a_section_for_each_workload(tmp_path: Path) -> None:
    """With its jobs, its picture and the machine."""
    manifest = make_run(tmp_path).read_manifest()
    found = [
        WorkloadLanes(workload=name, jobs="work_ms 8", lanes=(lanes_with(CORE=1.0),))
        for name in ("primes", "hashes")
    ]
    page = build_lane_page(manifest, found=found)

    assert re.findall(r"<h2>(.*?)</h2>", page) == ["primes", "hashes"]
    assert page.count("<figure") == 2
    assert manifest.experiment.title in page
    assert not has_requests(page)


def test_a_lesson_asks_before_it_shows() -> None:
    """Question, picture, answer, and then why."""
    lesson = LessonShown(
        title="Two threads",
        question="Which is faster?",
        chart=slot_chart([lanes_with(CORE=1.0)], name="threads", title="Two threads"),
        answer="Neither, by 2 %.",
        why="Because of the `GIL`.\n\nThat is a lock.",
    )
    page = build_lesson_page([lesson], machine=MACHINE)

    places = [
        page.index(text)
        for text in ("Which is faster?", "<figure", "Neither", "<code>GIL</code>", "a lock")
    ]
    assert places == sorted(places)
    assert "Some CPU, 2 cores · CPython 3.11.7" in page
    assert not has_requests(page)


def test_an_ordinary_page_has_lanes_below_its_first_chart(tmp_path: Path) -> None:
    """Before the verdicts; a run without any has no place for them."""
    summary = summarize(make_run(tmp_path))
    chart = slot_chart([lanes_with(CORE=1.0)], name="lanes-primes", title="What each slot does")
    page = build_page(summary, lanes=[chart])

    figures = re.findall(r'id="chart-([^"]+)"', page)
    assert figures[1] == "lanes-primes"
    assert page.index('id="chart-lanes-primes"') < page.index('class="verdicts"')
    assert "lanes-primes" not in build_page(summary)
