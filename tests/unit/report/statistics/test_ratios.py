"""The arithmetic of a comparison, against known values and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from report.statistics.ratios import (
    Median,
    median_rank,
    paired_ratio,
    rounded,
    spread,
    unpaired_ratio,
)
from tests.entries import ratio_of
from tests.summaries import known

_positive = st.floats(min_value=0.01, max_value=1e6)


def test_a_median_comes_with_its_range() -> None:
    """The middle value lies between the smallest and the largest; no repetitions have none."""
    assert Median.of([3.0, 1.0, 2.0, 9.0]) == Median(median=2.5, low=1.0, high=9.0)
    assert Median.of([]) is None


@pytest.mark.parametrize("blocks", [5, 8, 9, 15, 40])
def test_ranks_enclose_the_median_as_often_as_they_say(blocks: int) -> None:
    """Exactly, by the binomial distribution: in 94 % of runs, and one rank further in not."""
    rank = median_rank(blocks)

    def coverage(rank: int) -> float:
        return 1 - 2 * float(scipy_stats.binom.cdf(rank - 1, blocks, 0.5))

    assert coverage(rank) >= 0.9375 > coverage(rank + 1)
    assert [median_rank(few) for few in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_ratio_is_the_geometric_mean_of_the_blocks() -> None:
    """2 × in one block and 8 × in another make 4 ×."""
    assert ratio_of(2.0, 8.0).value == pytest.approx(4.0)


@pytest.mark.parametrize("ratios", [(1.9, 2.0, 2.1, 1.95, 2.2), (1.01, 1.04, 0.99, 1.05, 1.02)])
def test_interval_and_p_value_are_students_on_the_logarithms(ratios: tuple[float, ...]) -> None:
    """From five blocks on they are what scipy's t-test says, and of one mind."""
    expected = scipy_stats.ttest_1samp(np.log(ratios), 0)

    found = ratio_of(*ratios)

    assert found.is_claim
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(
        tuple(expected.confidence_interval(0.95))
    )
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.inverse().p_value == pytest.approx(expected.pvalue)
    assert found.half_width == pytest.approx(found.high / found.value - 1)


@pytest.mark.parametrize("blocks", [5, 7, 10])
def test_interval_covers_the_truth_as_often_as_it_says(blocks: int) -> None:
    """The 95 % interval holds the true ratio in 95 of 100 runs, though blocks drift by half.

    2,000 runs know the share to ± 1 % (two standard deviations).
    """
    rng = np.random.default_rng(blocks)
    held = 0
    for _ in range(2_000):
        machine = np.exp(rng.uniform(-0.5, 0.5, blocks))
        ours = 2 * machine * np.exp(rng.normal(0, 0.05, blocks))
        theirs = machine * np.exp(rng.normal(0, 0.08, blocks))
        found = paired_ratio(dict(enumerate(ours)), theirs=dict(enumerate(theirs)))
        held += found is not None and found.low <= 2 <= found.high

    assert 0.935 <= held / 2_000 <= 0.965


@pytest.mark.parametrize(("ours", "theirs"), [(5, 5), (5, 10), (7, 7), (10, 10)])
def test_interval_of_two_runs_covers_the_truth(ours: int, theirs: int) -> None:
    """Welch's interval too, at unlike spreads: 95 of 100, and never much less.

    At five and five it is known to be a little wide.
    """
    rng = np.random.default_rng(ours)
    held = 0
    for _ in range(2_000):
        found = unpaired_ratio(
            np.exp(rng.normal(math.log(3), 0.2, ours)).tolist(),
            theirs=np.exp(rng.normal(0, 0.05, theirs)).tolist(),
        )
        held += found is not None and found.low <= 3 <= found.high

    assert 0.935 <= held / 2_000 <= 0.98


def test_interval_of_two_runs_is_welchs() -> None:
    """What scipy says of the logarithms, p-value and interval."""
    ours, theirs = [3.1, 2.9, 3.3, 3.0, 3.6], [1.0, 1.02, 0.97, 1.01, 1.05, 0.99]
    expected = scipy_stats.ttest_ind(np.log(ours), np.log(theirs), equal_var=False)
    low, high = expected.confidence_interval(0.95)

    found = known(unpaired_ratio(ours, theirs=theirs))

    assert (math.log(found.low), math.log(found.high)) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.blocks == 5


def test_two_runs_without_spread_have_an_interval_of_one_point() -> None:
    """Equal figures make no division by nothing."""
    found = known(unpaired_ratio([2.0] * 5, theirs=[1.0] * 5))

    assert (found.low, found.value, found.high) == pytest.approx((2, 2, 2))
    assert found.p_value == 0


def test_too_few_blocks_have_a_range_and_claim_nothing() -> None:
    """Every pair of figures lies in it, of one run and of two."""
    paired, unpaired = ratio_of(3.0, 2.0, 4.0, 2.5), unpaired_ratio([2.0, 4.0], theirs=[1.0] * 5)

    for found in (paired, known(unpaired)):
        assert (found.low, found.high) == pytest.approx((2.0, 4.0))
        assert not found.is_claim
        assert found.p_value is None
        assert found.half_width is None
    assert unpaired_ratio([], theirs=[1.0]) is None


def test_only_blocks_that_both_have_are_compared() -> None:
    """A block that one of the two lost is in neither side, and without a common one is no ratio."""
    found = known(paired_ratio({0: 2.0, 1: 100.0}, theirs={0: 1.0, 2: 50.0}))

    assert found.blocks == 1
    assert found.value == pytest.approx(2.0)
    assert paired_ratio({0: 2.0}, theirs={1: 1.0}) is None


@given(st.lists(st.tuples(_positive, _positive), min_size=1, max_size=9))
def test_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    """A against B says what B against A says, at any number of blocks."""
    ours = {block: pair[0] for block, pair in enumerate(pairs)}
    theirs = {block: pair[1] for block, pair in enumerate(pairs)}

    found = known(paired_ratio(ours, theirs=theirs))
    other = known(paired_ratio(theirs, theirs=ours))

    assert found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert (1 / other.value, 1 / other.high) == pytest.approx((found.value, found.low))


def test_spread_is_the_relative_standard_deviation() -> None:
    """One value has none; equal values have 0; others what numpy says."""
    values = [10.0, 12.0, 9.0]

    assert spread([1.0]) is None
    assert spread([5.0, 5.0]) == 0
    assert spread(values) == pytest.approx(np.std(values, ddof=1) / np.mean(values))


def test_rounding_reaches_every_float_and_nothing_else() -> None:
    """Six significant digits, in any depth; whole numbers, text and null stay; JSON has no NaN."""
    value = {"a": [1.23456789, {"b": 123456.789}], "n": 10**18 + 1, "t": "x", "no": None}
    digits = {"a": [1.23457, {"b": 123457.0}], "n": 10**18 + 1, "t": "x", "no": None}

    assert rounded(value) == digits
    assert rounded([math.nan, math.inf, -math.inf]) == [None] * 3
