"""The chart of trials over time: jobs that arrived, waited, ran and ended, CPU, memory, levels."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Panel, Spec, largest, of_row, row_of
from report.charts.style import linear
from report.result import RowSummary, Summary
from report.trials.timeline import LevelPoint, Timeline, TimelinePoint

#: Maximum number of points in all timelines of a report, to limit the page's size; and minimum
#: number of bins of one timeline.
_MOST_POINTS, _LEAST_BINS = 800, 8

#: Field → its name, and its unit.
_PANELS: Mapping[str, tuple[str, str]] = {
    "done": ("done", "jobs/s"),
    "backlog": ("backlog", "jobs"),
    "in_flight": ("in flight", "jobs"),
    "cores": ("busy cores", ""),
    "rss": ("memory", "MB"),
}

#: Levels, each second: field → its name, and its unit. One without a number above 0 isn't drawn.
_LEVELS: Mapping[str, tuple[str, str]] = {
    "queue_jobs": ("in the queue", "jobs"),
    "unacked_jobs": ("unacknowledged", "jobs"),
    "prefetch_count": ("prefetch count", "jobs"),
    "reserved_jobs": ("reserved", "jobs"),
    "countdown_jobs": ("waiting countdowns", "jobs"),
    "connections": ("connections", ""),
    "pss_bytes": ("PSS", "MB"),
}


def timeline(summary: Summary, *, workload: str) -> Chart | None:
    """Return the chart of one trial of each contender; None without a timeline."""
    most = max(_LEAST_BINS, _MOST_POINTS // max(1, len(summary.timelines)))
    found = [_merged(one, most=most) for one in summary.timelines if one.workload == workload]
    if not found:
        return None
    levels = _seen_levels(found)
    panels = {**_PANELS, **levels}
    contenders = [row_of(summary, contender=one.contender, workload=workload) for one in found]
    has_arrivals = not any(row.is_backlog for row in contenders)
    rows = [
        point
        for row, one in zip(contenders, found, strict=True)
        for point in _points(row, one=one, has_arrivals=has_arrivals, levels=levels)
    ]
    titles = {"at": "after", **({"arrivals": "arrived, jobs/s"} if has_arrivals else {})}
    titles |= {field: ", ".join(filter(None, words)) for field, words in panels.items()}
    arrivals = "Grey: arrivals." if has_arrivals else "All jobs were due at once."
    widths = fmt.listed([fmt.duration(width) for width in sorted({one.bin_s for one in found})])
    sampled = fmt.listed([name for name, _ in levels.values()])
    sampled = f"Sampled each second: {sampled}. " if sampled else ""
    return Chart(
        name=f"timeline-{workload}",
        title="Timeline",
        caption=(
            f"One trial of each contender, with median throughput. {arrivals} Backlog: due and not "
            "started. Memory is RSS: pages that processes share count for each. "
            f"{sampled}Bins of {widths}."
        ),
        rows=rows,
        titles=titles,
        panels=[
            _panel(field, words=words, rows=rows, titles=titles) for field, words in panels.items()
        ],
        columns=3,
    )


def _seen_levels(timelines: Iterable[Timeline]) -> dict[str, tuple[str, str]]:
    """Return the levels that have a number above 0."""
    points = [point for one in timelines for point in one.levels]
    return {
        field: words
        for field, words in _LEVELS.items()
        if any(getattr(point, field) for point in points)
    }


def _panel(
    field: str, *, words: tuple[str, str], rows: Sequence[Spec], titles: Mapping[str, str]
) -> Panel:
    name, unit = words
    fields = ["arrivals", field] if field == "done" else [field]
    top = largest(rows, fields=fields)
    spec = lanes.ridges(
        rows,
        x=linear("seconds", rows=rows, fields=["x2"]),
        fields=fields,
        top=top,
        titles=titles,
    )
    return Panel(title=f"{name}, 0 to {fmt.plain(top)} {unit}".rstrip(), spec=spec)


def _merged(one: Timeline, *, most: int) -> Timeline:
    """Return a timeline of at most ``most`` bins, each from one or more of the original's."""
    size = max(1, math.ceil(len(one.points) / most))
    groups = [one.points[start : start + size] for start in range(0, len(one.points), size)]
    return replace(one, bin_s=one.bin_s * size, points=tuple(_one_bin(group) for group in groups))


def _one_bin(points: Sequence[TimelinePoint]) -> TimelinePoint:
    """Return several bins as one: counts are summed, states are those at the end."""
    cores = [point.cpu_cores for point in points if point.cpu_cores is not None]
    return replace(
        points[-1],
        t_s=points[0].t_s,
        arrivals=sum(point.arrivals for point in points),
        done=sum(point.done for point in points),
        cpu_cores=sum(cores) / len(cores) if cores else None,
    )


def _points(
    row: RowSummary, *, one: Timeline, has_arrivals: bool, levels: Iterable[str]
) -> list[Spec]:
    """Return a row for each bin, and a row at the end of the last bin."""
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
        fields |= _level_fields(one.levels, names=levels, end_s=end_s)
        rows.append(of_row(row, x=point.t_s, x2=end_s, at=fmt.duration(point.t_s), **fields))
        if point is one.points[-1]:
            rows.append(of_row(row, x=end_s, **fields))
    return rows


def _level_fields(points: Sequence[LevelPoint], *, names: Iterable[str], end_s: float) -> Spec:
    """Return the levels of the last sample before the end of a bin."""
    place = bisect_right(points, end_s, key=lambda point: point.t_s)
    last = points[place - 1] if place else LevelPoint(t_s=0)
    scales = {"pss_bytes": 1e-6}
    return {name: _digits(getattr(last, name), scale=scales.get(name, 1)) for name in names}


def _digits(value: float | None, *, scale: float = 1.0) -> float | str:
    """Return a value with three significant digits; without a value, a text, which isn't drawn."""
    return fmt.NOTHING if value is None else float(f"{value * scale:.3g}")
