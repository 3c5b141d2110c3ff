"""The lessons: their programs and files exist, and docs/learn.md has their text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.learn.__main__ import main
from lab.learn.document import PICTURES, command
from lab.learn.lessons import LESSONS, PLAIN, Lesson, Outcome
from lab.learn.programs import PROGRAMS
from poolbench.errors import ExitCode
from report.analyses.slot_lanes import LaneJob, SlotLanes, State

DOCS = Path("docs")

#: Those in the text; the others are the same without Celery.
IN_DOCS = [name for name in LESSONS if name not in {"threads", "asyncio"}]


def lanes(name: str, *, took_s: float, **states_s: float) -> SlotLanes:
    """Return the lanes of one job that took that long."""
    job = LaneJob(
        number=1,
        kind="io.sleep",
        outcome="done",
        lane=0,
        begin_s=0.0,
        end_s=took_s,
        waited_s=0.0,
        states_s={State[state]: spent_s for state, spent_s in states_s.items()},
    )
    return SlotLanes(
        name=name,
        pool="threads",
        slots=(),
        threads=(),
        jobs=(job,),
        waiting=(),
        sample_hz=200,
        sampler_share=None,
    )


def test_each_program_and_each_file_belongs_to_a_lesson() -> None:
    """A lesson runs programs, or one experiment."""
    used = {program for lesson in LESSONS.values() for program in lesson.programs}
    assert used == PROGRAMS.keys()
    files = {lesson.experiment for lesson in LESSONS.values() if lesson.experiment}
    assert files == {str(path) for path in Path("experiments/learn").glob("*.toml")}
    assert all(bool(one.programs) != bool(one.experiment) for one in LESSONS.values())
    assert {"threads", "processes", "asyncio", "race"} == set(PLAIN)


@pytest.mark.parametrize("name", IN_DOCS)
def test_the_text_has_each_question_with_its_picture_and_its_command(name: str) -> None:
    """It was written by the same code, so an edit of a lesson needs a new run."""
    text = " ".join((DOCS / "learn.md").read_text(encoding="utf-8").split())
    lesson: Lesson = LESSONS[name]
    assert f"**{lesson.question}**" in text
    assert f"]({PICTURES}/{name}.png) {command(name, lesson)}" in text
    assert all(" ".join(part.split()) in text for part in lesson.why.split("\n\n"))
    assert (DOCS / PICTURES / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_text_has_seven_pictures() -> None:
    """And no picture is left from an earlier one."""
    assert len(IN_DOCS) == 7
    assert {path.stem for path in (DOCS / PICTURES).iterdir()} == set(IN_DOCS)


def test_an_answer_has_the_figures_of_its_picture() -> None:
    """A Python without the GIL is named only where there is one."""
    found = {
        "solo": lanes("solo", took_s=1.0, CORE=1.0),
        "threads-4": lanes("threads-4", took_s=1.1, CORE=0.3, GIL_WAIT=0.8),
        "prefork-4": lanes("prefork-4", took_s=0.5, CORE=0.5),
    }
    answer = LESSONS["computing"].answer
    text = answer(Outcome(lanes=found))
    assert "four threads 1.10 s, 1.10 × as long" in text
    assert "waited 73 %" in text
    assert "Without a GIL" not in text
    nogil = lanes("threads-4-nogil", took_s=0.6, CORE=0.6)
    assert "Without a GIL, four threads took 600 ms" in answer(
        Outcome(lanes={**found, nogil.name: nogil})
    )


def test_a_lesson_that_this_system_cannot_run_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and the exit code of wrong usage if no other lesson is left."""
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert main(["processes"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "skipped processes: this system lacks os.sched_setaffinity\n"
    )


def test_lost_increments_are_counted() -> None:
    """What a counter lacks of all increments is lost."""
    found = {
        name: lanes(name, took_s=took_s)
        for name, took_s in (("counter-without-lock", 0.1), ("counter-with-lock", 1.5))
    }
    results = {"counter-without-lock": 1_500_000, "counter-with-lock": 2_000_000}
    text = LESSONS["race"].answer(Outcome(lanes=found, results=results))
    assert "1,500,000 of 2,000,000: 500,000 increments are lost" in text
    assert "2,000,000, in 15.0 × the time" in text
