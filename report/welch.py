"""The arithmetic of two independent runs, pure: Welch's interval and Holm's correction.

Two runs share no block, so nothing can be paired: `report.stats.paired_ratio` is for one run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from report.stats import CLAIM_BLOCKS, CONFIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRatio:
    """How many times a figure of one run lies in that of another."""

    #: Ratio of the geometric means of the blocks.
    value: float
    #: 95 % interval from `CLAIM_BLOCKS` blocks in each run on; below, what the extremes allow.
    low: float
    high: float
    blocks_a: int
    blocks_b: int
    #: Probability of a ratio at least so far from 1 if the runs did the same; None without a claim.
    p_value: float | None

    @property
    def is_claim(self) -> bool:
        """Whether both runs have blocks enough for an interval."""
        return self.p_value is not None

    @property
    def smallest_difference(self) -> float | None:
        """The upper half of the interval as a share of the value; None without a claim."""
        return self.high / self.value - 1 if self.is_claim else None


def welch_ratio(a: Sequence[float], *, b: Sequence[float]) -> RunRatio | None:
    """Return how many times ``a`` lies in ``b``; None if one of them is empty.

    Both are one positive figure a block. On their logarithms: the difference of the means, with
    standard error √(s²a/na + s²b/nb) and Student's t at the degrees of freedom

        (s²a/na + s²b/nb)² ÷ ((s²a/na)²/(na-1) + (s²b/nb)²/(nb-1))

    so that neither equal variances nor equal counts are assumed (B. L. Welch, "The generalization
    of Student's problem when several different population variances are involved", Biometrika 34,
    1947; F. E. Satterthwaite, Biometrics Bulletin 2, 1946).

    Raises:
        ValueError: if a figure is not positive.
    """
    if not a or not b:
        return None
    logs_a, logs_b = [math.log(value) for value in a], [math.log(value) for value in b]
    middle = statistics.fmean(logs_b) - statistics.fmean(logs_a)
    low, high = min(logs_b) - max(logs_a), max(logs_b) - min(logs_a)
    p_value = None
    if min(len(a), len(b)) >= CLAIM_BLOCKS:
        low, high, p_value = _claim(logs_a, logs_b, middle=middle)
    return RunRatio(
        value=math.exp(middle),
        low=math.exp(low),
        high=math.exp(high),
        blocks_a=len(a),
        blocks_b=len(b),
        p_value=p_value,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for being so many, in their order.

    Below 0.05, the chance that even one of them errs stays below 5 %, however they depend on each
    other (S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6, 1979).
    """
    corrected = [1.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected


def _claim(
    logs_a: Sequence[float], logs_b: Sequence[float], *, middle: float
) -> tuple[float, float, float]:
    """Return the interval's ends and the p-value."""
    share_a = statistics.variance(logs_a) / len(logs_a)
    share_b = statistics.variance(logs_b) / len(logs_b)
    error = math.sqrt(share_a + share_b)
    if error == 0:
        return middle, middle, 0.0 if middle else 1.0
    # scaled by their sum first: the square of a tiny variance would be zero
    weight_a, weight_b = share_a / (share_a + share_b), share_b / (share_a + share_b)
    freedom = 1 / (weight_a**2 / (len(logs_a) - 1) + weight_b**2 / (len(logs_b) - 1))
    # what scipy.stats.t calls; importing scipy.stats takes longer than a report's figures
    reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return middle - reach, middle + reach, 2 * float(stdtr(freedom, -abs(middle) / error))
