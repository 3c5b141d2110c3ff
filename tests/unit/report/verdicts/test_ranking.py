"""Who leads among the contenders of a workload."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.rows.comparable import Entry
from report.verdicts.ranking import rank
from tests.entries import entry
from tests.summaries import known


@pytest.mark.parametrize(
    ("entries", "order", "baseline"),
    [
        ([entry("a", 1.0), entry("c", 3.0), entry("b", 2.0)], "cba", "a"),
        # equals by name, whatever the order of the input
        ([entry("b", 2.0), entry("a", 2.0)], "ab", "b"),
        # a lucky block that the others lost gives no lead
        ([entry("a", 10.0, 99.0), entry("b", 11.0)], "ba", "a"),
        ([entry("a", 1.0), entry("solo", 2.0), entry("b", 4.0)], ["b", "solo", "a"], "solo"),
    ],
    ids=["best-first", "equals", "common-blocks", "solo"],
)
def test_the_best_of_common_blocks_is_first(
    entries: list[Entry], order: Sequence[str], baseline: str
) -> None:
    """The baseline is solo, wherever it comes; without it the first."""
    found = rank(entries)

    assert [one.contender for one in found.entries] == [*order]
    assert found.best is found.entries[0]
    assert known(found.baseline).contender == baseline
    ours, theirs = (known(one).per_s[0] for one in (found.best, found.baseline))
    assert found.to_baseline[order[0]].value == pytest.approx(ours / theirs)


def test_the_invalid_and_the_empty_are_left_out() -> None:
    """They are named, and compared with nobody."""
    found = rank([entry("a", 9.0, mark="!"), entry("b"), entry("c", 1.0), entry("d", 2.0)])

    assert [one.contender for one in found.excluded] == ["a", "b"]
    assert set(found.best_to) == {"c"}


def test_nobody_to_rank() -> None:
    """No entry, no leader, no ratio, no claim."""
    found = rank([])

    assert (found.best, found.baseline, found.ratio) == (None, None, None)
    assert not found.is_claim


def test_ties_are_those_the_best_can_not_be_told_from() -> None:
    """Interlaced blocks tie; a clear distance does not."""
    found = rank(
        [
            entry("prefork", 100.0, 101.0, 99.0, 100.0, 102.0),
            entry("threads", 101.0, 100.0, 100.0, 99.0, 101.0),
            entry("solo", 50.0, 51.0, 49.0, 50.0, 50.0),
        ]
    )

    assert [one.contender for one in found.ties] == ["threads"]


@given(
    st.lists(
        st.lists(st.floats(min_value=0.1, max_value=1e4), min_size=3, max_size=3),
        min_size=2,
        max_size=6,
    )
)
def test_the_best_never_does_less_than_another(figures: list[list[float]]) -> None:
    """Pair by pair the best one's ratio is at least one."""
    found = rank([entry(f"c{index}", *per_s) for index, per_s in enumerate(figures)])

    assert all(ratio.value >= 1 - 1e-9 for ratio in found.best_to.values())
