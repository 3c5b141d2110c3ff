"""Where pools change places as a job's share of computing grows: facts and words of the crossover.

A run has one for each set of `KIND` workloads that differ in nothing but their `AXIS`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from report import format as fmt
from report.rows import Row
from report.stats import CLAIM_BLOCKS, Median, Ratio, paired_ratio

KIND, AXIS = "mixed.share", "cpu_share"

#: With fewer measured shares there is no curve to speak of.
MIN_SHARES = 3

#: The pool whose slots compute side by side, and whose boundary is sought.
POOL = "prefork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender over the shares."""

    contender: str
    pool: str
    #: Share → its row there; invalid rows and rows without a figure are left out.
    rows: Mapping[float, Row]

    def per_s(self, share: float) -> Mapping[int, float]:
        """Return block → jobs per second at a measured share."""
        return self.rows[share].per_s if share in self.rows else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """From which share on a contender does more than every contender of another pool."""

    contender: str
    #: Measured shares that it lies between; both alike where it leads from the first one on.
    after: float
    until: float
    #: Where the straight lines between the measured points cross on a logarithmic axis; None where
    #: there is no difference at `after`, so that nothing crosses.
    share: float | None
    #: The same for each repetition alone: the least and the most.
    low: float | None
    high: float | None
    #: Whether there were repetitions enough at every share.
    is_claim: bool

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        who = f"{self.contender} leads every other pool"
        after, until = fmt.plain(self.after), fmt.plain(self.until)
        if self.after == self.until:
            return f"{who} at every share measured."
        if self.share is None:
            return f"{who} from a CPU share of {until} on; at {after} no difference shows."
        reach = ""
        if (
            self.low is not None
            and self.high is not None
            and fmt.plain(self.low) != fmt.plain(self.high)
        ):
            reach = f"{fmt.plain(self.low)}–{fmt.plain(self.high)} over the repetitions, "
        return (
            f"{who} from a CPU share of about {fmt.plain(self.share)} on "
            f"({reach}interpolated between the measured {after} and {until})."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """Throughput over the share of computing, and the boundaries found."""

    #: What the workloads have in common.
    parameters: Mapping[str, float]
    shares: tuple[float, ...]
    lines: tuple[Line, ...]
    boundaries: tuple[Boundary, ...]

    @property
    def mark(self) -> str:
        """Return the strongest mark of its rows, ``!`` for one that was left out."""
        marks = {row.mark for line in self.lines for row in line.rows.values()}
        if any(len(line.rows) < len(self.shares) for line in self.lines):
            return "!"
        return next((mark for mark in ("?", "~") if mark in marks), "")

    @property
    def text(self) -> str:
        """Return what it shows, in sentences."""
        if len({line.pool == POOL for line in self.lines}) < 2:
            return ""
        told = [boundary.text for boundary in self.boundaries]
        found = {boundary.contender for boundary in self.boundaries}
        without = [
            line.contender
            for line in self.lines
            if line.pool == POOL and line.contender not in found
        ]
        if without:
            verb = "leads" if len(without) == 1 else "lead"
            who = f"{fmt.listed(without)} {verb} every other pool"
            told.append(f"There is no CPU share from which on {who}.")
        is_claim = all(boundary.is_claim for boundary in self.boundaries)
        return " ".join(["So far:", *told] if told and not is_claim else told)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in ``summary.json``."""
        return {
            "kind": KIND,
            "axis": AXIS,
            "parameters": dict(self.parameters),
            "shares": list(self.shares),
            "lines": [
                {"contender": line.contender, "pool": line.pool, "points": _points(line)}
                for line in self.lines
            ],
            "boundaries": [
                asdict(boundary) | {"text": boundary.text} for boundary in self.boundaries
            ],
            "text": self.text,
            "mark": self.mark,
        }


def find_crossovers(rows: Sequence[Row]) -> list[Crossover]:
    """Return the crossovers of a run, those with most shares first; none for most runs."""
    groups: dict[tuple[tuple[str, float], ...], list[Row]] = {}
    for row in rows:
        parameters = dict(row.workload["parameters"])
        if row.workload["kind"] == KIND and AXIS in parameters:
            del parameters[AXIS]
            groups.setdefault(tuple(sorted(parameters.items())), []).append(row)
    found = [_crossover(dict(common), rows=group) for common, group in groups.items()]
    return sorted(
        (one for one in found if len(one.shares) >= MIN_SHARES),
        key=lambda one: -len(one.shares),
    )


def _crossover(parameters: Mapping[str, float], *, rows: Sequence[Row]) -> Crossover:
    shares = sorted({_of(row) for row in rows})
    names = dict.fromkeys(row.contender["name"] for row in rows)
    lines = tuple(
        Line(
            contender=name,
            pool=next(row.contender["pool"] for row in rows if row.contender["name"] == name),
            rows={
                _of(row): row
                for row in rows
                if row.contender["name"] == name and row.mark != "!" and row.per_s
            },
        )
        for name in names
    )
    others = [line for line in lines if line.pool != POOL]
    found = [_boundary(line, others=others, shares=shares) for line in lines if line.pool == POOL]
    return Crossover(
        parameters=parameters,
        shares=tuple(shares),
        lines=lines,
        boundaries=tuple(boundary for boundary in found if boundary),
    )


def _boundary(line: Line, *, others: Sequence[Line], shares: Sequence[float]) -> Boundary | None:
    """Return from where on a line leads at every measured share; None if not at the last."""
    leads = [_leads(line, others=others, share=share) for share in shares]
    first = len(leads) - next(
        (i for i, is_lead in enumerate(reversed(leads)) if not is_lead), len(leads)
    )
    if first == len(shares):
        return None
    is_claim = all(
        len(one.per_s(share)) >= CLAIM_BLOCKS for one in (line, *others) for share in shares
    )
    after, until = shares[max(0, first - 1)], shares[first]
    crossed = _crossings(line, others=others, after=after, until=until) if first else []
    whole = _crossing(
        _middle(line), others=[_middle(one) for one in others], after=after, until=until
    )
    is_crossed = first > 0 and whole is not None and _is_behind(line, others=others, share=after)
    return Boundary(
        contender=line.contender,
        after=after,
        until=until,
        share=whole if is_crossed else None,
        low=min(crossed, default=None) if is_crossed else None,
        high=max(crossed, default=None) if is_crossed else None,
        is_claim=is_claim,
    )


def _ratios(line: Line, *, others: Sequence[Line], share: float) -> list[Ratio]:
    found = [paired_ratio(line.per_s(share), theirs=other.per_s(share)) for other in others]
    return [ratio for ratio in found if ratio]


def _leads(line: Line, *, others: Sequence[Line], share: float) -> bool:
    """Say whether it is ahead of all: by its interval, or its range where no claim can be made."""
    ratios = _ratios(line, others=others, share=share)
    return bool(ratios) and all(ratio.low > 1 for ratio in ratios)


def _is_behind(line: Line, *, others: Sequence[Line], share: float) -> bool:
    return any(ratio.high < 1 for ratio in _ratios(line, others=others, share=share))


def _middle(line: Line) -> dict[float, float]:
    """Return share → median jobs per second."""
    return {share: statistics.median(row.per_s.values()) for share, row in line.rows.items()}


def _crossings(line: Line, *, others: Sequence[Line], after: float, until: float) -> list[float]:
    """Return where each repetition alone crosses between two shares."""
    ends = (after, until)
    blocks = set.intersection(
        *(set(one.per_s(share)) for one in (line, *others) for share in ends if one.per_s(share))
    )
    found = [
        _crossing(
            {share: line.per_s(share)[block] for share in ends},
            others=[
                {share: other.per_s(share)[block] for share in ends if other.per_s(share)}
                for other in others
            ],
            after=after,
            until=until,
        )
        for block in sorted(blocks)
    ]
    return [share for share in found if share is not None]


def _crossing(
    line: Mapping[float, float],
    *,
    others: Sequence[Mapping[float, float]],
    after: float,
    until: float,
) -> float | None:
    """Return the last share at which one of the others stops being ahead; None if none does.

    All are straight on a logarithmic axis between the two shares.
    """
    crossed = []
    for other in others:
        if not {after, until} <= other.keys() or not {after, until} <= line.keys():
            continue
        begin, end = (math.log(line[share] / other[share]) for share in (after, until))
        if begin < 0 < end:
            crossed.append(after + (until - after) * begin / (begin - end))
    return max(crossed, default=None)


def _points(line: Line) -> list[dict[str, Any]]:
    points = []
    for share, row in sorted(line.rows.items()):
        per_s = Median.of(list(row.per_s.values()))
        if per_s:
            points.append({"share": share, **asdict(per_s), "mark": row.mark})
    return points


def _of(row: Row) -> float:
    return float(row.workload["parameters"][AXIS])
