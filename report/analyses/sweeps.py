"""Collects the points of sweeps, and fits the scalability law to sweeps over slots. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from collector.run_manifest import SettingValue
from report.result import LESS_IS_BETTER, RESPONSE, LawPoint, Sweep, SweepFigures
from report.rows.row import Row
from report.statistics.ratios import Median
from report.statistics.scalability import MAX_EXTRAPOLATION, Scaling, fit_scaling

#: Approximate number of points of a fitted curve, enough for a smooth line.
CURVE_POINTS = 40


def find_sweeps(rows: Sequence[Row]) -> list[Sweep]:
    """Return the sweeps among a run's rows, in the order of the rows."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        sweep = row.contender.sweep
        if sweep and not row.twin_of:
            for part in _parts(row):
                key = (row.workload.name, part, sweep.of, sweep.setting)
                found.setdefault(key, []).append(row)
    return [
        _sweep(sorted(points, key=_place), part=part, of=of, setting=setting)
        for (_, part, of, setting), points in found.items()
    ]


def _parts(row: Row) -> tuple[str, ...]:
    """Return the parts of a mix that arrives at a rate; else one empty name, for all jobs."""
    is_by_part = row.compared == RESPONSE and row.workload.has_waits_by_part
    return row.workload.part_names if is_by_part else ("",)


def _sweep(rows: Sequence[Row], *, part: str, of: str, setting: str) -> Sweep:
    law: Scaling | str = "the law applies to sweeps over slots only"
    figure = rows[0].compared
    if figure == RESPONSE:
        law = "at a given rate, throughput doesn't show how slots scale"
    elif figure in LESS_IS_BETTER:
        law = "the law is about throughput"
    elif setting == "slots":
        law = fit_scaling({row.contender.slots: row.per_s for row in rows})
    return Sweep(
        of=of,
        pool=rows[0].contender.pool,
        setting=setting,
        workload=rows[0].workload.name,
        part=part,
        figure=figure,
        points=tuple(_point(row, part=part) for row in rows),
        usl=law if isinstance(law, Scaling) else None,
        usl_curve=_curve(law) if isinstance(law, Scaling) else (),
        usl_reason=law if isinstance(law, str) else "",
    )


def curve_slots(slots: Sequence[int]) -> list[int]:
    """Return the numbers of slots of a curve's points, evenly spaced in ratio, without duplicates.

    They range from the smallest measured size to `MAX_EXTRAPOLATION` times the largest.
    """
    first, last = min(slots), MAX_EXTRAPOLATION * max(slots)
    factor = (last / first) ** (1 / CURVE_POINTS)
    return sorted({round(first * factor**step) for step in range(CURVE_POINTS + 1)} | {*slots})


def _value(row: Row) -> SettingValue:
    """Return the value of a row's setting; the row must belong to a sweep."""
    assert row.contender.sweep is not None
    return row.contender.sweep.value


def _place(row: Row) -> float:
    """Return a key that sorts numbers, and leaves texts in the order of the experiment."""
    value = _value(row)
    return 0.0 if isinstance(value, str) else float(value)


def _point(row: Row, *, part: str) -> SweepFigures:
    found = Median.of(list(row.by_block(row.compared, part=part).values()))
    return SweepFigures(
        value=_value(row),
        contender=row.contender.name,
        median=found.median if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        mark=row.mark,
    )


def _curve(law: Scaling) -> tuple[LawPoint, ...]:
    return tuple(
        LawPoint(slots=slots, per_s=per_s)
        for slots in curve_slots(law.slots)
        if (per_s := law.per_s(slots)) is not None
    )
