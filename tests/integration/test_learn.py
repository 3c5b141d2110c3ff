"""The lessons without Celery: what their programs show, and the page."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.learn.lessons import LESSONS
from lab.learn.programs import INCREMENTS, TIMES
from poolbench.errors import ExitCode
from poolbench.evidence import is_gil_enabled
from tests.integration.test_lab_run import variables
from tests.processes import run_python

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="states are read on Linux only"),
]

NAMES = ("threads", "processes", "asyncio", "race")

MS = {"ms": 1, "s": 1_000}

#: State of a slot, as printed.
GIL = "waits for the GIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What all lessons together printed, and their pages."""

    printed: str
    page: str
    #: Of one lesson, SVG.
    picture: str

    def line(self, program: str) -> str:
        """Return what a program's slots did, as printed."""
        return next(
            text
            for line in self.printed.splitlines()
            for name, _, text in [line.strip().partition(": ")]
            if name == program
        )

    def share(self, program: str, state: str) -> float:
        """Return the share of its time that a program was in a state, percent."""
        found = re.search(rf"([\d.]+) % {state}", self.line(program))
        return float(found[1]) if found else 0.0

    def numbers(self, pattern: str) -> list[float]:
        """Return the numbers in the one place that matches; durations in milliseconds."""
        (found,) = re.findall(pattern, self.printed)
        words = [word.replace(",", "").split() for word in found]
        return [float(word) * MS[unit[0]] if unit else float(word) for word, *unit in words]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """All lessons that need no Celery, run once."""
    folder = tmp_path_factory.mktemp("learn")
    environ = variables(folder / "results", COLUMNS="200")
    taught = Taught(printed="", page="", picture="")
    page, picture = folder / "page.html", folder / "one.svg"
    for words in (["asyncio", "--chart", str(picture)], [one for one in NAMES if one != "asyncio"]):
        done = run_python("-m", "lab.learn", *words, "--output", str(page), environ=environ)
        assert (done.returncode, done.stderr) == (ExitCode.OK, "")
        taught = Taught(
            printed=taught.printed + done.stdout,
            page=taught.page + page.read_text(encoding="utf-8"),
            picture=picture.read_text(encoding="utf-8"),
        )
    return taught


def test_the_page_has_all_questions_and_the_answers_that_were_printed(taught: Taught) -> None:
    """A reader of the page sees what the terminal showed."""
    text = " ".join(taught.page.split())
    for name in NAMES:
        assert LESSONS[name].question in text
        assert LESSONS[name].question in taught.printed
    answers = re.findall(r"^(?:One|Two|\d+|Without) .* took .*$", taught.printed, re.MULTILINE)
    assert len(answers) == 3
    assert all(answer in text for answer in answers)


@pytest.mark.skipif(not is_gil_enabled(), reason="this Python has no GIL")
def test_threads_wait_for_the_gil_and_one_alone_does_not(taught: Taught) -> None:
    """Of two, one waits at any time; where other programs use the cores, it waits for those."""
    assert 10 < taught.share("two-threads", GIL) < 60
    assert taught.share("one-thread", GIL) < 5


def test_processes_wait_for_a_core_and_never_for_the_gil(taught: Taught) -> None:
    """Each has its own."""
    assert taught.share("two-processes", GIL) == 0
    assert taught.share("two-processes-one-core", GIL) == 0
    assert "no core free" in taught.line("two-processes-one-core")


def test_coroutines_that_wait_overlap(taught: Taught) -> None:
    """All of their waits take less time than one after another."""
    in_all_ms, took_ms = taught.numbers(r"waits, ([\d.]+ m?s) in all, took ([\d.]+ m?s)\.")
    assert took_ms < 0.8 * in_all_ms
    assert taught.share("two-coroutines-waiting", "doesn't run") > 80


def test_coroutines_that_count_do_not_overlap(taught: Taught) -> None:
    """Each has one long turn, from its begin to its end."""
    assert taught.line("two-coroutines-counting").startswith(f"{2 * TIMES} jobs in ")
    assert taught.share("two-coroutines-counting", "runs") > 80


def test_a_counter_with_a_lock_loses_nothing(taught: Taught) -> None:
    """Without one, it ends where it may."""
    without, wanted = taught.numbers(r"the counter ends at ([\d,]+) of ([\d,]+):")
    assert 0 < without <= wanted == 2 * INCREMENTS
    assert f"With a lock it ends at {2 * INCREMENTS:,}," in taught.printed


def test_a_lesson_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    """The last line has its name and those that exist."""
    environ = variables(tmp_path / "results", COLUMNS="200")
    done = run_python("-m", "lab.learn", "no-lesson", environ=environ)
    assert done.returncode == ExitCode.USAGE
    assert "there is no lesson no-lesson: use " in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_a_lesson_writes_its_picture(taught: Taught) -> None:
    """As an image, beside the page."""
    assert taught.picture.startswith("<svg")
    assert "doesn't run" in taught.picture
