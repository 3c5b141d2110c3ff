"""The arithmetic of a comparison, pure: medians with ranges, and ratios of paired blocks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from scipy.special import stdtrit

#: With fewer blocks the range is printed and nothing is claimed: the range of three covers the
#: true median in 75 % of runs, that of five in 94 % (1 - 2^(1-n)).
CLAIM_BLOCKS = 5

#: Coverage of a claim's interval.
CONFIDENCE = 0.95

#: Standard deviation of the repetitions, as a share of their mean, above which a row is unstable.
#: pyperf warns that a benchmark "may be unstable" from the same 10 % on.
UNSTABLE_SPREAD = 0.10

#: Figures leave the report with so many significant digits: enough for any claim, and few enough
#: that the order of a sum can't show.
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The middle of some repetitions, with their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """Return the median of ``values`` with their range, or None if there are none."""
        if not values:
            return None
        return cls(median=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times one contender did what another did, over the blocks that both have."""

    #: Geometric mean of the blocks' ratios.
    value: float
    #: Interval around it: 95 % from `CLAIM_BLOCKS` blocks on, the blocks' range below.
    low: float
    high: float
    #: Blocks in which both were measured.
    blocks: int

    @property
    def is_claim(self) -> bool:
        """Whether there were blocks enough for an interval."""
        return self.blocks >= CLAIM_BLOCKS

    @property
    def is_more(self) -> bool:
        """Whether this is a claim, and its interval lies above 1."""
        return self.is_claim and self.low > 1

    @property
    def is_less(self) -> bool:
        """Whether this is a claim, and its interval lies below 1."""
        return self.is_claim and self.high < 1

    @property
    def is_no_difference(self) -> bool:
        """Whether this is a claim, and its interval includes 1."""
        return self.is_claim and self.low <= 1 <= self.high

    @property
    def smallest_difference(self) -> float | None:
        """The half-width of the interval as a share of the value: less would not have shown.

        None without a claim. The interval is symmetric in logarithms, so this is its upper half.
        """
        return self.high / self.value - 1 if self.is_claim else None

    def inverse(self) -> Ratio:
        """Return the same comparison the other way round."""
        return Ratio(value=1 / self.value, low=1 / self.high, high=1 / self.low, blocks=self.blocks)


def paired_ratio(ours: Mapping[int, float], *, theirs: Mapping[int, float]) -> Ratio | None:
    """Return how many times ``theirs`` lies in ``ours``, block by block; None without a pair.

    Both map a block to a positive figure. Each block's ratio is taken first, so that what drifts
    from block to block cancels. The value is their geometric mean (Fleming and Wallace, CACM
    29(3), 1986), the interval Student's t on their logarithms (Georges, Buytaert and Eeckhout,
    OOPSLA 2007, section 3.2). Below `CLAIM_BLOCKS` blocks the interval is their range.
    """
    blocks = sorted(set(ours) & set(theirs))
    logs = [
        math.log(ours[block] / theirs[block])
        for block in blocks
        if ours[block] > 0 and theirs[block] > 0
    ]
    if not logs:
        return None
    middle = statistics.fmean(logs)
    low, high = _claim(logs, middle=middle) if len(logs) >= CLAIM_BLOCKS else (min(logs), max(logs))
    return Ratio(value=math.exp(middle), low=math.exp(low), high=math.exp(high), blocks=len(logs))


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation as a share of the mean; None below two values."""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    return statistics.stdev(values) / mean if mean else None


def rounded(value: object) -> object:
    """Return ``value`` with every float in it cut to `SIGNIFICANT_DIGITS`, NaN and ∞ to None."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def _claim(logs: Sequence[float], *, middle: float) -> tuple[float, float]:
    standard_error = statistics.stdev(logs) / math.sqrt(len(logs))
    # what scipy.stats.t.ppf calls; importing scipy.stats takes longer than a report's figures
    reach = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2)) * standard_error
    return middle - reach, middle + reach
