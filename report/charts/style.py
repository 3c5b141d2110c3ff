"""Theme, axes, colours and tooltips of all charts, as parts of a Vega-Lite specification."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from report.charts.chart import Series, Spec, largest, values_of

#: Formats of numbers on an axis, as Vega expressions: 0.5 · 20 · 1.5k; 2 s · 50 ms · 300 µs.
SHORT = "abs(datum.value) < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"
SECONDS = (
    "datum.value >= 1 ? format(datum.value, '~g') + ' s'"
    " : datum.value >= 0.001 ? format(datum.value * 1e3, '~g') + ' ms'"
    " : format(datum.value * 1e6, '~g') + ' µs'"
)

#: Opacity of the A/A control.
PALE = 0.45

#: Smallest ratio of its ends at which an axis is logarithmic.
_FAR_APART = 8.0

#: Maximum number of decades of an axis, and its labels within each decade.
_STEPS = ((1.4, (1, 2, 5)), (2.6, (1, 3)))

#: Vega's configuration. Colours are CSS variables, so that they follow the colour scheme.
CONFIG: Spec = {
    "font": "system-ui, sans-serif",
    "background": None,
    "aria": False,
    "padding": 2,
    "view": {"stroke": None},
    "title": {"color": "var(--ink)", "fontSize": 13, "anchor": "start"},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 12,
        "labelOverlap": "parity",
        "labelSeparation": 8,
        "titleColor": "var(--muted)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": "var(--line)",
        "domain": False,
        "ticks": False,
        "labelPadding": 7,
    },
    "axisBand": {
        "grid": False,
        "labelColor": "var(--ink)",
        "labelLimit": 140,
        "labelOverlap": False,
    },
    "legend": {
        "title": None,
        "orient": "bottom",
        "columns": 4,
        "symbolSize": 250,
        "symbolType": "stroke",
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--muted)"},
}


def linear(title: str, *, rows: Iterable[Spec], fields: Sequence[str], show: str = SHORT) -> Spec:
    """Return an axis from 0 to a round number above the largest value of the fields."""
    scale = {"domain": [0, largest(rows, fields=fields)], "nice": True}
    return _axis(title, scale=scale, labelExpr=show, tickCount=6)


def logarithmic(
    title: str,
    *,
    rows: Iterable[Spec],
    fields: Sequence[str],
    also: Sequence[float] = (),
    beyond: float = 1.15,
    show: str = SHORT,
) -> Spec:
    """Return a logarithmic axis around the fields' values and ``also``; around 1 without any."""
    values = [*also, *values_of(rows, fields=fields)]
    known = [value for value in values if value > 0]
    low, high = min(known, default=0.5) / beyond, max(known, default=2.0) * beyond
    scale = {"type": "log", "domain": [low, high], "nice": False}
    ticks = _log_ticks(low, high=high)
    values_or_none = {"values": ticks} if ticks else {}
    return _axis(f"{title} (logarithmic)", scale=scale, labelExpr=show, **values_or_none)


def reaching(
    title: str, *, rows: Iterable[Spec], beyond: float = 1.0, has_ticks: bool = False
) -> Spec:
    """Return an axis over the field ``x`` of points, logarithmic if its ends are far apart.

    With ``has_ticks``, the axis has a label at each value, if there is room.
    """
    points = [row for row in rows if "y" in row]
    known = sorted(set(values_of(points, fields=["x"]))) or [0.0, 1.0]
    low, high = known[0], known[-1]
    if low > 0 and high / low >= _FAR_APART:
        axis = logarithmic(title, rows=points, fields=["x"], beyond=beyond)
    else:
        ends = [low if low < high else low - 1, high]
        axis = _axis(title, scale={"domain": ends, "zero": False, "nice": False}, labelExpr=SHORT)
    return axis | {"axis": {**axis["axis"], "values": known}} if has_ticks else axis


def colour(series: Sequence[Series]) -> Spec:
    """Return the colours of some series."""
    scale = {"domain": [one.name for one in series], "range": [one.colour for one in series]}
    return {"field": "series", "type": "nominal", "scale": scale}


def dashes(series: Sequence[Series]) -> Spec:
    """Return the dashes of some series."""
    scale = {"domain": [one.name for one in series], "range": [one.dash for one in series]}
    return {"field": "series", "type": "nominal", "scale": scale}


def opacity() -> Spec:
    """Return the opacity of marks: the A/A control is pale."""
    return {"condition": {"test": "datum.is_pale", "value": PALE}, "value": 1}


def tooltip(titles: Mapping[str, str], *, of: str = "contender") -> list[Spec]:
    """Return a tooltip with a row's series and the given text fields: field → title."""
    shown = {"series": of, **titles}
    return [{"field": name, "title": title} for name, title in shown.items()]


def _axis(title: str, *, scale: Spec, **look: object) -> Spec:
    return {"type": "quantitative", "title": title, "scale": scale, "axis": look}


def _log_ticks(low: float, *, high: float) -> list[float]:
    """Return powers of ten, with steps between them if there are few decades.

    Empty if fewer than three are within the bounds; Vega then chooses the ticks.
    """
    decades = math.log10(high / low)
    steps = next((steps for most, steps in _STEPS if decades < most), (1,))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in powers for step in steps]
    within = [tick for tick in ticks if low <= tick <= high]
    return within if len(within) > 2 else []
