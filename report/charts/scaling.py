"""Charts over the values of one setting: sweeps with their law, and crossovers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from report import format as fmt
from report.analyses.sweep_text import describe_estimate, describe_law, figure_text, range_text
from report.charts import lanes
from report.charts.chart import Chart, Spec, marked, of_row, row_of
from report.charts.curves import Flag, curve_chart
from report.charts.style import SECONDS, linear, logarithmic, reaching
from report.result import (
    IN_SECONDS,
    LESS_IS_BETTER,
    THROUGHPUT,
    Crossover,
    CrossoverPoint,
    RowSummary,
    Summary,
    Sweep,
    SweepFigures,
    Value,
)

#: Setting → its name in text, and its unit; others are named by their key.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "redis_delay_ms": ("delay of Redis", "ms"),
    "payload_bytes": ("payload", "bytes"),
}

_CAPTION = "Dot: median of the repetitions. Vertical line: range."


def sweep_groups(summary: Summary) -> list[list[Sweep]]:
    """Return the sweeps of a run, grouped by setting, workload and part."""
    groups: dict[tuple[str, str, str], list[Sweep]] = {}
    for one in summary.sweeps:
        groups.setdefault((one.setting, one.workload, one.part), []).append(one)
    return list(groups.values())


def sweep(summary: Summary, *, group: Sequence[Sweep]) -> Chart:
    """Return the chart of throughput over the values of one setting, with the fitted law."""
    setting, place = group[0].setting, [*filter(None, [group[0].workload, group[0].part])]
    values = {point.value for one in group for point in one.points}
    is_numeric = not any(isinstance(value, bool | str | None) for value in values)
    name, unit = _named(setting)
    figure = group[0].figure
    titles = {"at": name, "shown": figure, "reach": "range"}
    what = {THROUGHPUT: "throughput"}.get(figure, figure)
    chart_name = "-".join(["sweep", setting, *place])
    title = f"{what[0].upper()}{what[1:]} over {name}, {', '.join(place)}"
    if not is_numeric or len(values) < 3:
        rows = [
            row | {"panel": one.of, "figure": row["shown"]}
            for one in group
            for point in one.points
            for name in [_value_name(one, value=point.value, is_alone=len(group) == 1)]
            for row in [
                _median_row(
                    _row_of(summary, one=one), name=name, x=None, point=point, figure=figure
                )
            ]
        ]
        return lanes.lane_chart(
            rows,
            name=chart_name,
            title=title,
            caption="Bar and figure: median of the repetitions. Line: range.",
            titles=titles,
            x=_axis(figure, rows=rows, fields=["median", "high"]),
            layers=lanes.median_layers(),
            columns=min(2, len(group)),
        )
    rows = _swept(summary, group=group)
    law = " Curve: the Universal Scalability Law, within the measured sizes."
    return curve_chart(
        rows,
        name=chart_name,
        title=title,
        caption=_CAPTION + (law if any(one.usl for one in group) else ""),
        titles=titles,
        x=reaching(", ".join(filter(None, [name, unit])), rows=rows, has_ticks=True),
        y=_axis(figure, rows=rows, fields=["high", "law"]),
        line="law",
        flags=_peaks(group),
        notes=tuple(f"{one.of}: {text}" for one in group if (text := describe_law(one))),
    )


def value_text(value: Value, *, setting: str) -> str:
    """Return a setting's value with its name and unit: ``events on``, ``delay of Redis 5 ms``."""
    name, unit = _named(setting)
    return " ".join(filter(None, [name, _plain(value), unit]))


def _named(setting: str) -> tuple[str, str]:
    """Return a setting's name in text, and its unit; Celery's settings keep their names."""
    _, is_celery, name = setting.rpartition(".")
    return _SETTINGS.get(setting, (name if is_celery else name.replace("_", " "), ""))


def crossover(summary: Summary, *, found: Crossover, number: int = 1) -> Chart:
    """Return the chart of throughput over the share of computing, with its crossover points."""
    rows = [
        _median_row(row, x=point.share, point=point)
        for line in found.lines
        for row in [row_of(summary, contender=line.contender, workload="")]
        for point in line.points
    ]
    return curve_chart(
        rows,
        name=f"crossover-{number}",
        title="Crossover points of the pools",
        caption=f"{_CAPTION} Crossover points are interpolated between measured shares.",
        titles={"at": "computing", "shown": "jobs/s", "reach": "range"},
        x=reaching("share of a job that computes", rows=rows, has_ticks=True),
        y=logarithmic("jobs per second", rows=rows, fields=["low", "high"], beyond=1.25),
        flags=[
            Flag(x=one.share, text=f"{one.contender} leads from {fmt.plain(one.share)}")
            for one in found.boundaries
            if one.share is not None
        ],
    )


def _swept(summary: Summary, *, group: Sequence[Sweep]) -> list[Spec]:
    """Return the points of the sweeps, and those of the line: the law, or straight lines."""
    rows: list[Spec] = []
    for one in group:
        row = _row_of(summary, one=one)
        points = [point for point in one.points if point.median is not None]
        drawn = [
            _median_row(row, name=one.of, x=float(str(point.value)), point=point, figure=one.figure)
            for point in points
        ]
        xs = [point["x"] for point in drawn]
        law = [
            {"x": float(step.slots), "law": step.per_s}
            for step in one.usl_curve
            if min(xs) <= step.slots <= max(xs)
        ]
        straight = [{"x": point["x"], "law": point["y"]} for point in drawn]
        rows += [*drawn, *(of_row(row, name=one.of, **step) for step in law or straight)]
    return rows


def _peaks(group: Sequence[Sweep]) -> list[Flag]:
    flags: list[Flag] = []
    for one in group:
        peak = one.usl and one.usl.peak
        if one.usl and peak and one.usl.slots[0] <= peak.value <= one.usl.slots[-1]:
            flags.append(Flag(x=peak.value, text=f"{one.of}: peak at {describe_estimate(peak)}"))
    return flags


def _value_name(one: Sweep, *, value: Value, is_alone: bool) -> str:
    """Return the name of a lane: the value, after the contender if there are several sweeps."""
    text = value_text(value, setting=one.setting)
    return text if is_alone else f"{one.of}, {text}"


def _row_of(summary: Summary, *, one: Sweep) -> RowSummary:
    return row_of(summary, contender=one.points[0].contender, workload=one.workload)


def _median_row(
    row: RowSummary,
    *,
    name: str = "",
    x: float | None,
    point: SweepFigures | CrossoverPoint,
    figure: str = THROUGHPUT,
) -> Spec:
    return of_row(
        row,
        name=name,
        x=x,
        y=point.median,
        median=point.median,
        low=point.low,
        high=point.high,
        reach=range_text(point.low, high=point.high, figure=figure),
        is_hollow=True if point.mark == "!" else None,
        at=f"{x:g}" if x is not None else name,
        shown=marked(figure_text(point.median, figure=figure), mark=point.mark),
    )


def _axis(figure: str, *, rows: Sequence[Spec], fields: Sequence[str]) -> Spec:
    if figure in IN_SECONDS:
        return linear(figure, rows=rows, fields=fields, show=SECONDS)
    if figure in LESS_IS_BETTER:
        return linear(figure, rows=rows, fields=fields)
    return linear("jobs per second", rows=rows, fields=fields)


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,.12g}" if isinstance(value, int | float) else str(value)
