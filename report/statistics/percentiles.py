"""Percentiles of raw values up to p99.9, each only if there are enough values. Pure.

A percentile is the nearest rank, as `collector.metrics` defines it: the value at rank
ceil(p·n / 100) of n. It is always a measured value, never interpolated or averaged.

If n is small, even the largest value may be below the true percentile. It exceeds the p-th
percentile with probability 1 - (p/100)^n (S. S. Wilks, Annals of Mathematical Statistics 12,
1941). A percentile is given if this probability is at least 95 %: p50 needs 5 values, p90 29,
p95 59, p99 299, p99.9 2,995.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from collector.metrics import rank
from report.statistics.ratios import CONFIDENCE

#: The percentiles that are shown, by name, in thousandths.
PER_MILLE: Mapping[str, int] = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Percentiles, each None if there are too few values for it."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None


def values_needed(per_mille: int) -> int:
    """Return the number of values that a percentile needs."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(per_mille / 1_000))


def percentiles(values: pl.Series, *, unit: float = 1.0) -> Tail:
    """Return the percentiles of `PER_MILLE`, divided by ``unit``; nulls are ignored.

    A percentile is None if there are fewer values than `values_needed`. For several trials, pass
    all their values together: percentiles can't be averaged.
    """
    ordered = values.drop_nulls().sort()
    count = len(ordered)
    return Tail(
        **{
            name: float(ordered[rank(per_mille, count=count) - 1]) / unit
            for name, per_mille in PER_MILLE.items()
            if count >= values_needed(per_mille)
        }
    )
