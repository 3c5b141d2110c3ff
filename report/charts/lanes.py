"""Specifications of lanes: one per contender, with bars, points and intervals along an axis.

A layer draws a field of a chart's rows; for a row without the field, it draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from report.charts.chart import Chart, Series, Spec, panels_of, series_of
from report.charts.style import CONFIG, colour, opacity, tooltip

#: Height of a lane, of a lane in one of several columns, and of a lane with a curve, pixels.
_LANE, _DENSE, _RIDGE = 24, 18, 44

#: Height of a bar, as a share of its lane.
_BAR = 0.62

#: Height of a curve's largest value in its lane, pixels.
_PEAK = 34

#: A cross, as a path within the unit square.
_CROSS = "M-1,-1L1,1M-1,1L1,-1"


def lane_chart(
    rows: Sequence[Spec],
    *,
    name: str,
    title: str,
    caption: str,
    titles: Mapping[str, str],
    x: Spec,
    layers: Sequence[Spec],
    behind: Sequence[Spec] = (),
    columns: int = 1,
    of: str = "contender",
) -> Chart:
    """Return a chart of lanes: a panel for each value of the rows' field ``panel``.

    Args:
        rows: determine the order of the lanes.
        name: unique in a report.
        title: text above the chart.
        caption: explanation of the marks.
        titles: columns of the table and lines of tooltips: field → title.
        x: the common axis of all lanes.
        layers: from the functions below, with fields in the unit of ``x``.
        behind: layers behind all lanes.
        columns: maximum number of panels side by side; with several, lanes are lower.
        of: what a lane is, as a title.
    """

    def draw(of_panel: Sequence[Spec]) -> Spec:
        series = series_of(of_panel)
        shown: Spec = {
            "encoding": {**_of_series(series), "tooltip": tooltip(titles, of=of)},
            "layer": [*(_along(layer, x=x) for layer in layers), _figure()],
        }
        height = (_DENSE if columns > 1 else _LANE) * len(series)
        return {"height": height, "layer": [*behind, shown]}

    return Chart(
        name=name,
        title=title,
        caption=caption,
        rows=rows,
        titles=titles,
        panels=panels_of(rows, draw=draw),
        columns=columns,
        of=of,
    )


def ridges(
    rows: Sequence[Spec], *, x: Spec, fields: Sequence[str], top: float, titles: Mapping[str, str]
) -> Spec:
    """Return lanes with curves: each row draws its fields from its ``x`` to its ``x2``.

    Args:
        rows: the rows of the chart; they determine the order of the lanes.
        x: the common axis of all lanes.
        fields: overlaid curves, the last one in the colour of its series, the others in grey.
        top: the value at the top of a lane.
        titles: lines of tooltips: field → title.
    """
    series = series_of(rows)
    at_x = {**x, "field": "x"}
    ends = [(_RIDGE + _PEAK) / 2, (_RIDGE - _PEAK) / 2]
    offset: Spec = {"type": "quantitative", "scale": {"domain": [0, top], "range": ends}}
    curves: list[Spec] = [
        {
            # without this, Vega-Lite draws the line along the axis of the lanes
            "mark": {"type": "line", "interpolate": "step-after", "orient": "vertical"},
            "encoding": {
                "x": at_x,
                "yOffset": {"field": field, **offset},
                "order": {"field": "x"},
                "detail": {"field": "series"},
                **({} if field == fields[-1] else {"color": {"value": "var(--muted)"}}),
            },
        }
        for field in fields
    ]
    # a line has only one tooltip, so a pale bar in front of each point has the point's
    bins: Spec = {
        "mark": {"type": "bar", "height": _PEAK, "fillOpacity": 0.08},
        "encoding": {"x": at_x, "x2": {"field": "x2"}, "tooltip": tooltip(titles)},
    }
    return {
        "height": _RIDGE * len(series),
        "encoding": _of_series(series, padding=0),
        "layer": [*curves, bins],
    }


def median_layers() -> list[Spec]:
    """Return the layers for `median_fields`: a bar with a tick at its end, and the range."""
    return [bar("median", opacity=0.3), line("low", "high"), tick("median", height=_BAR, width=3)]


def bar(field: str, *, opacity: float = 1) -> Spec:
    """Return a bar from the origin of the axis."""
    return {
        "mark": {"type": "bar", "height": {"band": _BAR}, "fillOpacity": opacity},
        "encoding": {"x": {"field": field, "stack": None}},
    }


def segments(start: str, end: str, *, by: str, colours: Mapping[str, str]) -> Spec:
    """Return bars between two fields, coloured by the field ``by``: value → colour."""
    scale = {"domain": [*colours], "range": [*colours.values()]}
    # the page disables legends, because it has its own of the series; two columns fit a phone
    look = {"disable": False, "columns": 2, "symbolType": "square", "symbolSize": 120}
    legend = {**CONFIG["legend"], **look}
    # not ``color``, whose scale is that of the series
    fill = {"field": by, "type": "nominal", "scale": scale, "legend": legend}
    return {
        "mark": {"type": "bar", "height": {"band": _BAR}},
        "encoding": {"x": {"field": start}, "x2": {"field": end}, "fill": fill, "color": None},
    }


def line(start: str, end: str, *, width: float = 2, opacity: float = 1) -> Spec:
    """Return a line between two fields, such as an interval."""
    return {
        "mark": {"type": "rule", "strokeWidth": width, "strokeOpacity": opacity},
        "encoding": {"x": {"field": start}, "x2": {"field": end}},
    }


def dot(field: str) -> Spec:
    """Return a dot with an outline in the background colour."""
    return {
        "mark": {
            "type": "circle",
            "size": 90,
            "opacity": 1,
            "stroke": "var(--ground)",
            "strokeWidth": 1,
        },
        "encoding": {"x": {"field": field}},
    }


def tick(field: str, *, height: float, width: float = 2, ink: str = "") -> Spec:
    """Return a vertical tick; ``height`` is a share of its lane, ``ink`` replaces the colour."""
    mark: Spec = {"type": "tick", "height": {"band": height}, "thickness": width}
    shade = {"color": {"value": ink}} if ink else {}
    return {"mark": mark, "encoding": {"x": {"field": field}, **shade}}


def rings(field: str, *, titles: Mapping[str, str]) -> Spec:
    """Return a small ring for each row, or a cross if ``is_invalid``."""

    def invalid(value: object, *, otherwise: object) -> Spec:
        return {"condition": {"test": "datum.is_invalid", "value": value}, "value": otherwise}

    return {
        "mark": {"type": "point", "strokeWidth": 1.4},
        "encoding": {
            "x": {"field": field},
            "shape": invalid(_CROSS, otherwise="circle"),
            "size": invalid(14, otherwise=26),
            "fill": invalid(None, otherwise="var(--ground)"),
            "color": invalid("var(--bad)", otherwise="var(--ink)"),
            "tooltip": tooltip(titles),
        },
    }


def guide(value: float, *, text: str) -> Spec:
    """Return a vertical line behind all lanes, with ``text`` as tooltip."""
    return {
        "data": {"values": [{"at": value, "text": text}]},
        "mark": {"type": "rule", "strokeWidth": 1},
        "encoding": {"x": {"field": "at", "type": "quantitative"}, "tooltip": {"field": "text"}},
    }


def _of_series(series: Sequence[Series], *, padding: float = 0.2) -> Spec:
    """Return the encoding of lanes: position, name and colour of each."""
    # a hidden series keeps its lane, so that the page's layout doesn't change
    places: Spec = {"domain": [one.name for one in series], "padding": padding}
    return {
        "y": {"field": "series", "type": "nominal", "title": None, "scale": places},
        "color": {**colour(series), "legend": None},
        "opacity": opacity(),
    }


def _along(layer: Spec, *, x: Spec) -> Spec:
    """Return the layer with the common axis for its x."""
    encoding = layer["encoding"]
    return {**layer, "encoding": {**encoding, "x": {**x, **encoding["x"]}}}


def _figure() -> Spec:
    """Return a layer with each lane's figure as text, right of the plot."""
    return {
        "transform": [{"filter": "isValid(datum.figure)"}],
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {
            "x": {"value": "width"},
            "text": {"field": "figure"},
            "color": {"value": "var(--ink)"},
        },
    }
