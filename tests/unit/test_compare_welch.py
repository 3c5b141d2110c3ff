"""The arithmetic of two independent runs, against scipy and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from report.stats import CLAIM_BLOCKS
from report.welch import holm, welch_ratio

_figures = st.lists(st.floats(min_value=0.1, max_value=1e6), min_size=2, max_size=12)

A = [100.0, 104.0, 97.0, 101.0, 99.0]
B = [88.0, 91.0, 95.0, 90.0, 97.0, 86.0, 92.0]


def test_the_ratio_is_that_of_the_geometric_means() -> None:
    """2 and 8 against 1 and 1 make 4 ×."""
    found = welch_ratio([1.0, 1.0], b=[2.0, 8.0])

    assert found is not None
    assert found.value == pytest.approx(4.0)


def test_the_interval_is_welchs_on_the_logarithms() -> None:
    """Ends and p-value are scipy's, with unequal counts and unequal variances."""
    expected = scipy_stats.ttest_ind(np.log(B), np.log(A), equal_var=False)
    ends = expected.confidence_interval(0.95)

    found = welch_ratio(A, b=B)

    assert found is not None
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((ends.low, ends.high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.blocks_a, found.blocks_b) == (5, 7)


@pytest.mark.parametrize("count", [CLAIM_BLOCKS, 7, 10])
def test_the_interval_covers_the_truth_in_95_of_100_runs(count: int) -> None:
    """Simulated runs of log-normal noise, B three times as noisy as A and 0.9 × as fast.

    Of 2,000 pairs of runs 1,900 are due, with a standard deviation of 10: the bounds are four of
    them, and Welch's approximation errs to the safe side.
    """
    rng = np.random.default_rng(count)
    runs = 2_000
    a = np.exp(rng.normal(0.0, 0.02, (runs, count))) * 100.0
    b = np.exp(rng.normal(0.0, 0.06, (runs, count))) * 90.0

    found = [welch_ratio(list(mine), b=list(theirs)) for mine, theirs in zip(a, b, strict=True)]

    covered = sum(one is not None and one.low <= 0.9 <= one.high for one in found)
    assert 1_860 <= covered <= 1_950


def test_under_five_blocks_nothing_is_claimed() -> None:
    """What stands for an interval is what the extremes allow: 90 ÷ 110 to 100 ÷ 100."""
    found = welch_ratio([100.0, 110.0], b=[*B, 100.0])

    assert found is not None
    assert not found.is_claim
    assert (found.p_value, found.smallest_difference) == (None, None)
    assert (found.low, found.high) == pytest.approx((86.0 / 110.0, 100.0 / 100.0))


def test_without_a_figure_there_is_no_ratio() -> None:
    """Nothing on either side is nothing to compare."""
    assert welch_ratio([], b=B) is None
    assert welch_ratio(A, b=[]) is None


def test_figures_that_never_vary_are_a_point() -> None:
    """Memory to the byte the same: no width, and a difference is certain."""
    same = welch_ratio([7.0] * 5, b=[7.0] * 5)
    more = welch_ratio([7.0] * 5, b=[14.0] * 5)

    assert same is not None
    assert more is not None
    assert (same.low, same.high, same.p_value) == (1.0, 1.0, 1.0)
    assert (more.low, more.high) == pytest.approx((2.0, 2.0))
    assert more.p_value == 0.0


@given(a=_figures, b=_figures)
def test_the_other_way_round_is_the_inverse(a: list[float], b: list[float]) -> None:
    """B ÷ A and A ÷ B say the same, and the value lies in its interval."""
    there, back = welch_ratio(a, b=b), welch_ratio(b, b=a)

    assert there is not None
    assert back is not None
    assert there.value * back.value == pytest.approx(1.0)
    assert there.low * back.high == pytest.approx(1.0)
    assert there.p_value == (pytest.approx(back.p_value) if back.is_claim else None)
    assert there.low <= there.value * (1 + 1e-9)
    assert there.value <= there.high * (1 + 1e-9)


@given(a=_figures, b=_figures, unit=st.floats(min_value=1e-3, max_value=1e3))
def test_units_change_no_ratio(a: list[float], b: list[float], unit: float) -> None:
    """Milliseconds or seconds: the same ratio with the same interval."""
    plain = welch_ratio(a, b=b)
    scaled = welch_ratio([value * unit for value in a], b=[value * unit for value in b])

    assert plain is not None
    assert scaled is not None
    assert (scaled.low, scaled.value, scaled.high) == pytest.approx(
        (plain.low, plain.value, plain.high), rel=1e-6
    )


def test_holm_multiplies_the_smallest_by_their_count() -> None:
    """0.01, 0.04 and 0.03 of three: 0.03, then 0.06, and never less than the one before."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=20))
def test_holm_keeps_the_order_and_lies_below_bonferroni(p_values: list[float]) -> None:
    """No value shrinks, none exceeds Bonferroni's or 1, and a smaller one stays smaller."""
    corrected = holm(p_values)

    for before, after in zip(p_values, corrected, strict=True):
        assert before <= after <= min(1.0, len(p_values) * before) + 1e-12
    in_order = [one for _, one in sorted(zip(p_values, corrected, strict=True))]
    assert in_order == sorted(in_order)
