"""Decides whether comparisons show more, less or no difference. Pure.

An interval that excludes 1 is not enough. Of twenty comparisons between equal contenders, one
excludes it by chance, so p-values are corrected for the number of comparisons. Two equal
contenders differ a little on any machine, so a difference within this noise floor is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from report.statistics import student_t
from report.statistics.ratios import CONFIDENCE, Ratio

#: Probability that a run finds a difference of the minimum detectable size.
POWER = 0.80

Key = TypeVar("Key")


class Finding(StrEnum):
    """The result of a comparison."""

    MORE = "more"
    LESS = "less"
    NO_DIFFERENCE = "no difference"
    TOO_FEW = "too few"


_OPPOSITE = {Finding.MORE: Finding.LESS, Finding.LESS: Finding.MORE}


class Why(StrEnum):
    """The reason why a comparison shows no difference."""

    NOTHING = ""
    TOO_FEW = "too few blocks for a claim"
    INTERVAL = "the interval includes 1"
    CORRECTION = "one of so many comparisons would show as much by chance"
    NOISE = "two equal contenders differ by as much here"
    UNASKED = "nobody was shown to differ from solo, and that is asked first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The result of a comparison, corrected for the other comparisons of its family."""

    finding: Finding
    why: Why
    #: Corrected by Holm for all comparisons together; None without a claim.
    p_value: float | None
    #: Minimum detectable difference of a run like this, as a share; None without a claim.
    detectable: float | None

    @property
    def is_difference(self) -> bool:
        """Whether the comparison shows a difference, in either direction."""
        return self.finding in (Finding.MORE, Finding.LESS)

    @property
    def is_no_difference(self) -> bool:
        """Whether there are enough blocks, and they show no difference."""
        return self.finding is Finding.NO_DIFFERENCE

    def inverse(self) -> Decision:
        """Return the decision with both sides swapped."""
        return replace(self, finding=_OPPOSITE.get(self.finding, self.finding))


def decide(ratios: Mapping[Key, Ratio], *, noise_floor: float = 0.0) -> dict[Key, Decision]:
    """Return the decision on each comparison of one family.

    A difference requires a p-value, corrected by `holm`, below 1 - `CONFIDENCE`, and a ratio
    beyond the noise floor.

    Args:
        ratios: all comparisons that are shown together, without the A/A control's.
        noise_floor: from `noise_floor_of`, as a share of 1; 0 if it is unknown.
    """
    claims = {key: ratio.p_value for key, ratio in ratios.items() if ratio.is_claim}
    adjusted = holm({key: p_value for key, p_value in claims.items() if p_value is not None})
    is_open = {key: p_value >= 1 - CONFIDENCE for key, p_value in adjusted.items()}
    still_open = sum(is_open.values())
    return {
        key: _decide(
            ratio,
            p_value=adjusted.get(key),
            noise_floor=noise_floor,
            # Holm stops at the first open one: a comparison competes with those left open
            comparisons=still_open + (not is_open.get(key, True)),
        )
        for key, ratio in ratios.items()
    }


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values corrected for their number, at most 1.

    The smallest of m is multiplied by m, the next by m - 1, and none is smaller than the one
    before it (S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979). The probability of any false difference among them is then
    below the level, however the comparisons depend on each other.
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, (key, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_value))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def noise_floor_of(equal_pair: Ratio) -> float | None:
    """Return the noise floor from an A/A control's ratio, as a share; None without a claim.

    It is the distance from 1 of the further end of the interval. The ratio itself may be close to
    1 by chance.
    """
    return max(equal_pair.high, 1 / equal_pair.low) - 1 if equal_pair.is_claim else None


def detectable_difference(
    ratio: Ratio, *, comparisons: int = 1, power: float = POWER
) -> float | None:
    """Return the minimum detectable difference of a comparison, as a share; None without a claim.

    0.08 means that a share `POWER` of runs with this number of blocks and this spread finds a true
    ratio of 1.08. The function solves the power of Student's test, by the noncentral t
    distribution, for the difference of the logarithms. With several ``comparisons``, the level is
    divided by their number, as in each step of Holm's correction.
    """
    if ratio.log_error is None or ratio.freedom is None:
        return None
    level = (1 - CONFIDENCE) / max(1, comparisons)
    bound = student_t.quantile(1 - level / 2, freedom=ratio.freedom)
    # the other tail is ignored: its probability is below 0.001 at this power
    return math.expm1(
        student_t.noncentrality(1 - power, freedom=ratio.freedom, value=bound) * ratio.log_error
    )


def _decide(
    ratio: Ratio, *, p_value: float | None, noise_floor: float, comparisons: int
) -> Decision:
    finding, why = Finding.NO_DIFFERENCE, Why.NOTHING
    if p_value is None:
        finding, why = Finding.TOO_FEW, Why.TOO_FEW
    elif ratio.is_no_difference:
        why = Why.INTERVAL
    elif p_value >= 1 - CONFIDENCE:
        why = Why.CORRECTION
    elif max(ratio.value, 1 / ratio.value) - 1 <= noise_floor:
        why = Why.NOISE
    else:
        finding = Finding.MORE if ratio.value > 1 else Finding.LESS
    found = detectable_difference(ratio, comparisons=comparisons)
    detectable = None if found is None else max(found, noise_floor)
    return Decision(finding=finding, why=why, p_value=p_value, detectable=detectable)
