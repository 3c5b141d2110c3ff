"""Pictures of what contenders can do and what it costs: advantage, throughput, cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from report import format as fmt
from report.charts.lanes import GROWTH, PHONE, Lane, Layout, Mark, Panel, draw_lanes, lane_height
from report.charts.picture import (
    Picture,
    Row,
    Summary,
    both,
    half,
    marked,
    named,
    rows_of,
    twins_told,
)
from report.charts.scales import from_zero, logarithmic
from report.palette import shade_name
from report.rows.harness_ceilings import SIGN

#: Room that the lanes of the first screen's picture share, pixels.
_FIRST_SCREEN = 430.0

_NO_RATIO: dict[str, float | None] = {"value": None, "low": None, "high": None}


def advantage(summary: Summary) -> Picture:
    """Draw every workload's throughput as multiples of its baseline's: the run in one picture."""
    groups = [
        (verdict["workload"], _ratios(summary, verdict=verdict)) for verdict in summary["verdicts"]
    ]
    baselines = sorted({verdict["baseline"] or "" for verdict in summary["verdicts"]} - {""})
    against = fmt.listed(baselines) or "the slowest"
    is_claim = any(verdict["smallest_difference"] is not None for verdict in summary["verdicts"])
    reach = "95 % interval" if is_claim else "range of the repetitions"
    floor = max((one or 0.0 for one in (summary.get("noise_floor") or {}).values()), default=0.0)
    caption = f"Dot: geometric mean of the paired repetitions' ratios. Line: {reach}."
    if floor:
        caption += f" Band: within {fmt.percent(floor)} of equal, two equal contenders differ too."
    return Picture(
        title=f"How many times the throughput of {against}?",
        caption=caption + twins_told(summary["rows"]),
        **both(lambda width: _draw_advantage(groups, against=against, width=width, floor=floor)),
        label=f"Throughput of each contender in each workload, as multiples of {against}.",
        header=("workload", "contender", "ratio", "from", "to"),
        cells=tuple(
            (workload, named(row), text, fmt.times(ratio["low"]), fmt.times(ratio["high"]))
            for workload, ratios in groups
            for row, ratio, text in ratios
        ),
    )


def throughput(summary: Summary, *, workload: str) -> Picture:
    """Draw a workload's throughput: median, range, each repetition, and the ceiling."""
    rows = rows_of(summary, workload=workload)
    lanes = tuple(_throughput_lane(row, trials=summary["trials"]) for row in rows)
    axis = from_zero(
        (mark.to if mark.to is not None else mark.at for lane in lanes for mark in lane.marks),
        title="jobs per second",
    )
    return Picture(
        title="Throughput",
        caption=(
            "Bar: median. Line: range. Dots: each repetition; a cross is an invalid one. "
            "Dark tick: ceiling, what the workload allows without Celery." + twins_told(rows)
        ),
        **both(
            lambda width: draw_lanes(
                [Panel(title="", lanes=lanes)],
                axis=axis,
                layout=Layout(width=width, head="median"),
            )
        ),
        label=f"Jobs per second of each contender on {workload}, with range and ceiling.",
        header=("contender", "jobs/s", "range", "ceiling"),
        cells=tuple(_throughput_cells(row) for row in rows),
    )


def cost(
    summary: Summary,
    *,
    workload: str,
    column: str,
    title: str,
    unit: str,
    show: Callable[[float | None], str],
    scale: float = 1.0,
) -> Picture:
    """Draw one cost of a workload as bars; ``scale`` brings the figure to the axis's unit."""
    rows = rows_of(summary, workload=workload)
    figures = [None if row.get(column) is None else row[column] * scale for row in rows]
    lanes = tuple(
        Lane(
            name=named(row),
            shade=shade_name(row),
            text=marked(show(row.get(column)), row=row),
            marks=(Mark(sort="block", at=None if figure is None else 0.0, to=figure),),
            is_twin=bool(row.get("is_twin")),
        )
        for row, figure in zip(rows, figures, strict=True)
    )
    return Picture(
        title=title,
        caption="Median of the repetitions.",
        **half(
            lambda width: draw_lanes(
                [Panel(title="", lanes=lanes)],
                axis=from_zero(figures, title=unit),
                layout=Layout(width=width, head="median", growth=GROWTH),
            )
        ),
        label=f"{title} of each contender on {workload}.",
        header=("contender", title),
        cells=tuple((lane.name, lane.text) for lane in lanes),
    )


#: A row, its ratio, and the ratio in words.
_Ratio = tuple[Row, Mapping[str, float | None], str]


def _ratios(summary: Summary, *, verdict: Mapping[str, Any]) -> list[_Ratio]:
    found: list[_Ratio] = []
    for row in rows_of(summary, workload=verdict["workload"]):
        ratio = _ratio(row["contender"], verdict=verdict)
        text = "invalid" if row["mark"] == "!" else fmt.times(ratio["value"]) if ratio else "–"
        found.append((row, ratio or _NO_RATIO, marked(text, row=row)))
    return found


def _ratio(contender: str, *, verdict: Mapping[str, Any]) -> Mapping[str, float | None] | None:
    """Return a contender's ratio to the baseline; a twin's by the one that it is a second time.

    A twin takes no part in comparisons. Its interval is that of the two equals alone, so that how
    far it reaches is the noise.
    """
    pair = verdict.get("equal_pair") or {}
    if contender == verdict["baseline"]:
        return {"value": 1.0, "low": 1.0, "high": 1.0}
    if contender == pair.get("twin") and pair.get("ratio"):
        original = _ratio(pair["contender"], verdict=verdict) or {}
        times = original.get("value")
        return {end: times * value for end, value in pair["ratio"].items()} if times else None
    found: Mapping[str, float | None] | None = verdict["to_baseline"].get(contender)
    return found


def _draw_advantage(
    groups: Sequence[tuple[str, Sequence[_Ratio]]], *, against: str, width: float, floor: float
) -> str:
    columns = 2 if width > PHONE and len(groups) > 1 else 1
    every = [bound for _, ratios in groups for _, ratio, _ in ratios for bound in ratio.values()]
    lanes = max((len(ratios) for _, ratios in groups), default=1)
    down = -(-len(groups) // columns)
    layout = Layout(
        width=width,
        columns=columns,
        lane=lane_height(lanes * down, most=_FIRST_SCREEN - 36 * down),
        guide=1.0,
        band=(1 / (1 + floor), 1 + floor) if floor else None,
    )
    title = f"times the throughput of {against} (logarithmic)"
    axis = logarithmic([0.8, 1.5, *every], title=title, beyond=1.05)
    panels = [
        Panel(title=workload, lanes=tuple(_ratio_lane(one) for one in ratios))
        for workload, ratios in groups
    ]
    return draw_lanes(panels, axis=axis, layout=layout)


def _ratio_lane(found: _Ratio) -> Lane:
    row, ratio, text = found
    value = ratio["value"]
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=text,
        marks=(
            Mark(sort="faint", at=None if value is None else 1.0, to=value),
            Mark(sort="reach", at=ratio["low"], to=ratio["high"]),
            Mark(sort="dot", at=value),
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _throughput_lane(row: Row, *, trials: Sequence[Mapping[str, Any]]) -> Lane:
    per_s = row["throughput_per_s"] or dict.fromkeys(("median", "low", "high"))
    repetitions = tuple(
        Mark(sort="cross" if trial["mark"] == "!" else "repetition", at=trial["throughput_per_s"])
        for trial in trials
        if (trial["contender"], trial["workload"]) == (row["contender"], row["workload"])
        and not trial["is_pilot"]
    )
    sign = f" {SIGN}" if row["limits"] else ""
    return Lane(
        name=named(row),
        shade=shade_name(row),
        text=marked(f"{fmt.number(per_s['median'])}{sign}", row=row),
        marks=(
            Mark(sort="bar", at=None if per_s["median"] is None else 0.0, to=per_s["median"]),
            Mark(sort="reach", at=per_s["low"], to=per_s["high"]),
            Mark(sort="value", at=per_s["median"]),
            Mark(sort="ceiling", at=row["ceiling_per_s"]),
            *repetitions,
        ),
        is_twin=bool(row.get("is_twin")),
    )


def _throughput_cells(row: Row) -> tuple[str, ...]:
    per_s = row["throughput_per_s"] or dict.fromkeys(("median", "low", "high"))
    return (
        named(row),
        fmt.number(per_s["median"]),
        fmt.span(per_s["low"], high=per_s["high"]),
        fmt.number(row["ceiling_per_s"]),
    )
