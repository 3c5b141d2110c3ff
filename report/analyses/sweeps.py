"""Pure: what a sweep measured, point by point; for slots, the law that its figures follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.run_manifest import SettingValue
from report.rows.row import Row
from report.statistics.ratios import Median
from report.statistics.scalability import MAX_EXTRAPOLATION, Estimate, Scaling, Unfit, fit_scaling

#: Points of a fitted curve, about; ends of a chart's line, and close enough to look smooth.
CURVE_POINTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One contender at several values of one setting, in one workload."""

    #: Contender that all points come from, and its pool.
    of: str
    pool: str
    setting: str
    workload: str
    #: By value, ascending.
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the sweep as it stands in ``summary.json``."""
        law = self.law
        return {
            "setting": self.setting,
            "of": self.of,
            "pool": self.pool,
            "workload": self.workload,
            "points": [_point(row) for row in self.rows],
            "usl": _described(law) if isinstance(law, Scaling) else None,
            "usl_reason": law.reason if isinstance(law, Unfit) else "",
        }

    @property
    def law(self) -> Scaling | Unfit:
        """The scalability law of the figures, or why there is none."""
        if self.setting != "slots":
            return Unfit(reason="the law is one of slots")
        return fit_scaling({int(row.contender.slots): row.per_s for row in self.rows})


def find_sweeps(rows: Sequence[Row]) -> list[Sweep]:
    """Return the sweeps among a run's rows, in the order of the rows."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        sweep = row.contender.sweep
        if sweep and not row.twin_of:
            key = (row.workload.name, sweep.of, sweep.setting)
            found.setdefault(key, []).append(row)
    return [
        Sweep(
            of=of,
            pool=points[0].contender.pool,
            setting=setting,
            workload=workload,
            rows=tuple(sorted(points, key=_value)),
        )
        for (workload, of, setting), points in found.items()
    ]


def curve_slots(slots: Sequence[int]) -> list[int]:
    """Return the numbers of slots at which a curve is told: evenly spaced in ratio, each once.

    From the smallest size that was measured to `MAX_EXTRAPOLATION` times the largest, which is as
    far as anything may be said.
    """
    first, last = min(slots), MAX_EXTRAPOLATION * max(slots)
    factor = (last / first) ** (1 / CURVE_POINTS)
    return sorted({round(first * factor**step) for step in range(CURVE_POINTS + 1)} | {*slots})


def _value(row: Row) -> SettingValue:
    """Return the value of a row's point; the row must be one of a sweep."""
    assert row.contender.sweep is not None
    return row.contender.sweep.value


def _point(row: Row) -> dict[str, Any]:
    per_s = Median.of(list(row.per_s.values()))
    return {
        "value": _value(row),
        "contender": row.contender.name,
        "median": per_s and per_s.median,
        "low": per_s and per_s.low,
        "high": per_s and per_s.high,
        "mark": row.mark,
    }


def _described(law: Scaling) -> dict[str, Any]:
    return {
        "one_slot_per_s": _estimate(law.one_slot_per_s),
        "sigma": _estimate(law.sigma),
        "kappa": _estimate(law.kappa),
        "peak": _estimate(law.peak) if law.peak else None,
        "no_peak": law.no_peak,
        "blocks": law.blocks,
        "misfit": law.misfit,
        "measured_slots": list(law.slots),
        "curve": [
            {"slots": slots, "per_s": per_s}
            for slots in curve_slots(law.slots)
            if (per_s := law.per_s(slots)) is not None
        ],
    }


def _estimate(found: Estimate) -> Mapping[str, float | None]:
    return {"value": found.value, "low": found.low, "high": found.high}
