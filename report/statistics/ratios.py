"""Arithmetic of comparisons: medians with ranges, and ratios with intervals. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from report.statistics import student_t

#: With fewer blocks, only the range is given, without a statistical claim: the range of three
#: blocks covers the true median in 75 % of runs, that of five in 94 % (1 - 2^(1-n)).
CLAIM_BLOCKS = 5

#: Coverage of a claim's interval.
CONFIDENCE = 0.95

#: Significant digits of the figures in a summary: enough for any claim, and few enough that the
#: order of additions doesn't change them.
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The median of some repetitions, with their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """Return the median of ``values`` with their range, or None if there are none."""
        if not values:
            return None
        return cls(median=statistics.median(values), low=min(values), high=max(values))


def median_rank(blocks: int) -> int:
    """Return k, so that the k-th smallest and the k-th largest of some values enclose their median.

    They enclose the true median with probability 1 - 2·P(X < k), X binomial with n = ``blocks`` and
    p = 1/2, whatever the distribution (W. R. Thompson, Annals of Mathematical Statistics 7, 1936).
    k is the largest with the coverage that the range of `CLAIM_BLOCKS` blocks has, 94 %; with fewer
    blocks it is 1, and the coverage is smaller.
    """
    most_outside, outside = 2.0 ** (1 - CLAIM_BLOCKS), 2.0 ** (1 - blocks)
    k = 1
    while (outside := outside + math.comb(blocks, k) * 2.0 ** (1 - blocks)) <= most_outside:
        k += 1
    return k


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ratio of one contender's figures to another's, over the blocks that both have."""

    #: Geometric mean of the blocks' ratios.
    value: float
    #: Interval around the value, of 95 % for all comparisons of its question at once; with fewer
    #: than `CLAIM_BLOCKS` the range.
    low: float
    high: float
    #: Number of blocks in which both were measured; for two runs, that of the shorter run.
    blocks: int
    #: Standard error of the ratio's logarithm, and its degrees of freedom; None without a claim.
    log_error: float | None = None
    freedom: float | None = None

    @property
    def is_claim(self) -> bool:
        """Whether there are enough blocks for a 95 % interval."""
        return self.blocks >= CLAIM_BLOCKS

    @property
    def half_width(self) -> float | None:
        """The larger half-width of the interval, as a share of the value; None without a claim."""
        return max(self.high / self.value, self.value / self.low) - 1 if self.is_claim else None

    @property
    def margin(self) -> float:
        """How many standard errors the logarithm is away from 0; 0 without a claim."""
        log = abs(math.log(self.value))
        return 0.0 if not log or self.log_error is None else log / (self.log_error or 1e-300)

    @property
    def p_value(self) -> float | None:
        """The p-value if both contenders were equal, by Student's t; None without a claim."""
        if self.log_error is None or self.freedom is None:
            return None
        if self.log_error == 0:
            return 1.0 if self.value == 1 else 0.0
        return 2 * student_t.cdf(-abs(math.log(self.value)) / self.log_error, freedom=self.freedom)

    def inverse(self) -> Ratio:
        """Return the ratio with both sides swapped."""
        return replace(self, value=1 / self.value, low=1 / self.high, high=1 / self.low)


def paired_ratio(ours: Mapping[int, float], *, theirs: Mapping[int, float]) -> Ratio | None:
    """Return the ratio ``ours`` ÷ ``theirs``, paired by block; None if they share no block.

    Both map a block to a positive figure. The ratio is computed within each block, so that drift
    from block to block cancels. The value is the geometric mean of these ratios (Fleming and
    Wallace, CACM 29(3), 1986), the interval is Student's t on their logarithms (Georges, Buytaert
    and Eeckhout, OOPSLA 2007, section 3.2). With fewer than `CLAIM_BLOCKS` blocks, the interval is
    their range.
    """
    blocks = sorted(set(ours) & set(theirs))
    logs = [
        math.log(ours[block] / theirs[block])
        for block in blocks
        if ours[block] > 0 and theirs[block] > 0
    ]
    if not logs:
        return None
    middle, count = statistics.fmean(logs), len(logs)
    if count < CLAIM_BLOCKS:
        low, high = math.exp(min(logs)), math.exp(max(logs))
        return Ratio(value=math.exp(middle), low=low, high=high, blocks=count)
    log_error = statistics.stdev(logs) / math.sqrt(count)
    return _claim(middle, log_error=log_error, freedom=count - 1, blocks=count)


def unpaired_ratio(ours: Sequence[float], *, theirs: Sequence[float]) -> Ratio | None:
    """Return the ratio ``ours`` ÷ ``theirs`` of two runs; None if a side has no positive figure.

    Two runs share no block, so drift between them does not cancel. The value is the ratio of the
    geometric means, the interval is Welch's on the logarithms, with degrees of freedom from both
    spreads (B. L. Welch, Biometrika 34, 1947). If a side has fewer than `CLAIM_BLOCKS` figures, the
    interval is the range of all pairs.
    """
    left, right = ([math.log(one) for one in side if one > 0] for side in (ours, theirs))
    if not left or not right:
        return None
    middle, blocks = statistics.fmean(left) - statistics.fmean(right), min(len(left), len(right))
    if blocks < CLAIM_BLOCKS:
        low, high = math.exp(min(left) - max(right)), math.exp(max(left) - min(right))
        return Ratio(value=math.exp(middle), low=low, high=high, blocks=blocks)
    parts = [statistics.variance(side) / len(side) for side in (left, right)]
    weights = [part**2 / (len(side) - 1) for part, side in zip(parts, (left, right), strict=True)]
    freedom = sum(parts) ** 2 / sum(weights) if sum(weights) else blocks - 1.0
    return _claim(middle, log_error=math.sqrt(sum(parts)), freedom=freedom, blocks=blocks)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation as a share of the mean; None with fewer than two values."""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    return statistics.stdev(values) / mean if mean else None


def rounded(value: object) -> object:
    """Return ``value`` with each float rounded to `SIGNIFICANT_DIGITS`; NaN and ∞ become None."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def _claim(middle: float, *, log_error: float, freedom: float, blocks: int) -> Ratio:
    reach = student_t.quantile((1 + CONFIDENCE) / 2, freedom=freedom) * log_error
    return Ratio(
        value=math.exp(middle),
        low=math.exp(middle - reach),
        high=math.exp(middle + reach),
        blocks=blocks,
        log_error=log_error,
        freedom=freedom,
    )
