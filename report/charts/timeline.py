"""The chart of how trials went: jobs that arrived, waited, ran and ended, CPU and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Panel, Spec, largest, of_row, row_of
from report.charts.style import linear
from report.result import RowSummary, Summary
from report.trials.timeline import Timeline, TimelinePoint

#: Most points that all timelines of a report have together, for the page's size; and the fewest
#: bins of one.
_MOST_POINTS, _LEAST_BINS = 800, 8

#: Field → what it is, and its unit.
_PANELS: Mapping[str, tuple[str, str]] = {
    "done": ("done", "jobs/s"),
    "backlog": ("backlog", "jobs"),
    "in_flight": ("in flight", "jobs"),
    "cores": ("busy cores", ""),
    "rss": ("memory", "MB"),
}


def timeline(summary: Summary, *, workload: str) -> Chart | None:
    """Return one trial of each contender, bin by bin; None where no trial has its timeline kept."""
    most = max(_LEAST_BINS, _MOST_POINTS // max(1, len(summary.timelines)))
    found = [_merged(one, most=most) for one in summary.timelines if one.workload == workload]
    if not found:
        return None
    contenders = [row_of(summary, contender=one.contender, workload=workload) for one in found]
    has_arrivals = not any(row.is_backlog for row in contenders)
    rows = [
        point
        for row, one in zip(contenders, found, strict=True)
        for point in _points(row, one=one, has_arrivals=has_arrivals)
    ]
    told = {"at": "after", **({"arrivals": "arrived, jobs/s"} if has_arrivals else {})}
    told |= {field: ", ".join(filter(None, words)) for field, words in _PANELS.items()}
    arrivals = "Grey: arrivals." if has_arrivals else "All jobs were due at once."
    widths = fmt.listed([fmt.duration(width) for width in sorted({one.bin_s for one in found})])
    return Chart(
        name=f"timeline-{workload}",
        title="How it went",
        caption=(
            f"One trial of each, that of median throughput. {arrivals} Backlog: due and not "
            "started. Memory is RSS: pages that processes share count for each. "
            f"Bins of {widths}."
        ),
        rows=rows,
        told=told,
        panels=[_panel(field, rows=rows, told=told) for field in _PANELS],
        columns=3,
    )


def _panel(field: str, *, rows: Sequence[Spec], told: Mapping[str, str]) -> Panel:
    name, unit = _PANELS[field]
    fields = ["arrivals", field] if field == "done" else [field]
    top = largest(rows, fields=fields)
    spec = lanes.ridges(
        rows,
        x=linear("seconds", rows=rows, fields=["x2"]),
        fields=fields,
        top=top,
        told=told,
    )
    return Panel(title=f"{name}, 0 to {fmt.plain(top)} {unit}".rstrip(), spec=spec)


def _merged(one: Timeline, *, most: int) -> Timeline:
    """Return a timeline of at most ``most`` bins: each holds several of the original's."""
    size = max(1, math.ceil(len(one.points) / most))
    groups = [one.points[start : start + size] for start in range(0, len(one.points), size)]
    return replace(one, bin_s=one.bin_s * size, points=tuple(_one_bin(group) for group in groups))


def _one_bin(points: Sequence[TimelinePoint]) -> TimelinePoint:
    """Return what several bins hold together: counts add up, states are those at the end."""
    cores = [point.cpu_cores for point in points if point.cpu_cores is not None]
    return replace(
        points[-1],
        t_s=points[0].t_s,
        arrivals=sum(point.arrivals for point in points),
        done=sum(point.done for point in points),
        cpu_cores=sum(cores) / len(cores) if cores else None,
    )


def _points(row: RowSummary, *, one: Timeline, has_arrivals: bool) -> list[Spec]:
    """Return a row for each bin, and one where the last one ends."""
    rows: list[Spec] = []
    for point in one.points:
        width_s = min(one.bin_s, one.lasted_s - point.t_s) or one.bin_s
        fields: Spec = {
            "done": _digits(point.done / width_s),
            "backlog": point.backlog,
            "in_flight": point.in_flight,
            "cores": _digits(point.cpu_cores),
            "rss": _digits(point.rss_bytes, scale=1e-6),
            **({"arrivals": _digits(point.arrivals / width_s)} if has_arrivals else {}),
        }
        end_s = point.t_s + width_s
        rows.append(of_row(row, x=point.t_s, x2=end_s, at=fmt.duration(point.t_s), **fields))
        if point is one.points[-1]:
            rows.append(of_row(row, x=end_s, **fields))
    return rows


def _digits(value: float | None, *, scale: float = 1.0) -> float | str:
    """Return a value with three significant digits, as tooltips show it; text draws nothing."""
    return fmt.NOTHING if value is None else float(f"{value * scale:.3g}")
