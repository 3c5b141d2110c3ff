"""Where pools change places as a job's share of computing grows: facts and words of the crossover.

A run has one for each set of `KIND` workloads that differ in nothing but their `AXIS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from report import format as fmt
from report.analyses.crossover_point import Boundary, Line, find_boundary
from report.rows.row import Row
from report.statistics.ratios import Median

KIND, AXIS = "mixed.share", "cpu_share"

#: With fewer measured shares there is no curve to speak of.
MIN_SHARES = 3

#: The pool whose slots compute side by side, and whose boundary is sought.
POOL = "prefork"


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


def find_crossovers(
    rows: Sequence[Row], *, noise_floors: Mapping[str, float | None] | None = None
) -> list[Crossover]:
    """Return the crossovers of a run, those with most shares first; none for most runs.

    ``noise_floors`` are by workload, as a share; a twin is in no crossover.
    """
    groups: dict[tuple[tuple[str, float], ...], list[Row]] = {}
    for row in rows:
        parameters = dict(row.workload.parameters)
        is_one = row.measure == "capacity" and not row.twin_of
        if row.workload.kind == KIND and AXIS in parameters and is_one:
            del parameters[AXIS]
            groups.setdefault(tuple(sorted(parameters.items())), []).append(row)
    found = [
        _crossover(dict(common), rows=group, noise_floors=noise_floors or {})
        for common, group in groups.items()
    ]
    return sorted(
        (one for one in found if len(one.shares) >= MIN_SHARES),
        key=lambda one: -len(one.shares),
    )


def _crossover(
    parameters: Mapping[str, float],
    *,
    rows: Sequence[Row],
    noise_floors: Mapping[str, float | None],
) -> Crossover:
    shares = sorted({_of(row) for row in rows})
    floors = {_of(row): noise_floors.get(row.workload.name) or 0.0 for row in rows}
    names = dict.fromkeys(row.contender.name for row in rows)
    lines = tuple(
        Line(
            contender=name,
            pool=next(row.contender.pool for row in rows if row.contender.name == name),
            rows={
                _of(row): row
                for row in rows
                if row.contender.name == name and row.mark != "!" and row.per_s
            },
        )
        for name in names
    )
    others = [line for line in lines if line.pool != POOL]
    found = [
        find_boundary(line, others=others, shares=shares, noise_floors=floors)
        for line in lines
        if line.pool == POOL
    ]
    return Crossover(
        parameters=parameters,
        shares=tuple(shares),
        lines=lines,
        boundaries=tuple(boundary for boundary in found if boundary),
    )


def _points(line: Line) -> list[dict[str, Any]]:
    points = []
    for share, row in sorted(line.rows.items()):
        per_s = Median.of(list(row.per_s.values()))
        if per_s:
            points.append({"share": share, **asdict(per_s), "mark": row.mark})
    return points


def _of(row: Row) -> float:
    return float(row.workload.parameters[AXIS])
