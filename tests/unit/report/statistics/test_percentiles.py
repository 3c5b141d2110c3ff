"""Percentiles to p99.9: nearest rank of raw values, and none where values are too few."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.metrics import percentiles as of_collector
from report.statistics.percentiles import PER_MILLE, Tail, percentiles, values_needed


@pytest.mark.parametrize(
    ("name", "needed"), [("p50", 5), ("p90", 29), ("p95", 59), ("p99", 299), ("p99_9", 2_995)]
)
def test_a_percentile_takes_values_enough(name: str, needed: int) -> None:
    """One value less and it is null: the numbers that method.md names."""
    assert values_needed(PER_MILLE[name]) == needed
    few, enough = (pl.Series(range(count), dtype=pl.Int64) for count in (needed - 1, needed))
    assert getattr(percentiles(few), name) is None
    assert getattr(percentiles(enough), name) is not None


@given(st.lists(st.integers(min_value=0, max_value=10**12), max_size=4_000))
def test_a_percentile_is_a_value_that_enough_do_not_exceed(values: list[int]) -> None:
    """It occurred; p % of all are no larger, and fewer than that are smaller."""
    for name, found in asdict(percentiles(pl.Series(values, dtype=pl.Int64))).items():
        if found is None:
            continue
        share = PER_MILLE[name] / 1_000
        assert found in values
        assert sum(value <= found for value in values) >= share * len(values) - 1e-9
        assert sum(value < found for value in values) < share * len(values)


def test_it_agrees_with_the_collectors_definition() -> None:
    """One definition in the whole project."""
    values = pl.Series(np.random.default_rng(1).lognormal(10, 1, 5_000).astype(np.int64))

    found, theirs = percentiles(values), of_collector(values)

    assert theirs is not None
    expected = (theirs.p50 * 1e9, theirs.p95 * 1e9, theirs.p99 * 1e9)
    assert (found.p50, found.p95, found.p99) == pytest.approx(expected)


def test_nulls_are_no_values() -> None:
    """A job that never started has no wait."""
    assert percentiles(pl.Series([None, 1, 2, 3, 4, 5])).p50 == 3
    assert percentiles(pl.Series([], dtype=pl.Int64)) == Tail()
