"""Searches for the sustained rate: brackets it, then halves the bracket. Pure.

After each rate, the search records whether the contender sustained it, and returns the next. It
ends when the highest sustained rate and the lowest missed rate are within `RESOLUTION` of each
other. It never tries a rate above a missed one: noise can make such a rate appear sustained, and
the search would not end.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from report.trials.slo import RESOLUTION

#: Start of a search as a share of the pilot's rate. It is below 1 because a pilot measures
#: capacity, and at capacity latencies have no bound.
START_SHARE = 0.9

#: First factor of the bracket, for a start from a pilot and for one from an earlier block. It is
#: squared at each further step in the same direction, so that a wrong start costs few steps.
UNKNOWN_FACTOR = 1.25
KNOWN_FACTOR = 1.10

#: Most steps. A search takes 5 to 7 if the pilot is correct within a fifth; 12 suffice for a start
#: that is 28 times too low or too high.
MAX_STEPS = 12

#: Longest time of sending in all steps of a search together, as a multiple of ``trial_s``.
MAX_TRIALS = 20.0

#: Lowest rate that is tried, jobs a second: at lower rates a step would have too few jobs.
LEAST_PER_S = 0.1


@dataclass(slots=True, kw_only=True)
class Search:
    """The state of a search."""

    #: First rate, jobs a second, above 0.
    start_per_s: float
    #: Factor of the next step in the same direction.
    factor: float = UNKNOWN_FACTOR
    #: Highest rate to try, jobs a second: what the producer can send.
    most_per_s: float = math.inf
    #: The highest sustained and the lowest missed rate, jobs a second; None until there is one.
    sustained_per_s: float | None = None
    missed_per_s: float | None = None
    steps: int = 0
    #: How long it may still send jobs, seconds.
    left_s: float = math.inf

    @property
    def is_over(self) -> bool:
        """Return whether the rate is found, a limit is reached, or no time is left."""
        return (
            self.is_resolved
            or self.steps >= MAX_STEPS
            or self.left_s <= 0
            or (self.sustained_per_s is not None and self.sustained_per_s >= self.most_per_s)
            or (self.missed_per_s is not None and self.missed_per_s <= LEAST_PER_S)
        )

    @property
    def is_resolved(self) -> bool:
        """Return whether the bracket is narrow enough."""
        sustained, missed = self.sustained_per_s, self.missed_per_s
        if sustained is None or missed is None:
            return False
        return missed <= sustained * (1 + RESOLUTION)

    def next_per_s(self) -> float:
        """Return the rate to try next, jobs a second."""
        sustained, missed = self.sustained_per_s, self.missed_per_s
        if sustained is not None and missed is not None:
            # the middle of the ratio, since rates are compared by ratios
            return math.sqrt(sustained * missed)
        if sustained is not None:
            return min(self.most_per_s, sustained * self.factor)
        if missed is not None:
            return max(LEAST_PER_S, missed / self.factor)
        return min(self.most_per_s, max(LEAST_PER_S, self.start_per_s))

    def record(self, rate_per_s: float, *, is_sustained: bool, spent_s: float) -> None:
        """Record whether a rate was sustained, and how long jobs were sent, seconds."""
        before = self.sustained_per_s if is_sustained else self.missed_per_s
        if is_sustained:
            self.sustained_per_s = max(rate_per_s, self.sustained_per_s or 0.0)
        else:
            self.missed_per_s = min(rate_per_s, self.missed_per_s or math.inf)
        is_one_sided = self.sustained_per_s is None or self.missed_per_s is None
        if is_one_sided and before is not None:
            self.factor **= 2
        self.steps += 1
        self.left_s -= spent_s


def begin_search(
    *,
    pilot_per_s: float,
    earlier_per_s: float | None,
    most_per_s: float,
    trial_s: float,
    seed: str,
) -> Search:
    """Return a search that starts at the rate of an earlier block, or below the pilot's.

    The start is shifted at random, from the seed, by at most half of `RESOLUTION` in either
    direction. Searches with the same start would try the same rates and end at the same one, so
    that repetitions would agree more closely than their precision.

    Args:
        pilot_per_s: rate of the pilot, jobs a second.
        earlier_per_s: result of earlier blocks; None in the first.
        most_per_s: highest rate to try.
        trial_s: duration of a trial in the experiment.
        seed: that of the run, with the block, the workload and the contender.
    """
    start_per_s = earlier_per_s or START_SHARE * pilot_per_s
    shift = random.Random(f"search {seed}").uniform(-0.5, 0.5)
    return Search(
        start_per_s=start_per_s * (1 + RESOLUTION) ** shift,
        factor=KNOWN_FACTOR if earlier_per_s else UNKNOWN_FACTOR,
        most_per_s=most_per_s,
        left_s=MAX_TRIALS * trial_s,
    )
