"""Renders lessons: a question, a picture, and the answer below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.run_manifest import Machine
from report.charts.chart import Chart
from report.page.document import environment, frame


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonShown:
    """One lesson on the page."""

    title: str
    #: To be answered before looking.
    question: str
    chart: Chart
    #: Whole sentences, with the figures of this picture.
    answer: str
    #: Paragraphs, with a blank line between them.
    why: str


def build_lesson_page(lessons: Sequence[LessonShown], *, machine: Machine) -> str:
    """Return the HTML page of some lessons."""
    return (
        environment()
        .get_template("lessons.html.j2")
        .render(
            page_title="Threads, processes, coroutines and the GIL",
            lessons=lessons,
            machine=machine,
            left_out=(),
            **frame(),
        )
    )
