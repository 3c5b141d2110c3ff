"""Contenders without the GIL: their evidence, their names, and what is said of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Code
from collector.run_manifest import Contender, Skipped
from collector.store import RunFolder
from report.palette import row_shade
from report.result import RowSummary
from report.summary import summarize
from report.verdicts.naming import label
from tests.summaries import codes, known, row_of
from tests.synthetic import (
    DEMO,
    FREE_THREADED,
    FREE_THREADED_COST,
    Workload,
    edit_manifest,
    flat_manifest,
    make_run,
)

PREFORK, THREADS, _, SOLO = DEMO
FREED = Contender(name="threads-4-nogil", pool="threads", slots=4, interpreter="free-threaded")
CONTENDERS = (SOLO, THREADS, PREFORK, FREED)
PRIMES = Workload(
    name="cpu.primes",
    kind="cpu.primes",
    per_s={"solo": 116.0, "threads-4": 112.0, "prefork-4": 224.0, "threads-4-nogil": 170.0},
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of four contenders on one workload, one of them without the GIL."""
    return make_run(tmp_path / "run", contenders=CONTENDERS, workloads=[PRIMES])


def turn_gil_on(folder: RunFolder, *, block: int | None = None) -> None:
    """Let the freed contender's slots have seen a GIL, in one block or in all."""
    trials = [
        trial["trial"]
        for trial in flat_manifest(folder)["trials"]
        if trial["contender"] == FREED.name and block in (trial["block"], None)
    ]
    jobs = folder.read_jobs()
    is_theirs = pl.col("trial").is_in(trials)
    folder.write_jobs(jobs.with_columns(gil_enabled=pl.col("gil_enabled") | is_theirs))


def test_a_row_without_the_gil_is_valid_and_says_so(folder: RunFolder) -> None:
    """What its slots saw is what was asked for.

    It has a colour of its own in every chart, and a ceiling by its own Python: cores ÷ the
    CPU-seconds that a job takes there. The verdict names its gain and its price.
    """
    summary = summarize(folder)
    freed, usual = row_of(summary, FREED.name), row_of(summary, "threads-4")

    assert freed.mark == ""
    assert (freed.is_without_gil, usual.is_without_gil) == (True, False)
    assert freed.evidence.gil_enabled is False
    assert known(usual.ceiling_per_s) / known(freed.ceiling_per_s) == pytest.approx(
        FREE_THREADED_COST, rel=1e-3
    )
    assert len({row_shade(row) for row in summary.rows}) == len(CONTENDERS)
    text = summary.verdicts[0].text
    assert "Threads without the GIL run side by side: threads-4-nogil does 1.5" in text
    assert "One job alone takes 1.25 × [1.25–1.25] the CPU time in the Python without" in text


def test_a_gil_that_was_on_makes_the_row_invalid(folder: RunFolder) -> None:
    """One repetition is enough; the reason says what happened and what to do."""
    turn_gil_on(folder, block=2)

    row = row_of(summarize(folder), FREED.name)

    assert (row.mark, row.valid_repetitions) == ("!", 4)
    assert codes(row) == [Code.GIL_ON, Code.TOO_FEW]
    assert row.reasons[0].repetitions == (3,)


def test_who_turned_the_gil_on_stands_in_the_reason(folder: RunFolder) -> None:
    """As far as the Python told it when it was asked; the remedy names its place."""
    turn_gil_on(folder)
    asked = FREE_THREADED | {"gil_enabled": True, "gil_turned_on_by": ["greenlet._greenlet"]}
    edit_manifest(folder, interpreters={"free-threaded": asked})

    row = row_of(summarize(folder), FREED.name)

    assert row.mark == "!"
    assert row.is_without_gil is False, "whatever it was to be"
    assert codes(row)[0] is Code.GIL_TURNED_ON
    assert row.reasons[0].parameters == {
        "packages": ["greenlet._greenlet"],
        "path": "/checkout/.venv-free-threaded/bin/python",
    }
    assert "Left out (invalid" in summarize(folder).verdicts[0].text


def test_a_gil_that_was_to_be_on_is_no_fault(folder: RunFolder) -> None:
    """Another usual Python may run a contender: what counts is how it was built."""
    turn_gil_on(folder)
    usual = FREE_THREADED | {"is_free_threaded": False, "gil_enabled": True}
    edit_manifest(folder, interpreters={"free-threaded": usual})

    row = row_of(summarize(folder), FREED.name)

    assert (row.mark, row.is_without_gil) == ("", False)


@pytest.mark.parametrize(
    ("name", "slots", "is_without_gil", "called"),
    [
        ("threads-4", 4, False, "threads-4"),
        ("threads", 50, False, "threads (50)"),
        ("threads-4-nogil", 4, True, "threads-4-nogil"),
        ("threads-4", 4, True, "threads-4, no GIL"),
        ("bare", 4, True, "bare (4), no GIL"),
        ("solo", 1, True, "solo, no GIL"),
    ],
)
def test_a_label_tells_what_the_name_does_not(
    name: str, slots: int, *, is_without_gil: bool, called: str
) -> None:
    """Slots and the missing GIL, unless the name says them."""
    row = RowSummary(
        contender=name,
        pool="threads",
        slots=slots,
        is_without_gil=is_without_gil,
        workload="cpu.primes",
        kind="cpu.primes",
    )

    assert label(row) == called


def test_what_never_ran_is_called_what_it_was_to_be(folder: RunFolder) -> None:
    """A run stopped before its first trial has its names and colours all the same.

    The skipped are in the summary for programs, and noted with the command that helps.
    """
    skip = Skipped(
        contender="threads-9-nogil",
        reason="there is no Python at .venv-free-threaded/bin/python",
        remedy="get one: uv python install 3.14t",
    )
    edit_manifest(folder, state="unfinished", trials=[], skipped=[asdict(skip)])

    summary = summarize(folder)

    assert row_of(summary, FREED.name).is_without_gil is True
    assert row_of(summary, "threads-4").is_without_gil is False
    assert summary.skipped == (skip,)
    (note,) = [one for one in summary.notes if one.startswith("Skipped")]
    assert note.endswith("/python. Get one: uv python install 3.14t.")
