"""Pure: how far two backlogs of different size explain that their jobs wait differently.

In a backlog a wait is a place in the queue. Of n jobs with k slots the one at rank r waits until
r - k others have finished, where the slots finish one by one; where they finish together it waits
whole turns, and the count lies between r - 1 - k and r - 1. Nothing in a percentile tells which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from report.statistics.ratios import Ratio

_SHARES: Mapping[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What decides upon a job's place."""

    jobs: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRatio:
    """How many times the place in backlog A that in backlog B is."""

    value: float
    #: What it may be, since slots may finish together.
    low: float
    high: float

    def take_from(self, ratio: Ratio) -> Ratio:
        """Return a ratio of waits as one of waits for the same place, as much wider as needed."""
        return replace(
            ratio,
            value=ratio.value / self.value,
            low=ratio.low / self.high,
            high=ratio.high / self.low,
        )


def place_ratio(a: Backlog, *, b: Backlog, percentile: str) -> PlaceRatio | None:
    """Return the ratio of the places at a percentile; None if a place is the first turn's."""
    if a == b:
        return PlaceRatio(value=1.0, low=1.0, high=1.0)
    rank_a, rank_b = (math.ceil(_SHARES[percentile] * one.jobs) for one in (a, b))
    first_a, first_b = rank_a - 1 - a.slots, rank_b - 1 - b.slots
    if min(first_a, first_b) <= 0:
        return None
    return PlaceRatio(
        value=(rank_b - b.slots) / (rank_a - a.slots),
        low=first_b / (rank_a - 1),
        high=(rank_b - 1) / first_a,
    )
