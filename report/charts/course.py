"""The picture of how trials went: jobs that came, waited, ran and ended, CPU and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from report import format as fmt
from report.charts.lanes import PHONE
from report.charts.multiples import Course, Sheet, Strip, draw_multiples
from report.charts.picture import Picture, Summary, both, named, row_of, twins_told
from report.charts.scales import Axis, to_round
from report.palette import shade_name

#: Plots beside each other on a wide screen, all of them, and on a phone.
_WIDE, _NARROW = 5, 3

_MEGA = 1e-6

_HEADER = ("contender", "after", "came", "done", "backlog", "in flight", "busy cores", "RSS")


def course(summary: Summary, *, workload: str) -> Picture | None:
    """Draw one trial of each contender bin by bin; None where no trial has its course kept."""
    found = [one for one in summary.get("timelines") or [] if one["workload"] == workload]
    if not found:
        return None
    rows = [row_of(summary, found=one) for one in found]
    has_arrivals = not any(row.get("is_backlog") for row in rows)
    strips = [
        _strip(one, row=row, has_arrivals=has_arrivals)
        for one, row in zip(found, rows, strict=True)
    ]
    columns = _columns(strips)
    longest_s = max(strip.lasted for strip in strips)
    x = Axis(title="seconds", low=0.0, high=longest_s)
    came = "Grey: jobs that came. " if has_arrivals else "All jobs came at once. "
    return Picture(
        title="How it went",
        caption=(
            f"One trial of each, that of median throughput. {came}Backlog: due and not started. "
            "Memory is RSS: pages that processes share count for each. "
            f"Bins of {_widths(found)}." + twins_told(rows)
        ),
        **both(lambda width: _draw(strips, x=x, columns=columns, width=width)),
        label=f"Jobs done, backlog, jobs in flight, busy cores and memory over time on {workload}.",
        header=_HEADER,
        cells=tuple(
            _cells(point, name=named(row))
            for one, row in zip(found, rows, strict=True)
            for point in one["points"]
        ),
    )


def _widths(found: Sequence[Mapping[str, Any]]) -> str:
    return fmt.listed([fmt.duration(width) for width in sorted({one["bin_s"] for one in found})])


def _draw(strips: Sequence[Strip], *, x: Axis, columns: tuple[Axis, ...], width: float) -> str:
    beside = _NARROW if width <= PHONE else _WIDE
    return draw_multiples(strips, sheet=Sheet(x=x, columns=columns, width=width, beside=beside))


def _columns(strips: Sequence[Strip]) -> tuple[Axis, ...]:
    titles = ("done, jobs/s", "backlog, jobs", "in flight, jobs", "busy cores", "memory, MB")
    return tuple(
        to_round(
            (value for strip in strips for one in strip.cells[place] for value in one.values),
            title=title,
        )
        for place, title in enumerate(titles)
    )


def _strip(one: Mapping[str, Any], *, row: Mapping[str, Any], has_arrivals: bool) -> Strip:
    points, bin_s = one["points"], one["bin_s"]
    lasted_s = one.get("lasted_s") or bin_s * len(points)
    widths_s = [min(bin_s, lasted_s - point["t_s"]) or bin_s for point in points]

    def per_s(name: str) -> tuple[float | None, ...]:
        both = zip(points, widths_s, strict=True)
        return tuple(point[name] / width_s for point, width_s in both)

    def plain(name: str, scale: float = 1.0) -> tuple[float | None, ...]:
        values = [point.get(name) for point in points]
        return tuple(None if value is None else value * scale for value in values)

    came = (Course(values=per_s("arrivals"), is_ground=True),) if has_arrivals else ()
    return Strip(
        name=named(row),
        shade=shade_name(row),
        width=bin_s,
        lasted=lasted_s,
        cells=(
            (*came, Course(values=per_s("done"))),
            (Course(values=plain("backlog")),),
            (Course(values=plain("in_flight")),),
            (Course(values=plain("cpu_cores")),),
            (Course(values=plain("rss_bytes", _MEGA)),),
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _cells(point: Mapping[str, Any], *, name: str) -> tuple[str, ...]:
    return (
        name,
        f"{point['t_s']:g} s",
        *(fmt.count(point[key]) for key in ("arrivals", "done", "backlog", "in_flight")),
        fmt.number(point.get("cpu_cores")),
        fmt.size(point.get("rss_bytes")),
    )
