"""Detects drift from a row's first repetition to its last. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from report.statistics import student_t
from report.statistics.ratios import CLAIM_BLOCKS

#: Smallest change from the first block to the last that counts as drift, as a share.
DRIFT_BOUND = 0.10

#: Probability of a false alarm per row: a run has some thirty rows, and one false alarm in three
#: runs is acceptable. `DRIFT_BOUND` excludes most of them beforehand.
DRIFT_LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The straight line through the logarithms of a row's figures, block by block."""

    #: Change along the line from the first block to the last, as a share: 0.1 is 10 % more.
    change: float
    #: Probability that blocks without drift show a slope at least this large.
    p_value: float

    @property
    def is_drift(self) -> bool:
        """Whether the change is both large and significant."""
        return abs(self.change) > DRIFT_BOUND and self.p_value < DRIFT_LEVEL


def find_drift(per_block: Mapping[int, float]) -> Drift | None:
    """Return the trend of positive figures over their blocks; None with fewer than `CLAIM_BLOCKS`.

    The method is least squares on the logarithms, and Student's t on the slope with n - 2 degrees
    of freedom. A drift common to all contenders cancels in their ratios, but changes each row's
    own figure.
    """
    blocks = sorted(block for block, figure in per_block.items() if figure > 0)
    if len(blocks) < CLAIM_BLOCKS:
        return None
    logs = [math.log(per_block[block]) for block in blocks]
    line = statistics.linear_regression(blocks, logs)
    middle = statistics.fmean(blocks)
    width = sum((block - middle) ** 2 for block in blocks)
    misses = [
        log - line.intercept - line.slope * block for block, log in zip(blocks, logs, strict=True)
    ]
    freedom = len(blocks) - 2
    error = math.sqrt(sum(miss**2 for miss in misses) / freedom / width)
    change = math.expm1(line.slope * (blocks[-1] - blocks[0]))
    if error == 0:
        return Drift(change=change, p_value=1.0 if line.slope == 0 else 0.0)
    p_value = 2 * student_t.cdf(-abs(line.slope) / error, freedom=freedom)
    return Drift(change=change, p_value=p_value)
