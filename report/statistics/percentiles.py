"""Percentiles of raw values up to p99.9, each only where there are values enough. Pure.

A percentile is the nearest rank, as `collector.metrics` defines it: the value at rank
ceil(p·n / 100) of n, so always one that occurred, and never interpolated or averaged.

Where n is small, the largest value of all may still lie below the true percentile, and printing it
would promise what nobody has seen. It exceeds the p-th percentile with probability
1 - (p/100)^n (S. S. Wilks, Annals of Mathematical Statistics 12, 1941). A percentile is shown from
the n on at which this is 95 %: p50 takes 5 values, p90 29, p95 59, p99 299, p99.9 2,995.
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
    """Percentiles, each None where there are too few values for it."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None


def values_needed(per_mille: int) -> int:
    """Return how many values a percentile takes."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(per_mille / 1_000))


def percentiles(values: pl.Series, *, unit: float = 1.0) -> Tail:
    """Return the percentiles of `PER_MILLE`, divided by ``unit``; nulls left out.

    None where there are fewer than `values_needed`. Those of several trials are taken from all
    their values together: percentiles have no average.
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
