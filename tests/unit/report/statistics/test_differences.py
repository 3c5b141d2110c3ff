"""Intervals of medians and slopes: what is known in advance comes out."""

from __future__ import annotations

import random

import pytest

from report.statistics.differences import Change, slope
from tests.summaries import known


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([3, 1, 2], 1, 3), ([5, 1, 2, 3, 4], 1, 5), (range(6), 0, 5), (range(9), 1, 7)],
)
def test_the_interval_of_a_median_ends_at_ranked_values(
    values: list[float], low: float, high: float
) -> None:
    """Up to eight values it is their range; of nine, the sign test leaves one out at each end."""
    found = known(Change.of(values))

    assert (found.low, found.high) == (low, high)
    assert found.is_claim is (len(values) >= 5)


def test_the_interval_contains_the_median_as_often_as_it_says() -> None:
    """Of 2,000 samples of 12 from a skewed distribution, in 95 % or more."""
    draw = random.Random(7).expovariate
    found = [known(Change.of([draw(1) - 0.6931 for _ in range(12)])) for _ in range(2_000)]

    assert sum(one.has_sign for one in found) <= 0.05 * 2_000 * 1.2


def test_outliers_do_not_move_a_slope() -> None:
    """Two of eleven points are far off the line; equal ``x`` have none."""
    across = [10.0 + 3 * x for x in range(11)]
    across[2], across[9] = 900.0, -900.0

    assert slope(range(11), y=across) == pytest.approx(3.0)
    assert slope([1, 1], y=[2, 3]) is None
