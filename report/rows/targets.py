"""The bounds of an SLO in a row, over its repetitions. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from report.result import TargetSummary
from report.statistics.ratios import Median, median_rank
from report.trials.slo import Target


def sum_targets(trials: Sequence[Sequence[Target]]) -> tuple[TargetSummary, ...]:
    """Return each bound over the valid repetitions; ``trials`` has the targets of each, alike.

    The question is whether a usual repetition meets the bound, so it is about the median share of
    jobs that missed it. A bound is met if that median is proved to be within what the percentile
    allows, by an exact interval for the median (`median_rank`), and missed if it is proved to
    exceed it. For five to eight repetitions, this means that all met it, or none. A binomial
    interval over all jobs would be far too narrow, since their waits depend on each other.
    """
    return tuple(map(_sum, zip(*trials, strict=True)))


def _sum(found: Sequence[Target]) -> TargetSummary:
    first, blocks = found[0], len(found)
    rank, met = median_rank(blocks), sum(one.is_met for one in found)
    shares = sorted(one.missed_share for one in found)
    seen_s = statistics.median_high(math.inf if one.seen_s is None else one.seen_s for one in found)
    return TargetSummary(
        part=first.part,
        figure=first.figure,
        bound_s=first.bound_s,
        seen_s=seen_s if math.isfinite(seen_s) else None,
        met=met,
        repetitions=blocks,
        missed_share=Median(
            median=statistics.median(shares), low=shares[rank - 1], high=shares[-rank]
        ),
        is_met=True if met > blocks - rank else False if met < rank else None,
    )
