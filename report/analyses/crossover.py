"""Finds crossovers: the shares of computing in a job at which another pool becomes the fastest.

A run has a crossover for each set of `KIND` workloads that differ only in their `AXIS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from collector.reasons import Severity, strongest
from report import format as fmt
from report.analyses.crossover_point import Line, describe_boundary, find_boundary
from report.result import Boundary, Crossover, CrossoverLine, CrossoverPoint
from report.rows.row import Row
from report.statistics.ratios import Median

KIND, AXIS = "mixed.share", "cpu_share"

#: Smallest number of measured shares for a crossover.
MIN_SHARES = 3

#: The pool whose slots compute in parallel, and whose boundary is searched.
POOL = "prefork"


def find_crossovers(rows: Sequence[Row]) -> list[Crossover]:
    """Return the crossovers of a run, those with most shares first; none for most runs.

    An A/A control is in no crossover.
    """
    groups: dict[tuple[tuple[str, float], ...], list[Row]] = {}
    for row in rows:
        parameters = dict(row.workload.parameters)
        is_one = row.measure == "capacity" and not row.twin_of
        if row.workload.kind == KIND and AXIS in parameters and is_one:
            del parameters[AXIS]
            groups.setdefault(tuple(sorted(parameters.items())), []).append(row)
    found = [_crossover(dict(common), rows=group) for common, group in groups.items()]
    return sorted(
        (one for one in found if len(one.shares) >= MIN_SHARES),
        key=lambda one: -len(one.shares),
    )


def _crossover(parameters: Mapping[str, float], *, rows: Sequence[Row]) -> Crossover:
    shares = sorted({_of(row) for row in rows})
    names = dict.fromkeys(row.contender.name for row in rows)
    lines = [
        Line(
            contender=name,
            pool=next(row.contender.pool for row in rows if row.contender.name == name),
            rows={
                _of(row): row
                for row in rows
                if row.contender.name == name and row.is_valid and row.per_s
            },
        )
        for name in names
    ]
    others = [line for line in lines if line.pool != POOL]
    found = [
        find_boundary(line, others=others, shares=shares) for line in lines if line.pool == POOL
    ]
    boundaries = tuple(boundary for boundary in found if boundary)
    return Crossover(
        kind=KIND,
        axis=AXIS,
        parameters=parameters,
        shares=tuple(shares),
        lines=tuple(
            CrossoverLine(contender=line.contender, pool=line.pool, points=_points(line))
            for line in lines
        ),
        boundaries=boundaries,
        text=_text(lines, boundaries=boundaries),
        mark=_mark(lines, shares=shares),
    )


def _mark(lines: Sequence[Line], *, shares: Sequence[float]) -> str:
    """Return the strongest mark of the rows; ``!`` if a row was left out."""
    if any(len(line.rows) < len(shares) for line in lines):
        return Severity.INVALID
    return strongest([one for line in lines for row in line.rows.values() for one in row.reasons])


def _text(lines: Sequence[Line], *, boundaries: Sequence[Boundary]) -> str:
    """Return a description of the crossover, in sentences."""
    if len({line.pool == POOL for line in lines}) < 2:
        return ""
    sentences = [*map(describe_boundary, boundaries)]
    found = {boundary.contender for boundary in boundaries}
    without = [
        line.contender for line in lines if line.pool == POOL and line.contender not in found
    ]
    if without:
        who = f"{fmt.listed(without)} {'does' if len(without) == 1 else 'do'} not lead"
        sentences.append(f"{who} every other pool at the largest measured CPU share.")
    is_claim = all(boundary.is_claim for boundary in boundaries)
    return " ".join(["So far:", *sentences] if sentences and not is_claim else sentences)


def _points(line: Line) -> tuple[CrossoverPoint, ...]:
    return tuple(
        CrossoverPoint(share=share, **asdict(per_s), mark=row.mark)
        for share, row in sorted(line.rows.items())
        if (per_s := Median.of(list(row.per_s.values())))
    )


def _of(row: Row) -> float:
    return float(row.workload.parameters[AXIS])
