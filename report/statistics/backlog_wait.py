"""Corrects a ratio of waits for the sizes of the two backlogs. Pure.

In a backlog, the wait of a job depends on its place in the queue. Of n jobs with k slots, the job
at rank r waits until r - k others have finished if the slots finish one by one. If they finish
together, it waits whole turns, and the count is between r - 1 - k and r - 1. A percentile doesn't
show which of the two happened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from report.statistics.ratios import Ratio

_SHARES: Mapping[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The numbers of jobs and slots, which determine a job's place in the queue."""

    jobs: int
    slots: int


def per_place(ratio: Ratio, *, a: Backlog, b: Backlog, percentile: str) -> Ratio | None:
    """Return the ratio of waits, B ÷ A, per place in the queue.

    The interval is widened, because slots may finish together. Returns None if a percentile's job
    may run in the first turn.
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
