"""Pictures of where a job's time goes: its parts side by side, and the producer's own lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.charts.lanes import PHONE, Lane, Layout, Mark, Panel, draw_lanes, lane_height
from report.charts.picture import Picture, Row, Summary, both, marked, named, rows_of, twins_told
from report.charts.scales import SECONDS, logarithmic
from report.palette import shade_name

#: Percentiles of the tables; pictures have the three that every trial's jobs suffice for.
PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9")

_READING = "Dot and figure: p50. Line: to p95 (small tick) and p99 (end)."

#: Room that the lanes of one panel of the split share, pixels.
_SPLIT = 210.0

#: Height of a lane that has a histogram, pixels.
_HISTOGRAM = 46.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a job's time, between two of its moments."""

    name: str
    title: str
    #: Where a row has it: in `wait_parts_s` under its name, or in a column of its own.
    column: str


PARTS = (
    Part(name="lag", title="Lag: due → sent", column="lag_s"),
    Part(name="broker", title="Broker: sent → received", column=""),
    Part(name="prefetch", title="Prefetch: received → started", column=""),
    Part(name="wait", title="Wait: due → started", column="wait_s"),
    Part(name="execution", title="Execution: started → finished", column="execution_s"),
    Part(name="response", title="Response: due → finished", column="response_s"),
)


def split(summary: Summary, *, workload: str) -> Picture:
    """Draw the percentiles of each part of a job's time, and of the whole, on one axis."""
    rows = rows_of(summary, workload=workload)
    shown = [part for part in PARTS if any(_of(row, part=part) for row in rows)] or [PARTS[3]]
    every = [
        _of(row, part=part).get(name)
        for part in shown
        for row in rows
        for name in ("p50", "p95", "p99")
    ]
    axis = logarithmic(every, title="time (logarithmic)", show=SECONDS)
    panels = [
        Panel(title=part.title, lanes=tuple(_lane(row, part=part) for row in rows))
        for part in shown
    ]
    return Picture(
        title="Where a job's time goes",
        caption=(
            f"{_READING} Percentiles of parts don't add up to those of the whole, so nothing is "
            "stacked." + twins_told(rows)
        ),
        **both(lambda width: _draw_split(panels, axis=axis, width=width, rows=len(rows))),
        label=f"Percentiles of each part of a job's time on {workload}, of each contender.",
        header=("part", "contender", "p50", "p90", "p95", "p99", "p99.9"),
        cells=tuple(
            (part.title, named(row), *percentile_cells(_of(row, part=part)))
            for part in shown
            for row in rows
        ),
    )


def first_response(summary: Summary) -> Picture:
    """Draw how long jobs took from due to their end, a panel a workload."""
    part = PARTS[5] if any(_of(row, part=PARTS[5]) for row in summary["rows"]) else PARTS[3]
    names = [verdict["workload"] for verdict in summary["verdicts"]]
    panels = [
        Panel(
            title=name,
            lanes=tuple(_lane(row, part=part) for row in rows_of(summary, workload=name)),
        )
        for name in names
    ]
    every = [
        _of(row, part=part).get(name) for row in summary["rows"] for name in ("p50", "p95", "p99")
    ]
    axis = logarithmic(every, title="time (logarithmic)", show=SECONDS)
    lanes = max((len(panel.lanes) for panel in panels), default=1)
    return Picture(
        title=f"How long does a job take? {part.title}",
        caption=f"{_READING} Shorter is better." + twins_told(summary["rows"]),
        **both(lambda width: _draw_split(panels, axis=axis, width=width, rows=lanes)),
        label="Percentiles of the time from due to the end, of each contender in each workload.",
        header=("workload", "contender", "p50", "p90", "p95", "p99", "p99.9"),
        cells=tuple(
            (name, named(row), *percentile_cells(_of(row, part=part)))
            for name in names
            for row in rows_of(summary, workload=name)
        ),
    )


def lag_histogram(summary: Summary, *, workload: str) -> Picture | None:
    """Draw how late the producer sent jobs; None where none were due one by one."""
    rows = [row for row in rows_of(summary, workload=workload) if row.get("lag_histogram")]
    if not rows:
        return None
    bins = sorted({(one["from_s"], one["to_s"]) for row in rows for one in row["lag_histogram"]})
    axis = logarithmic(
        [end for ends in bins for end in ends], title="lag (logarithmic)", show=SECONDS
    )
    most = max(max(_shares(row).values()) for row in rows)
    lanes = tuple(_histogram(row, most=most) for row in rows)
    return Picture(
        title="How late the producer was",
        caption=(
            "Height: share of the jobs that were sent so long after they were due; figure: p99. "
            f"The tallest column is {fmt.percent(most)} of a contender's jobs."
        ),
        **both(
            lambda width: draw_lanes(
                [Panel(title="", lanes=lanes)],
                axis=axis,
                layout=Layout(width=width, head="p99", lane=_HISTOGRAM),
            )
        ),
        label=f"Histogram of the producer's lag on {workload}, for each contender.",
        header=("from", "to", *(named(row) for row in rows)),
        cells=tuple(
            (
                fmt.duration(start),
                fmt.duration(end),
                *(fmt.count(_counts(row).get((start, end), 0)) for row in rows),
            )
            for start, end in bins
        ),
    )


def percentile_cells(found: Mapping[str, float | None]) -> tuple[str, ...]:
    """Return the cells of a table for `PERCENTILES`."""
    return tuple(fmt.duration(found.get(name)) for name in PERCENTILES)


def _of(row: Row, *, part: Part) -> Mapping[str, Any]:
    parts: Mapping[str, Any] = row.get("wait_parts_s") or {}
    return parts.get(part.name) or (row.get(part.column) if part.column else None) or {}


def _lane(row: Row, *, part: Part) -> Lane:
    found = _of(row, part=part)
    p50, p95, p99 = (found.get(name) for name in ("p50", "p95", "p99"))
    known = [value for value in (p95, p99) if value is not None]
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=marked(fmt.duration(p50), row=row),
        marks=(
            Mark(sort="stem", at=p50, to=max(known, default=None)),
            Mark(sort="dot", at=p50),
            Mark(sort="small", at=p95),
            Mark(sort="tall", at=p99),
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _draw_split(panels: Sequence[Panel], *, axis: Any, width: float, rows: int) -> str:
    is_narrow = width <= PHONE
    columns = 1 if is_narrow else min(3, max(1, len(panels)))
    layout = Layout(
        width=width,
        columns=columns,
        lane=lane_height(rows, most=150.0 if is_narrow else _SPLIT),
        names_each=columns == 1,
    )
    return draw_lanes(panels, axis=axis, layout=layout)


def _counts(row: Row) -> dict[tuple[float, float], int]:
    return {(one["from_s"], one["to_s"]): one["jobs"] for one in row["lag_histogram"]}


def _shares(row: Row) -> dict[tuple[float, float], float]:
    counts = _counts(row)
    total = sum(counts.values()) or 1
    return {ends: jobs / total for ends, jobs in counts.items()}


def _histogram(row: Row, *, most: float) -> Lane:
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=marked(fmt.duration(_of(row, part=PARTS[0]).get("p99")), row=row),
        marks=tuple(
            Mark(sort="column", at=start, to=end, level=share / most)
            for (start, end), share in _shares(row).items()
            if share
        ),
        is_twin=bool(row.get("is_twin")),
    )
