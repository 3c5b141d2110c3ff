"""Arithmetic of changes: medians with intervals, and slopes. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from report.statistics.ratios import CLAIM_BLOCKS, median_rank

#: Most points of a slope; of more, evenly spread ones are used.
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The median of a change over the repetitions, in its own unit."""

    median: float
    #: Interval of the median; with fewer than `CLAIM_BLOCKS` repetitions, and with exactly as many,
    #: the range.
    low: float
    high: float
    blocks: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """Return the median with its interval; None without values.

        The interval ends at the values of `median_rank`, counted from both ends.
        """
        if not values:
            return None
        ordered, count = sorted(values), len(values)
        at = median_rank(count) - 1
        return cls(
            median=statistics.median(ordered),
            low=ordered[at],
            high=ordered[count - 1 - at],
            blocks=count,
        )

    @property
    def is_claim(self) -> bool:
        """Whether there are enough repetitions for a statistical claim."""
        return self.blocks >= CLAIM_BLOCKS

    @property
    def has_sign(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def slope(x: Sequence[float], *, y: Sequence[float]) -> float | None:
    """Return the slope of the line through points; None if all have the same ``x``.

    It is the median of the slopes between all pairs of points, which a few outliers don't move
    (P. K. Sen, Journal of the American Statistical Association 63, 1968).
    """
    step = max(1, math.ceil(len(x) / _MOST_POINTS))
    along, across = (np.asarray(side[::step], dtype=float) for side in (x, y))
    first, second = np.triu_indices(len(along), k=1)
    width = along[second] - along[first]
    is_wide = width != 0
    if not is_wide.any():
        return None
    return float(np.median((across[second] - across[first])[is_wide] / width[is_wide]))
