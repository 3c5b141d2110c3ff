"""Reasons: each is told once, with whose it is and in which repetitions."""

from __future__ import annotations

from typing import Any

from report.rows.reasons import of_repetitions, tell


def row(contender: str, **told: Any) -> dict[str, Any]:
    """Return what a row tells of itself; nothing is wrong with it."""
    nothing: dict[str, Any] = {"mark": "~", "reasons": [], "limits": [], "blocking": None}
    found = nothing | {"contender": contender} | told
    count = len(found["reasons"])
    return {"reason_marks": ["~"] * count, "remedies": [""] * count, **found}


def test_one_reason_of_many_is_one_line() -> None:
    """Each contender with its own repetitions, the word for them once."""
    rows = [
        row("threads-4", reasons=[of_repetitions([2, 3], reason="others had the CPU")]),
        row("gevent-4", reasons=[of_repetitions([1], reason="others had the CPU")]),
        row("solo"),
    ]

    (one,) = tell(rows)

    assert (one.mark, one.text) == ("~", "others had the CPU")
    assert one.who == "threads-4 in repetitions 2 and 3; gevent-4 in 1"


def test_what_all_have_is_of_all() -> None:
    """Nobody reads a list of everybody; one row alone is named."""
    few = {"reasons": ["too few"]}

    assert [one.who for one in tell([row("a", **few), row("b", **few)])] == ["all"]
    assert [one.who for one in tell([row("a", **few)])] == ["a"]


def test_a_remedy_stands_at_its_first_reason() -> None:
    """What helps against two of them is said once."""
    rows = [row("a", reasons=["wobbles", "drifts"], remedies=["quieten it", "quieten it"])]

    assert [one.remedy for one in tell(rows)] == ["quieten it", ""]


def test_limits_and_loops_are_told_too() -> None:
    """After the reasons of their row, without a mark of its own."""
    found = tell([row("a", limits=["near the ceiling"], blocking={"text": "held the loop"})])

    assert [one.text for one in found] == ["near the ceiling", "held the loop"]
    assert found[1].mark == ""


def test_marks_keep_equal_reasons_apart() -> None:
    """A reason that makes one row invalid and another unstable is two lines."""
    rows = [row("a", reasons=["odd"]), row("b", reasons=["odd"], reason_marks=["!"])]

    assert [(one.mark, one.who) for one in tell(rows)] == [("~", "a"), ("!", "b")]
