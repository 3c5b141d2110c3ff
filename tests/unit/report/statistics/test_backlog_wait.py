"""A wait in a backlog is a place in the queue: what backlogs of two sizes explain."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.statistics.backlog_wait import Backlog, per_place
from report.statistics.ratios import Ratio, unpaired_ratio

_backlogs = st.builds(
    lambda slots, turns: Backlog(jobs=slots * turns + 3, slots=slots),
    st.integers(1, 100),
    st.integers(5, 40),
)

_ONE = Ratio(value=1.0, low=1.0, high=1.0, blocks=5)


def test_equal_backlogs_explain_nothing() -> None:
    """The ratio stays as it is."""
    ratio = unpaired_ratio([1.2, 1.1, 1.2, 1.3, 1.2], theirs=[1.0] * 5)
    backlog = Backlog(jobs=40, slots=4)

    assert ratio is not None
    assert per_place(ratio, a=backlog, b=backlog, percentile="p99") == ratio


@pytest.mark.parametrize("percentile", ["p50", "p95", "p99"])
@given(a=_backlogs, jobs=st.integers(3, 4_000))
def test_a_backlog_of_another_size_is_no_difference(percentile: str, a: Backlog, jobs: int) -> None:
    """Jobs of one second wait whole turns or one by one: either way the interval includes 1."""
    b = Backlog(jobs=jobs + 5 * a.slots, slots=a.slots)
    place = per_place(_ONE, a=a, b=b, percentile=percentile)
    share = {"p50": 0.50, "p95": 0.95, "p99": 0.99}[percentile]
    ranks = [math.ceil(share * backlog.jobs) for backlog in (a, b)]
    together = [(rank - 1) // a.slots for rank in ranks]
    one_by_one = [(rank - a.slots) / a.slots for rank in ranks]
    if place is None or not all(together):
        return

    for waits_s in (together, one_by_one):
        seen = waits_s[1] / waits_s[0]
        assert seen * place.low <= 1.0 + 1e-9
        assert seen * place.high >= 1.0 - 1e-9


def test_a_place_in_the_first_turn_is_none() -> None:
    """Fewer jobs before it than slots: such a wait is no place, and nothing is said."""
    tiny, other = Backlog(jobs=5, slots=4), Backlog(jobs=50, slots=4)

    assert per_place(_ONE, a=tiny, b=other, percentile="p50") is None
