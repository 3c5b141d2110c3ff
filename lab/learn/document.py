"""Writes the lessons as docs/learn.md: text and pictures of one run, so that they agree."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from collector.files import make_folder, write_whole
from collector.run_manifest import Machine
from lab.learn.lessons import LESSONS, PLAIN, Lesson
from report.charts.render import to_image
from report.page.lesson_page import LessonShown

#: Length of a line of the text.
_WIDTH = 110

#: Folder of the pictures, next to the text.
PICTURES = "learn"

_INTRODUCTION = (
    "This page shows what threads, processes and coroutines do, and what the GIL is. Each picture "
    "has a question above it: answer it before you look. The command below the picture makes it "
    "on your machine, and the sentence after it has the figures of this picture.\n\n"
    "A picture has one lane for each slot: a process, a thread or a coroutine that runs one job "
    "at a time. The colour is what the slot does at a moment: it is on a core, it could run and "
    "has no core, it waits for the GIL, or it waits for something else. White lines separate "
    "jobs. Nothing is drawn that wasn't measured: Poolbench samples the threads from outside, 200 "
    "times a second, and the kernel counts their time on a core "
    "([how](recording.md#what-a-slot-was-doing)).\n\n"
    "`make learn` runs all of it, in at most 90 seconds, and writes one page on which you can "
    "zoom."
)


_PLAIN = (
    "`.venv/bin/python -m lab.learn {names}` draws programs of the standard library alone, without "
    "Celery and without Redis: a worker that counts to a million in two threads, in two "
    "processes and in two coroutines, and a counter that two threads share. They are in "
    "[`programs.py`](../lab/learn/programs.py)."
)


def write_document(folder: Path, *, shown: Mapping[str, LessonShown], machine: Machine) -> None:
    """Write ``learn.md`` into a folder, and its pictures next to it.

    Raises:
        StorageError: if they can't be written.
    """
    make_folder(folder / PICTURES)
    for name, lesson in shown.items():
        image = to_image(lesson.chart, suffix=".png")
        path = folder / PICTURES / f"{name}.png"
        write_whole(path, image)
    text = "\n\n".join(_parts(shown, machine=machine)) + "\n"
    write_whole(folder / "learn.md", text)


def _parts(shown: Mapping[str, LessonShown], *, machine: Machine) -> Iterator[str]:
    yield "# Threads, processes, coroutines and the GIL"
    yield from map(_wrapped, _INTRODUCTION.split("\n\n"))
    for number, (name, lesson) in enumerate(shown.items(), start=1):
        yield f"## {number}. {lesson.title}"
        yield _wrapped(f"**{lesson.question}**")
        yield f"![{lesson.title}]({PICTURES}/{name}.png)"
        yield f"    {command(name, LESSONS[name])}"
        yield _wrapped(lesson.answer)
        yield from map(_wrapped, lesson.why.split("\n\n"))
    yield "## Without Celery"
    yield _wrapped(_PLAIN.format(names=" ".join(PLAIN)))
    yield "---"
    yield _wrapped(
        f"Pictures and figures: {machine.cpu_model}, {_cores(machine)}, {machine.python}. The "
        f"page is written by `python -m lab.learn {' '.join(shown)} --docs docs`."
    )


def command(name: str, lesson: Lesson) -> str:
    """Return the command that makes a lesson's picture."""
    if lesson.programs:
        return f".venv/bin/python -m lab.learn {name}"
    return f".venv/bin/poolbench run {lesson.experiment}{' --lanes' if lesson.has_lanes else ''}"


def _cores(machine: Machine) -> str:
    """Return the number of cores as text."""
    return f"{machine.cores:g} core{'' if machine.cores == 1 else 's'}"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)
