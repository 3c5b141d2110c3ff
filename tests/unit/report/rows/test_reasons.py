"""Reasons: each is shown once, with whose it is and in which repetitions."""

from __future__ import annotations

from dataclasses import replace

from collector.reasons import Code, Reason, Severity
from report.rows.reasons import by_repetition, share_reasons

FOREIGN = Reason.of(Code.FOREIGN_CPU, bound=0.1)


def test_a_reason_of_several_repetitions_is_one() -> None:
    """Counted from 1, and each once though several trials of a block have it."""
    one, two = (Reason.of(Code.JOBS_LOST, lost=lost, sent=40) for lost in (1, 2))

    found = by_repetition([(0, [one]), (2, [one, two]), (2, [one])])

    assert found == [replace(one, repetitions=(1, 3)), replace(two, repetitions=(3,))]


def test_one_reason_of_many_is_one_line() -> None:
    """Each contender with its own repetitions, the word for them once."""
    rows = [
        ("threads-4", [replace(FOREIGN, repetitions=(2, 3))]),
        ("gevent-4", [replace(FOREIGN, repetitions=(1,))]),
        ("solo", []),
    ]

    (one,) = share_reasons(rows)

    assert one.reason.code is Code.FOREIGN_CPU
    assert one.who == "threads-4 in repetitions 2 and 3; gevent-4 in 1"


def test_what_all_have_is_of_all() -> None:
    """Nobody reads a list of everybody; one row alone is named."""
    few: list[Reason] = [Reason.of(Code.TOO_FEW, have=3, needed=5)]

    assert [one.who for one in share_reasons([("a", few), ("b", few)])] == ["all"]
    assert [one.who for one in share_reasons([("a", few)])] == ["a"]


def test_a_remedy_stands_at_its_first_reason() -> None:
    """What helps against two of them is said once."""
    twice = [Reason.of(Code.JOBS_UNSENT, jobs=1), Reason.of(Code.JOBS_DUPLICATED, jobs=1)]

    found = share_reasons([("a", twice)])

    assert [one.remedy for one in found] == [twice[0].remedy, ""]


def test_severities_keep_equal_reasons_apart() -> None:
    """A reason that makes one row invalid and another unstable is two lines."""
    worse = replace(FOREIGN, severity=Severity.INVALID)

    found = share_reasons([("a", [FOREIGN]), ("b", [worse])])

    assert [(one.reason.severity, one.who) for one in found] == [("~", "a"), ("!", "b")]
