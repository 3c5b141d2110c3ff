"""Specifications of lanes: one lane a contender, with bars, points and intervals along an axis.

A layer draws fields of a chart's rows; a row without the field draws nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from report.charts.chart import Chart, Series, Spec, panels_of, series_of
from report.charts.style import colour, opacity, tooltip

#: Height of a lane, of one in several panels, and of one that holds a curve, pixels.
_LANE, _DENSE, _RIDGE = 24, 18, 44

#: The share of its lane that a bar fills.
_BAR = 0.62

#: The height that a curve's largest value reaches in its lane, pixels.
_PEAK = 34

#: A cross, as a path within the unit square.
_CROSS = "M-1,-1L1,1M-1,1L1,-1"


def lane_chart(
    rows: Sequence[Spec],
    *,
    name: str,
    title: str,
    caption: str,
    told: Mapping[str, str],
    x: Spec,
    layers: Sequence[Spec],
    behind: Sequence[Spec] = (),
    columns: int = 1,
) -> Chart:
    """Return a chart of lanes: a panel for each value of the rows' field ``panel``.

    Args:
        rows: lanes come in their order.
        name: unique in a report.
        title: above the chart.
        caption: how to read it.
        told: what table and tooltips show: field → title.
        x: the axis that all lanes share.
        layers: made by the functions below, of fields in the unit of ``x``.
        behind: layers behind all lanes.
        columns: panels beside each other where there is room; lanes of several are lower.
    """

    def draw(of_panel: Sequence[Spec]) -> Spec:
        series = series_of(of_panel)
        shown: Spec = {
            "encoding": {**_of_series(series), "tooltip": tooltip(told)},
            "layer": [*(_along(layer, x=x) for layer in layers), _figure()],
        }
        height = (_DENSE if columns > 1 else _LANE) * len(series)
        return {"height": height, "layer": [*behind, shown]}

    return Chart(
        name=name,
        title=title,
        caption=caption,
        rows=rows,
        told=told,
        panels=panels_of(rows, draw=draw),
        columns=columns,
    )


def ridges(
    rows: Sequence[Spec], *, x: Spec, fields: Sequence[str], top: float, told: Mapping[str, str]
) -> Spec:
    """Return lanes that hold curves: each row draws its fields from its ``x`` to its ``x2``.

    Args:
        rows: of the chart; lanes come in their order.
        x: the axis that all lanes share.
        fields: drawn upon each other, the last one in the colour of its series, others in grey.
        top: the value that reaches a lane's top.
        told: what a tooltip shows: field → title.
    """
    series = series_of(rows)
    at_x = {**x, "field": "x"}
    ends = [(_RIDGE + _PEAK) / 2, (_RIDGE - _PEAK) / 2]
    offset: Spec = {"type": "quantitative", "scale": {"domain": [0, top], "range": ends}}
    curves: list[Spec] = [
        {
            # upright: Vega-Lite takes the lanes for the axis that the line follows
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
    # a line has one tooltip for all of its points; a pale bar before each has its own
    bins: Spec = {
        "mark": {"type": "bar", "height": _PEAK, "fillOpacity": 0.08},
        "encoding": {"x": at_x, "x2": {"field": "x2"}, "tooltip": tooltip(told)},
    }
    return {
        "height": _RIDGE * len(series),
        "encoding": _of_series(series, padding=0),
        "layer": [*curves, bins],
    }


def median_layers() -> list[Spec]:
    """Return the layers of `median_fields`: a bar with a tick at its end, and the range."""
    return [bar("median", opacity=0.3), line("low", "high"), tick("median", height=_BAR, width=3)]


def bar(field: str, *, opacity: float = 1) -> Spec:
    """Return a bar from the axis's origin."""
    return {
        "mark": {"type": "bar", "height": {"band": _BAR}, "fillOpacity": opacity},
        "encoding": {"x": {"field": field, "stack": None}},
    }


def line(start: str, end: str, *, width: float = 2, opacity: float = 1) -> Spec:
    """Return a line between two fields, such as an interval."""
    return {
        "mark": {"type": "rule", "strokeWidth": width, "strokeOpacity": opacity},
        "encoding": {"x": {"field": start}, "x2": {"field": end}},
    }


def dot(field: str) -> Spec:
    """Return a dot with a rim in the colour of the ground."""
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
    """Return an upright tick, ``height`` of its lane high; in the series' colour or in ink."""
    mark: Spec = {"type": "tick", "height": {"band": height}, "thickness": width}
    shade = {"color": {"value": ink}} if ink else {}
    return {"mark": mark, "encoding": {"x": {"field": field}, **shade}}


def rings(field: str, *, told: Mapping[str, str]) -> Spec:
    """Return a small ring for each row; a cross where ``is_invalid``."""

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
            "tooltip": tooltip(told),
        },
    }


def guide(value: float, *, told: str) -> Spec:
    """Return an upright line behind all lanes; its tooltip is ``told``."""
    return {
        "data": {"values": [{"at": value, "told": told}]},
        "mark": {"type": "rule", "strokeWidth": 1},
        "encoding": {"x": {"field": "at", "type": "quantitative"}, "tooltip": {"field": "told"}},
    }


def band(low: float, high: float, *, told: str) -> Spec:
    """Return an upright band behind all lanes; its tooltip is ``told``."""
    return {
        "data": {"values": [{"low": low, "high": high, "told": told}]},
        "mark": {"type": "rect", "color": "var(--line)"},
        "encoding": {
            "x": {"field": "low", "type": "quantitative"},
            "x2": {"field": "high"},
            "tooltip": {"field": "told"},
        },
    }


def _of_series(series: Sequence[Series], *, padding: float = 0.2) -> Spec:
    """Return the encoding of lanes: each has its place, its name, its colour."""
    # a lane keeps its place if a reader hides its series: the page doesn't jump
    places: Spec = {"domain": [one.name for one in series], "padding": padding}
    return {
        "y": {"field": "series", "type": "nominal", "title": None, "scale": places},
        "color": {**colour(series), "legend": None},
        "opacity": opacity(),
    }


def _along(layer: Spec, *, x: Spec) -> Spec:
    """Return a layer whose x has the axis that all layers share."""
    encoding = layer["encoding"]
    return {**layer, "encoding": {**encoding, "x": {**x, **encoding["x"]}}}


def _figure() -> Spec:
    """Return each lane's figure as text, right of the plot, where it covers no mark."""
    return {
        "transform": [{"filter": "isValid(datum.figure)"}],
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {
            "x": {"value": "width"},
            "text": {"field": "figure"},
            "color": {"value": "var(--ink)"},
        },
    }
