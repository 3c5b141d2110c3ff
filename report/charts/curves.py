"""Specifications of lines over an axis, one per contender, with points and intervals.

Rows have ``x`` and fields to draw: ``y`` is a point on the line, ``low`` and ``high`` its interval,
``law`` a point of a fitted curve. If ``is_hollow``, the point is a ring instead of a dot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from report.charts.chart import Chart, Panel, Spec, series_of
from report.charts.style import colour, dashes, opacity, tooltip

#: Height of the plot, and of a line of text above it, pixels.
_HEIGHT, _NOTE = 320, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A value on the x axis with a vertical line and a text."""

    x: float
    text: str


def curve_chart(
    rows: Sequence[Spec],
    *,
    name: str,
    title: str,
    caption: str,
    titles: Mapping[str, str],
    x: Spec,
    y: Spec,
    line: str = "y",
    flags: Sequence[Flag] = (),
    bound: float | None = None,
    notes: tuple[str, ...] = (),
) -> Chart:
    """Return a chart of lines with their points.

    Args:
        rows: rows with the fields described above.
        name: unique in a report.
        title: text above the chart.
        caption: explanation of the marks.
        titles: columns of the table and lines of tooltips: field → title.
        x: the axis of the field ``x``.
        y: the axis of the fields ``y``, ``low``, ``high`` and ``law``.
        line: the field of the lines, ``y`` or ``law``.
        flags: marked values on the x axis.
        bound: a value of y, marked by a horizontal line.
        notes: sentences below the chart.
    """
    series = series_of(rows)
    at_x = {**x, "field": "x"}

    def at_y(field: str) -> Spec:
        return {**y, "field": field}

    lines: Spec = {
        "transform": [{"filter": f"isValid(datum.{line})"}],
        "mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round"},
        "encoding": {
            "y": at_y(line),
            "strokeDash": dashes(series),
            "tooltip": {"field": "series", "title": "contender"},
        },
    }
    intervals: Spec = {
        "mark": {"type": "rule", "strokeWidth": 2, "strokeOpacity": 0.55},
        "encoding": {"y": at_y("low"), "y2": {"field": "high"}, "tooltip": tooltip(titles)},
    }
    points: Spec = {
        "transform": [{"filter": "isValid(datum.y)"}],
        "mark": {"type": "point", "size": 50, "strokeWidth": 1.8},
        "encoding": {
            "y": at_y("y"),
            "fill": {
                "condition": {"test": "datum.is_hollow", "value": "var(--ground)"},
                **colour(series),
            },
            "tooltip": tooltip(titles),
        },
    }
    shown: Spec = {
        "encoding": {"x": at_x, "color": colour(series), "opacity": opacity()},
        "layer": [lines, intervals, points],
    }
    across = [] if bound is None else [_across(bound)]
    spec: Spec = {"height": _HEIGHT, "layer": [*across, *_flags(flags, x=at_x), shown]}
    return Chart(
        name=name,
        title=title,
        caption=caption,
        rows=rows,
        titles=titles,
        panels=[Panel(spec=spec)],
        notes=notes,
    )


def _flags(flags: Sequence[Flag], *, x: Spec) -> list[Spec]:
    """Return a vertical line for each flag, with its text at the top.

    In the left third of the plot, the text is right of its line; in the right third, left of it;
    otherwise above it. So all texts are inside the plot.
    """
    layers: list[Spec] = []
    for row, flag in enumerate(sorted(flags, key=lambda one: one.x)):
        top = (row - len(flags)) * _NOTE
        share = _share(flag.x, x=x)
        is_centred = 1 / 3 < share < 2 / 3
        text: Spec = {"type": "text", "text": flag.text, "color": "var(--muted)", "baseline": "top"}
        if is_centred:
            text |= {"align": "center"}
        else:
            text |= {"align": "left", "dx": 6} if share < 1 / 2 else {"align": "right", "dx": -6}
        layers.append(
            {
                "data": {"values": [{"x": flag.x, "place": flag.text}]},
                "encoding": {"x": x, "tooltip": {"field": "place"}},
                "layer": [
                    {
                        "mark": {"type": "rule", "strokeDash": [3, 3]},
                        "encoding": {
                            "y": {"value": top + _NOTE if is_centred else top},
                            "y2": {"value": _HEIGHT},
                        },
                    },
                    {"mark": text, "encoding": {"y": {"value": top}}},
                ],
            }
        )
    return layers


def _share(value: float, *, x: Spec) -> float:
    """Return the position of a value on an axis, from 0 at the low end to 1 at the high end."""
    low, high = x["scale"]["domain"]
    if x["scale"].get("type") == "log":
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))


def _across(bound: float) -> Spec:
    return {
        "data": {"values": [{"bound": bound, "text": "objective"}]},
        "mark": {"type": "rule", "strokeDash": [3, 3]},
        "encoding": {"y": {"field": "bound", "type": "quantitative"}, "tooltip": {"field": "text"}},
    }
