"""Histogram of the producer's lag, for jobs that arrive at a rate. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import polars as pl

#: Ends of the bins in the first decade, as multiples of `_FIRST_END_S`.
_ENDS = (1.0, 2.0, 5.0)

#: End of the first bin, seconds: reading the clock takes about as long.
_FIRST_END_S = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class LagBin:
    """The number of jobs with a lag between two bounds, seconds."""

    from_s: float
    to_s: float
    jobs: int


def lag_histogram(lags_ns: pl.Series) -> tuple[LagBin, ...]:
    """Return the number of jobs by lag, in bins from 0 to the largest lag; some may be empty.

    Bins end at 10, 20, 50, 100 µs and so on. An end belongs to its bin.
    """
    lags_s = (lags_ns.drop_nulls() / 1e9).clip(lower_bound=0.0)
    largest_s = lags_s.max()
    if not isinstance(largest_s, float):
        return ()
    ends_s = [0.0]
    while ends_s[-1] < largest_s or len(ends_s) == 1:
        decade, place = divmod(len(ends_s) - 1, len(_ENDS))
        # convert through text, because 1e-5 · 10 is not 1e-4
        ends_s.append(float(f"{_FIRST_END_S * 10**decade * _ENDS[place]:.1e}"))
    # index of each lag's bin; "left" puts an end into its bin
    places = pl.Series(ends_s[1:-1], dtype=pl.Float64).search_sorted(lags_s, side="left")
    counts = dict(places.value_counts().iter_rows())
    return tuple(
        LagBin(from_s=low, to_s=high, jobs=counts.get(at, 0))
        for at, (low, high) in enumerate(itertools.pairwise(ends_s))
    )
