"""What each chart of the page shows: its values, how to read it, and the same as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from report import charts, curves
from report import format as fmt
from report.limits import SIGN
from report.naming import label
from report.palette import shade_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart with everything a reader may need of it."""

    title: str
    #: How to read it.
    caption: str
    #: SVG for a wide screen and for a phone.
    wide: str
    narrow: str
    #: What it shows, in words, for those who can't see it.
    label: str
    #: Its data as a table.
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def advantage(summary: Mapping[str, Any]) -> Picture:
    """Draw every workload's throughput as multiples of its baseline's: the run in one picture."""
    groups = [
        (verdict["workload"], _advantage_values(summary, verdict=verdict))
        for verdict in summary["verdicts"]
    ]
    baselines = sorted({verdict["baseline"] or "" for verdict in summary["verdicts"]} - {""})
    against = fmt.listed(baselines) or "the slowest"
    is_claim = any(verdict["smallest_difference"] is not None for verdict in summary["verdicts"])
    reach = "95 % interval" if is_claim else "range of the repetitions"
    cells = tuple(
        (workload, value["contender"], *_advantage_cells(value))
        for workload, values in groups
        for value in values
    )
    return Picture(
        title=f"How many times the throughput of {against}?",
        caption=f"Dot: geometric mean of the paired repetitions' ratios. Line: {reach}.",
        wide=charts.draw_advantage(groups, against=against, width=charts.HALF),
        narrow=charts.draw_advantage(groups, against=against, width=charts.PHONE),
        label=f"Throughput of each contender in each workload, as multiples of {against}.",
        header=("workload", "contender", "ratio", "from", "to"),
        cells=cells,
    )


def throughput(summary: Mapping[str, Any], *, workload: str) -> Picture:
    """Draw a workload's throughput: median, range, each repetition, and the ceiling."""
    rows = _rows(summary, workload=workload)
    values = [_throughput_value(row) for row in rows]
    dots = [
        {
            "contender": label(row),
            "shade": shade_name(row),
            "per_s": trial["throughput_per_s"],
            "is_valid": trial["mark"] != "!",
        }
        for row in rows
        for trial in summary["trials"]
        if (trial["contender"], trial["workload"]) == (row["contender"], workload)
        and not trial["is_pilot"]
        and trial["throughput_per_s"] is not None
    ]
    cells = tuple(
        (
            str(value["contender"]),
            fmt.number(value["median"]),
            fmt.span(value["low"], high=value["high"]),
            fmt.number(value["ceiling"]),
        )
        for value in values
    )
    return Picture(
        title="Throughput",
        caption=(
            "Bar: median. Line: range. Dots: each repetition; a cross is an invalid one. "
            "Tick: ceiling, what the workload allows without Celery."
        ),
        wide=charts.draw_throughput(values, dots=dots, width=charts.FULL),
        narrow=charts.draw_throughput(values, dots=dots, width=charts.PHONE),
        label=f"Jobs per second of each contender on {workload}, with range and ceiling.",
        header=("contender", "jobs/s", "range", "ceiling"),
        cells=cells,
    )


def latency(summary: Mapping[str, Any], *, workload: str, span: str, title: str) -> Picture:
    """Draw p50, p95 and p99 of ``wait`` or ``execution`` on a logarithmic axis."""
    rows = _rows(summary, workload=workload)
    names = ("p50", "p95", "p99")
    values: list[dict[str, Any]] = [
        {"contender": label(row), "shade": shade_name(row)}
        | {name: (row[f"{span}_s"] or {}).get(name) for name in names}
        | {"text": _marked(fmt.duration((row[f"{span}_s"] or {}).get("p50")), row=row)}
        for row in rows
    ]
    cells = tuple(
        (str(value["contender"]), *(fmt.duration(value[name]) for name in names))
        for value in values
    )
    return Picture(
        title=title,
        caption="Dot: p50. Line: to p95 (small tick) and p99 (end). Logarithmic axis.",
        wide=charts.draw_latency(values, title=span, width=charts.HALF),
        narrow=charts.draw_latency(values, title=span, width=charts.PHONE),
        label=f"{span} of each contender on {workload}: p50, p95 and p99.",
        header=("contender", *names),
        cells=cells,
    )


def cost(
    summary: Mapping[str, Any],
    *,
    workload: str,
    column: str,
    title: str,
    unit: str,
    show: Callable[[float | None], str],
    scale: float = 1.0,
) -> Picture:
    """Draw one cost of a workload as bars; ``scale`` brings the figure to the axis's unit."""
    rows = _rows(summary, workload=workload)
    values = [
        {
            "contender": label(row),
            "shade": shade_name(row),
            "cost": None if row[column] is None else row[column] * scale,
            "text": _marked(show(row[column]), row=row),
        }
        for row in rows
    ]
    return Picture(
        title=title,
        caption="Median of the repetitions.",
        wide=charts.draw_cost(values, unit=unit, width=charts.HALF),
        narrow=charts.draw_cost(values, unit=unit, width=charts.PHONE),
        label=f"{title} of each contender on {workload}.",
        header=("contender", title),
        cells=tuple((str(value["contender"]), str(value["text"])) for value in values),
    )


def crossover(summary: Mapping[str, Any], *, found: Mapping[str, Any]) -> Picture:
    """Draw throughput over the share of computing, with the places where processes take over."""
    rows = {row["contender"]: row for row in summary["rows"]}
    turns: dict[str, int] = {}
    values: list[dict[str, Any]] = []
    for line in found["lines"]:
        shade = shade_name(rows[line["contender"]])
        turns[shade] = turns.get(shade, -1) + 1
        about = {"contender": label(rows[line["contender"]]), "shade": shade, "turn": turns[shade]}
        values += [about | point | {"x": point["share"]} for point in line["points"]]
    marks = [
        {"x": place, "text": f"{boundary['contender']} leads from {fmt.plain(place)}"}
        for boundary in found["boundaries"]
        if (place := boundary["share"]) is not None
    ]
    draw = partial(
        curves.draw_curves,
        values,
        marks=marks,
        x_title="share of a job that computes",
        y_title="jobs per second (logarithmic)",
    )
    return Picture(
        title="Where the pools change places",
        caption=(
            "Dot: median of the repetitions. Upright line: their range. Straight lines between "
            "measured shares are for the eye, and what a crossing is read off from."
        ),
        wide=draw(width=charts.FULL),
        narrow=draw(width=charts.PHONE),
        label="Jobs per second of each contender over the share of a job that computes.",
        header=("contender", *(f"{share:g}" for share in found["shares"])),
        cells=tuple(_crossover_cells(line, rows=rows, found=found) for line in found["lines"]),
    )


def _crossover_cells(
    line: Mapping[str, Any], *, rows: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]
) -> tuple[str, ...]:
    known = {point["share"]: point for point in line["points"]}
    figures = (
        _marked(fmt.number(known[share]["median"]), row=known[share]) if share in known else "–"
        for share in found["shares"]
    )
    return (label(rows[line["contender"]]), *figures)


def _rows(summary: Mapping[str, Any], *, workload: str) -> list[Mapping[str, Any]]:
    return [row for row in summary["rows"] if row["workload"] == workload]


def _advantage_values(
    summary: Mapping[str, Any], *, verdict: Mapping[str, Any]
) -> list[dict[str, Any]]:
    even = {"value": 1.0, "low": 1.0, "high": 1.0}
    values = []
    for row in _rows(summary, workload=verdict["workload"]):
        found = verdict["to_baseline"].get(row["contender"])
        if row["contender"] == verdict["baseline"]:
            found = even
        text = "invalid" if row["mark"] == "!" else fmt.times(found["value"]) if found else "–"
        values.append(
            {"contender": label(row), "shade": shade_name(row)}
            | (found or dict.fromkeys(even))
            | {"text": _marked(text, row=row)}
        )
    return values


def _advantage_cells(value: Mapping[str, Any]) -> tuple[str, str, str]:
    return (str(value["text"]), fmt.times(value["low"]), fmt.times(value["high"]))


def _throughput_value(row: Mapping[str, Any]) -> dict[str, Any]:
    per_s = row["throughput_per_s"] or dict.fromkeys(("median", "low", "high"))
    text = f"{fmt.number(per_s['median'])}{f' {SIGN}' if row['limits'] else ''}"
    return {
        "contender": label(row),
        "shade": shade_name(row),
        "ceiling": row["ceiling_per_s"],
        "text": _marked(text, row=row),
        **per_s,
    }


def _marked(text: str, *, row: Mapping[str, Any]) -> str:
    """Return a figure with its row's mark: a doubtful number never stands without it."""
    return f"{text} {row['mark']}" if row["mark"] else text
