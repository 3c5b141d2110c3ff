"""Critical values against scipy's, and against values that books print."""

from __future__ import annotations

import math

import pytest
from scipy.stats import studentized_range

from report.statistics.critical_values import of_comparisons, of_range


@pytest.mark.parametrize(("means", "freedom", "printed"), [(3, 10, 3.88), (10, 20, 5.01)])
def test_the_range_is_the_one_that_books_print(means: int, freedom: int, printed: float) -> None:
    """Upper 5 % points of the studentized range, as in every table of it."""
    assert math.sqrt(2) * of_range(means, freedom=freedom) == pytest.approx(printed, abs=0.006)


@pytest.mark.parametrize(("means", "freedom"), [(2, 2.2), (11, 1.6), (22, 7.3), (70, 60)])
def test_the_table_is_close_between_its_places(means: int, freedom: float) -> None:
    """Within 0.5 % of what scipy computes."""
    exact = studentized_range.ppf(0.95, means, freedom)
    assert math.sqrt(2) * of_range(means, freedom=freedom) == pytest.approx(exact, rel=0.005)


def test_one_comparison_is_students_t() -> None:
    """And so is the range of two."""
    assert of_comparisons(1, freedom=4) == pytest.approx(2.776, abs=0.001)
    assert of_range(2, freedom=4) == pytest.approx(2.776, abs=0.001)


def test_more_comparisons_take_more() -> None:
    """Each further one, and those beyond the table too."""
    several = [of_comparisons(count, freedom=8) for count in (1, 2, 9, 40)]
    ranges = [of_range(means, freedom=8) for means in (2, 3, 20, 100, 101)]

    assert several == sorted(set(several))
    assert ranges == sorted(set(ranges))
