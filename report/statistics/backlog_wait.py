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


def per_place(ratio: Ratio, *, a: Backlog, b: Backlog, percentile: str) -> Ratio | None:
    """Return a ratio of waits, B ÷ A, as one of waits for the same place in the queue.

    Its interval is as much wider as slots may finish together. None if a place is the first turn's.
    """
    if a == b:
        return ratio
    rank_a, rank_b = (math.ceil(_SHARES[percentile] * one.jobs) for one in (a, b))
    first_a, first_b = rank_a - 1 - a.slots, rank_b - 1 - b.slots
    if min(first_a, first_b) <= 0:
        return None
    return replace(
        ratio,
        value=ratio.value * (rank_a - a.slots) / (rank_b - b.slots),
        low=ratio.low * first_a / (rank_b - 1),
        high=ratio.high * (rank_a - 1) / first_b,
    )
