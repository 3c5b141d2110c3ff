"""Pictures of what changes as one setting does: a sweep with its law, a crossover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from report import format as fmt
from report.charts.curves import Flag, Plane, Point, Series, draw_curves
from report.charts.lanes import Lane, Layout, Mark, Panel, draw_lanes
from report.charts.picture import Picture, Row, Summary, both, marked, named, row_of
from report.charts.scales import from_zero, logarithmic, reaching
from report.palette import shade_name

#: Setting → its name in words, and its unit; others are called as they are.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "redis_delay_ms": ("delay of Redis", "ms"),
    "payload_bytes": ("payload", "bytes"),
}


def sweep_groups(summary: Summary) -> list[list[Mapping[str, Any]]]:
    """Return the sweeps of a run, those of one setting and workload together."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in summary.get("sweeps") or []:
        groups.setdefault((one["setting"], one["workload"]), []).append(one)
    return list(groups.values())


def sweep(summary: Summary, *, group: Sequence[Mapping[str, Any]]) -> Picture:
    """Draw throughput over the values of one setting, with the law where one was fitted."""
    setting, workload = group[0]["setting"], group[0]["workload"]
    values = [point["value"] for one in group for point in one["points"]]
    is_numeric = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    draw = _sweep_curves if is_numeric and len(set(values)) > 2 else _sweep_lanes
    law = " Curve: the Universal Scalability Law, drawn within the sizes measured."
    has_law = any(one.get("usl") for one in group)
    return Picture(
        title=f"Throughput over {setting_told(setting)}, {workload}",
        caption="Dot: median of the repetitions. Line through it: their range."
        + (law if has_law else ""),
        **both(lambda width: draw(summary, group=group, width=width)),
        label=f"Jobs per second on {workload} over values of {setting}.",
        header=("of", setting_told(setting), "contender", "jobs/s", "range", "law"),
        cells=tuple(
            (
                one["of"],
                value_told(point["value"]),
                point["contender"],
                marked(fmt.number(point["median"]), row=point),
                fmt.span(point["low"], high=point["high"]),
                fmt.number(_law_at(one, value=point["value"])),
            )
            for one in group
            for point in one["points"]
        ),
        notes=tuple(note for one in group for note in law_told(one)),
    )


def law_told(one: Mapping[str, Any]) -> list[str]:
    """Return a sweep's law in words: its terms and its peak; or why there is none."""
    usl = one.get("usl")
    if not usl:
        reason = one.get("usl_reason") or ""
        is_law_of = one["setting"] == "slots"
        return [f"{one['of']}: no law: {reason}."] if reason and is_law_of else []
    terms = [
        f"contention sigma {_estimate(usl['sigma'])}, what one slot at a time does of a job",
        f"coherency kappa {_estimate(usl['kappa'])}, what each slot costs each other",
    ]
    peak = usl.get("peak")
    shown = f"its peak is at {_estimate(peak)} slots" if peak else usl.get("no_peak") or ""
    return [f"{one['of']}: " + "; ".join(filter(None, [*terms, shown])) + "."]


def setting_told(setting: str) -> str:
    """Return a setting's name in words."""
    return _SETTINGS.get(setting, (setting.replace("_", " "), ""))[0]


def value_told(value: Any, *, setting: str = "") -> str:
    """Return a setting's value in words, with its unit if asked for: ``on``, ``5 ms``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, int | float):
        return str(value)
    return " ".join(filter(None, [f"{value:,.12g}", _SETTINGS.get(setting, ("", ""))[1]]))


def crossover(summary: Summary, *, found: Mapping[str, Any]) -> Picture:
    """Draw throughput over the share of computing, with the places where processes take over."""
    rows = {line["contender"]: row_of(summary, found=line) for line in found["lines"]}
    series = [_crossing(line, row=rows[line["contender"]]) for line in found["lines"]]
    flags = [
        Flag(x=place, text=f"{boundary['contender']} leads from {fmt.plain(place)}")
        for boundary in found["boundaries"]
        if (place := boundary["share"]) is not None
    ]
    points = [point for one in series for point in one.points]
    xs = tuple(sorted({point.x for point in points}))
    x = reaching(xs, title="share of a job that computes")
    y = logarithmic(
        [end for point in points for end in (point.low, point.high)],
        title="jobs per second (logarithmic)",
        beyond=1.25,
    )
    return Picture(
        title="Where the pools change places",
        caption=(
            "Dot: median of the repetitions. Upright line: their range. Straight lines between "
            "measured shares are for the eye, and what a crossing is read off from."
        ),
        **both(
            lambda width: draw_curves(
                series, plane=Plane(x=x, y=y, width=width, xs=xs), flags=flags
            )
        ),
        label="Jobs per second of each contender over the share of a job that computes.",
        header=("contender", *(f"{share:g}" for share in found["shares"])),
        cells=tuple(
            (named(rows[line["contender"]]), *_crossover_cells(line, shares=found["shares"]))
            for line in found["lines"]
        ),
    )


def _crossing(line: Mapping[str, Any], *, row: Row) -> Series:
    return Series(
        name=named(row),
        shade=shade_name(row),
        points=tuple(
            Point(x=point["share"], y=point["median"], low=point["low"], high=point["high"])
            for point in line["points"]
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _sweep_curves(summary: Summary, *, group: Sequence[Mapping[str, Any]], width: float) -> str:
    setting = group[0]["setting"]
    xs = tuple(sorted({float(point["value"]) for one in group for point in one["points"]}))
    unit = _SETTINGS.get(setting, ("", ""))[1]
    title = ", ".join(filter(None, [setting_told(setting), unit]))
    x = reaching(xs, title=title)
    drawn = [_sweep_series(summary, one=one) for one in group]
    tops = [point.high for one in drawn for point in one.points]
    tops += [value for one in drawn for _, value in one.fitted]
    flags = [
        Flag(x=peak["value"], text=f"{one['of']}: peak at {_estimate(peak)}")
        for one in group
        if (peak := (one.get("usl") or {}).get("peak")) and xs[0] <= peak["value"] <= xs[-1]
    ]
    plane = Plane(x=x, y=from_zero(tops, title="jobs per second"), width=width, xs=xs)
    return draw_curves(drawn, plane=plane, flags=flags)


def _sweep_series(summary: Summary, *, one: Mapping[str, Any]) -> Series:
    first = one["points"][0]["contender"] if one["points"] else one["of"]
    row = row_of(summary, found={**one, "contender": first})
    known = [point for point in one["points"] if point["median"] is not None]
    ordered = sorted(known, key=lambda point: float(point["value"]))
    ends = [float(point["value"]) for point in ordered]
    fitted = (one.get("usl") or {}).get("curve") or []
    return Series(
        name=str(one["of"]),
        shade=shade_name(row),
        points=tuple(
            Point(
                x=float(point["value"]),
                y=point["median"],
                low=point["low"],
                high=point["high"],
                is_hollow=point.get("mark") == "!",
            )
            for point in ordered
        ),
        # no extrapolation: the curve ends where the sizes do
        fitted=tuple(
            (step["slots"], step["per_s"])
            for step in fitted
            if ends[0] <= step["slots"] <= ends[-1]
        ),
    )


def _sweep_lanes(summary: Summary, *, group: Sequence[Mapping[str, Any]], width: float) -> str:
    panels = [
        Panel(
            title=str(one["of"]) if len(group) > 1 else "",
            lanes=tuple(_value_lane(summary, one=one, point=point) for point in one["points"]),
        )
        for one in group
    ]
    axis = from_zero(
        [point["high"] for one in group for point in one["points"]], title="jobs per second"
    )
    return draw_lanes(panels, axis=axis, layout=Layout(width=width))


def _value_lane(summary: Summary, *, one: Mapping[str, Any], point: Mapping[str, Any]) -> Lane:
    row = row_of(summary, found={**one, "contender": point["contender"]})
    median = point["median"]
    return Lane(
        name=f"{setting_told(one['setting'])} {value_told(point['value'])}",
        shade=shade_name(row),
        text=marked(fmt.number(median), row=point),
        marks=(
            Mark(sort="bar", at=None if median is None else 0.0, to=median),
            Mark(sort="reach", at=point["low"], to=point["high"]),
            Mark(sort="value", at=median),
        ),
    )


def _law_at(one: Mapping[str, Any], *, value: Any) -> float | None:
    curve = (one.get("usl") or {}).get("curve") or []
    return next((step["per_s"] for step in curve if step["slots"] == value), None)


def _estimate(found: Mapping[str, float | None]) -> str:
    ends = (found.get("low"), found.get("high"))
    value = fmt.number(found["value"])
    return value if None in ends else f"{value} [{fmt.span(ends[0], high=ends[1])}]"


def _crossover_cells(line: Mapping[str, Any], *, shares: Sequence[float]) -> tuple[str, ...]:
    known = {point["share"]: point for point in line["points"]}
    return tuple(
        marked(fmt.number(known[share]["median"]), row=known[share])
        if share in known
        else fmt.NOTHING
        for share in shares
    )
