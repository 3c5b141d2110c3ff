"""A trial whose jobs came at a rate: which rate, and whether it was sustained."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from collector.reasons import Reason
from collector.run_manifest import PlannedTrial
from report.trials.slo import RateVerdict, by_job, judge_rate, late_reason

#: A lag's bins end at these, seconds, and go on by tens: as many bins as a decade needs to be read.
_ENDS = (1.0, 2.0, 5.0)

#: No lag is told finer, seconds: the clock's calls alone take about as long.
_FIRST_END_S = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class LagBin:
    """How many jobs were sent so late, seconds."""

    from_s: float
    to_s: float
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLoad:
    """The rate at which a trial's jobs came, and whether its contender sustained it."""

    #: ``rate``, ``sustain`` or ``curve``.
    measure: str
    #: Which step of a search it is, from 0; None elsewhere.
    step: int | None
    #: Of a point of a curve: its rate as a share of the sustained one.
    share: float | None
    #: Mean rate at which its jobs came, jobs a second.
    rate_per_s: float
    verdict: RateVerdict
    #: Why its jobs were sent too late to judge the contender by; None if they were not.
    late: Reason | None


def measure_load(
    plan: PlannedTrial, *, records: pl.DataFrame, slo: Mapping[str, float]
) -> TrialLoad | None:
    """Return what a trial's records tell of its load; None for a backlog."""
    if plan.arrivals == "burst":
        return None
    found = by_job(records)
    return TrialLoad(
        measure=plan.measure,
        step=plan.step,
        share=plan.load_share,
        rate_per_s=plan.rate_per_s,
        verdict=judge_rate(found, jobs=plan.count, slots=plan.slots, slo=slo),
        late=late_reason(found),
    )


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


def sustains_all(loads: Sequence[TrialLoad]) -> bool | None:
    """Return whether a rate was sustained in each of some trials; None of none."""
    return all(load.verdict.is_sustained for load in loads) if loads else None
