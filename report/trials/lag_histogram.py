"""How late jobs were sent that came at a rate."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import polars as pl

#: A lag's bins end at these, seconds, and go on by tens: as many bins as a decade needs to be read.
_ENDS = (1.0, 2.0, 5.0)

#: No lag is shown finer, seconds: the clock's calls alone take about as long.
_FIRST_END_S = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class LagBin:
    """How many jobs were sent so late, seconds."""

    from_s: float
    to_s: float
    jobs: int


def lag_histogram(lags_ns: pl.Series) -> tuple[LagBin, ...]:
    """Return how late jobs were sent, in bins.

    Bins end at 10, 20, 50, 100 µs and so on; a lag at an end lies below it. There are as many as
    it takes from the first to the largest lag, empty ones between them too.
    """
    lags_s = (lags_ns.drop_nulls() / 1e9).clip(lower_bound=0.0)
    largest_s = lags_s.max()
    if not isinstance(largest_s, float):
        return ()
    ends_s = [0.0]
    while ends_s[-1] < largest_s or len(ends_s) == 1:
        decade, place = divmod(len(ends_s) - 1, len(_ENDS))
        # by way of its text, since 1e-5 · 10 is not 1e-4
        ends_s.append(float(f"{_FIRST_END_S * 10**decade * _ENDS[place]:.1e}"))
    # the place of a lag's bin: one at an end lies below it
    places = pl.Series(ends_s[1:-1], dtype=pl.Float64).search_sorted(lags_s, side="left")
    counts = dict(places.value_counts().iter_rows())
    return tuple(
        LagBin(from_s=low, to_s=high, jobs=counts.get(at, 0))
        for at, (low, high) in enumerate(itertools.pairwise(ends_s))
    )
