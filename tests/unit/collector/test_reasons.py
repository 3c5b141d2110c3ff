"""The catalogue of reasons: its words, and the page made from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.reasons import Code, Reason, Severity, describe_alike, marks_page, strongest

LOST = Reason.of(Code.JOBS_LOST, lost=1_200, sent=4_000)


def test_words_hold_the_parameters_as_people_read_them() -> None:
    """Counts with their noun, shares in per cent, spans in a unit that fits, lists with `and`."""
    bound: dict[str, Any] = {"percentile": "p95", "span": "wait", "bound_s": 1.0}

    assert LOST.text == "1,200 of 4,000 jobs lost"
    assert (
        Reason.of(Code.JOBS_DUPLICATED, jobs=1).text
        == "1 repeated execution of jobs that had already run"
    )
    assert Reason.of(Code.OVER_BOUND, seen_s=1.5, **bound).text == "p95 wait 1.50 s exceeds 1.00 s"
    assert "wait without end exceeds" in Reason.of(Code.OVER_BOUND, seen_s=None, **bound).text
    gil = Reason.of(Code.GIL_TURNED_ON, packages=["a", "b"], path="/bin/python")
    assert gil.remedy.startswith("Remove a and b from /bin/python")


@pytest.mark.parametrize(
    ("repetitions", "start"),
    [((), ""), ((3,), "repetition 3: "), ((1, 2, 5), "repetitions 1, 2 and 5: ")],
)
def test_a_reason_names_its_repetitions(repetitions: tuple[int, ...], start: str) -> None:
    """Before its text; nothing where it holds for the whole."""
    assert str(replace(LOST, repetitions=repetitions)) == f"{start}{LOST.text}"


def test_what_differs_between_reasons_of_one_code_is_left_open() -> None:
    """One line for all of them; what they share stands in it, and the range of counts."""
    other = Reason.of(Code.JOBS_LOST, lost=3, sent=4_000)
    few = [Reason.of(Code.TOO_FEW, have=have, needed=5) for have in (1, 0)]

    assert describe_alike(few).startswith("0 to 1 repetitions with a valid throughput; a claim nee")
    assert describe_alike([LOST, other]) == "… of 4,000 jobs lost"
    assert describe_alike([LOST, LOST]) == LOST.text


def test_the_strongest_mark_wins() -> None:
    """What only limits or notes marks nothing."""
    found = [
        Reason.of(Code.NEAR_NOOP, share=0.9),
        Reason.of(Code.FOREIGN_CLOCK),
        Reason.of(Code.NOT_MEASURED),
    ]

    assert strongest([*found, LOST]) is Severity.INVALID
    assert strongest(found) is Severity.TOO_FEW
    assert strongest(found[:2]) is Severity.UNSTABLE
    assert strongest(found[:1]) is Severity.NOTE


def test_the_page_of_marks_is_that_of_the_catalogue() -> None:
    """docs/marks.md: `python -m collector.reasons` writes it anew."""
    assert Path("docs/marks.md").read_text(encoding="utf-8") == marks_page()


def test_a_reason_whose_words_can_not_be_filled_is_refused() -> None:
    """As in a file that was edited: its reader would fail later, without its place."""
    with pytest.raises(ValueError, match="jobs-lost needs lost"):
        Reason.of(Code.JOBS_LOST, sent=5)
