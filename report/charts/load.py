"""Pictures of contenders under load: rates they sustain, latency against load, fairness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from report import format as fmt
from report.charts.curves import Plane, Point, Series, draw_curves
from report.charts.lanes import GROWTH, PHONE, Lane, Layout, Mark, Panel, draw_lanes, lane_height
from report.charts.picture import (
    Picture,
    Row,
    Summary,
    both,
    half,
    marked,
    named,
    row_of,
    rows_of,
    twins_told,
)
from report.charts.scales import SECONDS, Axis, from_zero, logarithmic, reaching
from report.palette import shade_name

#: Room that the lanes of the first screen's picture share, pixels.
_FIRST_SCREEN = 400.0


def sustained(summary: Summary) -> Picture:
    """Draw the highest rate that each contender holds under the experiment's bound."""
    rows = [row for row in summary["rows"] if row.get("measure") == "sustain" or _held(row)]
    names = list(dict.fromkeys(row["workload"] for row in rows))
    panels = [
        Panel(
            title=name,
            lanes=tuple(
                _sustained_lane(row) for row in rows_of(summary, workload=name) if row in rows
            ),
        )
        for name in names
    ]
    axis = from_zero(
        [_held(row).get(end) for row in rows for end in ("median", "high")],
        title="jobs per second",
    )
    return Picture(
        title="What rate does each hold?",
        caption=(
            f"The highest rate at which {slo_told(summary)} and the backlog doesn't grow. "
            "Bar: median of the repetitions. Line: range." + twins_told(rows)
        ),
        **both(lambda width: _draw_panels(panels, axis=axis, width=width, head="held")),
        label="Highest rate that each contender holds, in each workload.",
        header=("workload", "contender", "jobs/s held", "range"),
        cells=tuple(
            (
                row["workload"],
                named(row),
                marked(fmt.number(_held(row).get("median")), row=row),
                fmt.span(_held(row).get("low"), high=_held(row).get("high")),
            )
            for row in rows
        ),
    )


def load_curve(
    summary: Summary, *, workload: str, percentile: str = "p95", is_half: bool = False
) -> Picture:
    """Draw a percentile of latency over the rate at which jobs come."""
    curves = [one for one in summary.get("curves") or [] if one["workload"] == workload]
    span = bounded_span(summary)
    series = [_load_series(summary, curve=one, span=span, percentile=percentile) for one in curves]
    said = percentile.replace("_", ".")
    what = "wait" if span == "wait_s" else "response"
    bound = (summary.get("slo") or {}).get(f"{percentile}_{span}")
    x, y = _load_axes(series, of=f"{said} of the {what}", bound=bound)
    growth = GROWTH if is_half else 1.0
    stretch = "due → started" if span == "wait_s" else "due → finished"
    return Picture(
        title=f"Latency against load: {said} of the {what}, {workload}",
        caption=(
            f"{what.capitalize()}: {stretch}. A ring: this rate was not held, so the figure grows "
            "for as long as the trial lasts. Lines between points are for the eye."
            + (f" Line across: {slo_told(summary)}." if bound else "")
        ),
        **(half if is_half else both)(
            lambda width: draw_curves(
                series, plane=Plane(x=x, y=y, width=width, bound=bound, growth=growth)
            )
        ),
        label=f"{said} of the {what} of each contender on {workload} over the rate of arrivals.",
        header=(
            "contender",
            "of its held rate",
            "jobs/s",
            "held",
            "repetitions",
            "p50",
            "p95",
            "p99",
        ),
        cells=tuple(
            _load_cells(summary, curve=curve, point=point, span=span)
            for curve in curves
            for point in curve["points"]
        ),
    )


def fairness(summary: Summary, *, workload: str) -> Picture:
    """Draw how much longer than alone the jobs of each part of a mix took."""
    found = [one for one in summary.get("fairness") or [] if one["workload"] == workload]
    parts = list(dict.fromkeys(part for one in found for part in one["by_kind"]))
    every = [
        one["by_kind"][part]["slowdown"].get(name)
        for one in found
        for part in one["by_kind"]
        for name in ("p50", "p95", "p99")
    ]
    axis = logarithmic([1.0, *every], title="times as long as alone (logarithmic)", beyond=1.1)
    panels = [
        Panel(
            title=_part_title(found, part=part),
            lanes=tuple(_slowed_lane(summary, found=one, part=part) for one in found),
        )
        for part in parts
    ]
    return Picture(
        title=f"Do short jobs suffer beside long ones? {workload}",
        caption=(
            "Slowdown: response ÷ what the job takes alone, 1 is perfect. Dot and figure: p50. "
            "Line: to p95 (small tick) and p99 (end). Fair is where the parts have the same."
        ),
        **both(lambda width: _draw_panels(panels, axis=axis, width=width, guide=1.0)),
        label=f"Slowdown of the jobs of each part of {workload}, for each contender.",
        header=(
            "contender",
            "part",
            "alone",
            "jobs",
            "not done",
            "p50",
            "p95",
            "p99",
            "unfairness",
        ),
        cells=tuple(
            _fair_cells(summary, found=one, part=part) for one in found for part in one["by_kind"]
        ),
    )


def slo_told(summary: Summary) -> str:
    """Return the bound of an experiment in words: ``p95 of the wait is at most 1.00 s``."""
    told = []
    for name, bound in (summary.get("slo") or {}).items():
        head, _, rest = name.partition("_")
        what = rest.removesuffix("_s").replace("_", " ")
        is_percentile = head.startswith("p") and head[1:].isdigit()
        start = f"{head} of the {what}" if is_percentile else name.removesuffix("_s")
        told.append(f"{start} is at most {fmt.duration(bound)}")
    return fmt.listed(told) or "the bound is kept"


def bounded_span(summary: Summary) -> str:
    """Return which latency the bound is about: ``wait_s`` or ``response_s``."""
    return "wait_s" if any("wait" in name for name in summary.get("slo") or {}) else "response_s"


def _held(row: Row) -> Mapping[str, Any]:
    return row.get("sustained_per_s") or {}


def _sustained_lane(row: Row) -> Lane:
    held = _held(row)
    median = held.get("median")
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=marked(f"{fmt.number(median)}/s" if median is not None else fmt.NOTHING, row=row),
        marks=(
            Mark(sort="bar", at=None if median is None else 0.0, to=median),
            Mark(sort="reach", at=held.get("low"), to=held.get("high")),
            Mark(sort="value", at=median),
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _draw_panels(
    panels: Sequence[Panel],
    *,
    axis: Axis,
    width: float,
    head: str = "",
    guide: float | None = None,
) -> str:
    columns = 2 if width > PHONE and len(panels) > 1 else 1
    down = -(-len(panels) // columns)
    lanes = max((len(panel.lanes) for panel in panels), default=1)
    layout = Layout(
        width=width,
        columns=columns,
        lane=lane_height(lanes * down, most=_FIRST_SCREEN - 36 * down),
        head="" if len(panels) > 1 else head,
        guide=guide,
    )
    return draw_lanes(panels, axis=axis, layout=layout)


def _load_series(
    summary: Summary, *, curve: Mapping[str, Any], span: str, percentile: str
) -> Series:
    row = row_of(summary, found=curve)
    known = [point for point in curve["points"] if point["rate_per_s"] is not None]
    points = sorted(known, key=lambda point: float(point["rate_per_s"]))
    return Series(
        name=named(row),
        shade=shade_name(row),
        points=tuple(
            Point(x=point["rate_per_s"], y=value, is_hollow=point.get("held") is False)
            for point in points
            if (value := _latency(point, span=span).get(percentile))
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _load_axes(series: Sequence[Series], *, of: str, bound: float | None) -> tuple[Axis, Axis]:
    points = [point for one in series for point in one.points]
    return (
        reaching([point.x for point in points], title="jobs per second that come", beyond=1.1),
        logarithmic(
            [*(point.y for point in points), bound], title=f"{of} (logarithmic)", show=SECONDS
        ),
    )


def _latency(point: Mapping[str, Any], *, span: str) -> Mapping[str, float | None]:
    return point.get(span) or point.get("wait_s") or {}


def _load_cells(
    summary: Summary, *, curve: Mapping[str, Any], point: Mapping[str, Any], span: str
) -> tuple[str, ...]:
    held = point.get("held")
    return (
        named(row_of(summary, found=curve)),
        fmt.percent(point["share"]),
        fmt.number(point["rate_per_s"]),
        fmt.NOTHING if held is None else "yes" if held else "no",
        fmt.count(point.get("repetitions")),
        *(fmt.duration(_latency(point, span=span).get(name)) for name in ("p50", "p95", "p99")),
    )


def _part_title(found: Sequence[Mapping[str, Any]], *, part: str) -> str:
    ideal_s = next(
        (one["by_kind"][part]["ideal_s"] for one in found if part in one["by_kind"]), None
    )
    return f"{part}, {fmt.duration(ideal_s)} alone"


def _slowed_lane(summary: Summary, *, found: Mapping[str, Any], part: str) -> Lane:
    row = row_of(summary, found=found)
    slowed = (found["by_kind"].get(part) or {}).get("slowdown") or {}
    p50, p95, p99 = (slowed.get(name) for name in ("p50", "p95", "p99"))
    known = [value for value in (p95, p99) if value is not None]
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=marked(fmt.times(p50), row=row),
        marks=(
            Mark(sort="stem", at=p50, to=max(known, default=None)),
            Mark(sort="dot", at=p50),
            Mark(sort="small", at=p95),
            Mark(sort="tall", at=p99),
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _fair_cells(summary: Summary, *, found: Mapping[str, Any], part: str) -> tuple[str, ...]:
    one = found["by_kind"][part]
    return (
        named(row_of(summary, found=found)),
        part,
        fmt.duration(one["ideal_s"]),
        fmt.count(one["jobs"]),
        fmt.count(one["unfinished"]),
        *(
            fmt.number(value) if (value := one["slowdown"].get(name)) else fmt.NOTHING
            for name in ("p50", "p95", "p99")
        ),
        fmt.number(found.get("unfairness")),
    )
