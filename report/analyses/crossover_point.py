"""Finds the share above which a contender is faster than every contender of another pool. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from report import format as fmt
from report.result import Boundary
from report.rows.row import Row
from report.statistics.ratios import CLAIM_BLOCKS, Ratio
from report.statistics.significance import Finding, compare_planned_figures

#: Share → jobs per second of one contender: medians, or the figures of one repetition.
Curve = Mapping[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender over the shares."""

    contender: str
    pool: str
    #: Share → its row there; invalid rows and rows without a figure are left out.
    rows: Mapping[float, Row]

    def per_s(self, share: float) -> Mapping[int, float]:
        """Return block → jobs per second at a measured share; empty without a row."""
        return self.rows[share].per_s if share in self.rows else {}


def describe_boundary(found: Boundary) -> str:
    """Return a boundary as a sentence."""
    who = f"{found.contender} leads every other pool"
    even = f"no difference at {fmt.listed([*map(fmt.plain, found.even)])}"
    if found.share is None or found.after is None:
        if not found.even:
            return f"{who} at every measured share."
        return f"{who} from a CPU share of {fmt.plain(found.until)} on; {even}."
    reach = ""
    if found.low is not None and found.high is not None:
        ends = dict.fromkeys(map(fmt.plain, (found.low, found.high)))
        reach = f"{'–'.join(ends)} over the repetitions, " if len(ends) > 1 else ""
    between = f"the measured {fmt.plain(found.after)} and {fmt.plain(found.until)}"
    known = f"{reach}interpolated between {between}{f'; {even}' if found.even else ''}"
    return f"{who} from a CPU share of about {fmt.plain(found.share)} on ({known})."


def find_boundary(
    line: Line,
    *,
    others: Sequence[Line],
    shares: Sequence[float],
) -> Boundary | None:
    """Return the share above which a line leads all ``others``; None if it doesn't at the last.

    Ahead and behind are decided as in a verdict, with all the others at a share as one question, or
    by the ranges of the paired ratios where there are too few repetitions for an interval.
    """
    shown = {share: _findings(line, others=others, share=share) for share in shares}
    ahead = {
        share: bool(found) and all(one is Finding.MORE for one in found)
        for share, found in shown.items()
    }
    leading = list(takewhile(ahead.__getitem__, reversed(shares)))
    if not leading:
        return None
    until = leading[-1]
    before = [share for share in shares if share < until and share in line.rows]
    behind = [share for share in before if Finding.LESS in shown[share]]
    after = behind[-1] if behind else None
    crossed: list[float] = []
    share = None
    if after is not None:
        span = [share for share in (*before, until) if share >= after]
        share = last_crossing(_medians(line), others=[*map(_medians, others)], shares=span)
        crossed = _crossed_in_repetitions(line, others=others, shares=span)
    return Boundary(
        contender=line.contender,
        after=after,
        even=tuple(one for one in before if not ahead[one] and (after is None or one > after)),
        until=until,
        share=share,
        low=min(crossed, default=None),
        high=max(crossed, default=None),
        is_claim=all(
            len(one.per_s(share)) >= CLAIM_BLOCKS for one in (line, *others) for share in shares
        ),
    )


def last_crossing(line: Curve, *, others: Sequence[Curve], shares: Sequence[float]) -> float:
    """Return the last share at which one of the others stops being ahead.

    The lines are interpolated between neighbouring shares, on a logarithmic axis. Returns the first
    share if no other line is ever ahead, and the last share if one is still ahead there.
    """
    if any(other.get(shares[-1], 0.0) > line[shares[-1]] for other in others):
        return shares[-1]
    for after, until in reversed(list(pairwise(shares))):
        known = [other for other in others if {after, until} <= other.keys()]
        leads = [
            [math.log(line[share] / other[share]) for share in (after, until)] for other in known
        ]
        crossed = [begin / (begin - end) for begin, end in leads if begin < 0 <= end]
        if crossed:
            return after + (until - after) * max(crossed)
    return shares[0]


def _findings(line: Line, *, others: Sequence[Line], share: float) -> list[Finding]:
    """Return the findings of the line against each of the others at a share."""
    figures = {one.contender: one.per_s(share) for one in (line, *others)}
    answers = compare_planned_figures(
        figures, pairs=[(line.contender, other.contender) for other in others]
    )
    return [
        _by_range(one.ratio) if one.decision.finding is Finding.TOO_FEW else one.decision.finding
        for one in answers.values()
    ]


def _by_range(ratio: Ratio) -> Finding:
    if ratio.low > 1:
        return Finding.MORE
    return Finding.LESS if ratio.high < 1 else Finding.NO_DIFFERENCE


def _medians(line: Line) -> Curve:
    return {share: statistics.median(row.per_s.values()) for share, row in line.rows.items()}


def _crossed_in_repetitions(
    line: Line, *, others: Sequence[Line], shares: Sequence[float]
) -> list[float]:
    """Return the last crossing of the lines in each repetition alone."""
    blocks = set.intersection(*(set(line.per_s(share)) for share in shares))
    return [
        last_crossing(
            _of_block(line, block=block),
            others=[_of_block(other, block=block) for other in others],
            shares=shares,
        )
        for block in sorted(blocks)
    ]


def _of_block(line: Line, *, block: int) -> Curve:
    return {share: row.per_s[block] for share, row in line.rows.items() if block in row.per_s}
