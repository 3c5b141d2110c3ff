"""Draws charts as SVG. Colours leave here as CSS variables: the page decides on light and dark."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from report.palette import INK_SHADES, OTHER_SHADE, POOL_SHADES

Values = Sequence[Mapping[str, Any]]

#: Height of a contender's lane, pixels.
LANE = 26

#: Widths of a drawing, pixels: across the page, half of it, and a phone's 390 less its margins.
FULL, HALF, PHONE = 1_000, 480, 346

#: Room for figures at the right of the lanes, pixels.
_FIGURES = 76

#: Width that a letter of a label may need, pixels: the page's font is the reader's.
LETTER = 7.4

#: Width of a label on an axis, with its distance to the next, pixels.
_TICK_LABEL = 46

FONT_SIZE = 12

INK = {name: shade.light for name, shade in INK_SHADES.items()}

#: Colour in a drawing → CSS variable on the page.
VARIABLES: dict[str, str] = {
    **{shade.light: f"--pool-{pool}" for pool, shade in POOL_SHADES.items()},
    OTHER_SHADE.light: "--pool-other",
    **{shade.light: f"--{name}" for name, shade in INK_SHADES.items()},
}

#: What the figure around a drawing says already, or nobody sees.
_NOISE = re.compile(
    r" (?:aria-[a-z]+|role|class|pointer-events|stroke-miterlimit|xmlns:xlink|version"
    r'|font-family)="[^"]*"'
)
_HIDDEN = re.compile(r'<path d="(?:M0,0h0v0h0Z)?"(?: display="none")?/>')
_COLOUR = re.compile(r'(fill|stroke)="(#[0-9a-f]{6})"')
_LONG_NUMBER = re.compile(r"(\d+\.\d{2})\d+")

#: Seconds on an axis, in the unit that reads best.
_SECONDS = (
    "datum.value >= 1 ? format(datum.value, '~g') + ' s'"
    " : datum.value >= 0.001 ? format(datum.value * 1e3, '~g') + ' ms'"
    " : format(datum.value * 1e6, '~g') + ' µs'"
)

_CONFIG: dict[str, Any] = {
    "background": None,
    # the reader's font may be wider than the one that measured the text
    "padding": {"left": 2, "top": 4, "right": 12, "bottom": 4},
    "view": {"stroke": None},
    "font": "sans-serif",
    "concat": {"spacing": 10},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": INK["line"],
        "labelColor": INK["muted"],
        "labelFontSize": FONT_SIZE,
        "labelPadding": 6,
        "titleColor": INK["muted"],
        "titleFontSize": FONT_SIZE,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisY": {"labelColor": INK["ink"], "grid": False, "labelLimit": 160},
    "title": {
        "color": INK["ink"],
        "fontSize": 13,
        "fontWeight": 600,
        "anchor": "start",
        "frame": "group",
        "offset": 6,
    },
}


def draw_advantage(groups: Sequence[tuple[str, Values]], *, against: str, width: int) -> str:
    """Draw ``value`` with ``low`` to ``high`` from 1 on a logarithmic axis, a panel a group."""
    plot = _plot_width([value for _, values in groups for value in values], width=width)
    reached = [
        bound
        for _, values in groups
        for value in values
        for bound in (value["low"], value["high"])
        if bound is not None
    ]
    domain = (min([0.8, *reached]) / 1.05, max([1.5, *reached]) * 1.05)
    title = f"times the throughput of {against} (logarithmic)"
    panels = [
        _advantage_panel(
            values, domain=domain, width=plot, title=title if index == len(groups) - 1 else None
        ).properties(title=name)
        for index, (name, values) in enumerate(groups)
    ]
    return to_svg(alt.vconcat(*panels))


def draw_throughput(values: Values, *, dots: Values, width: int) -> str:
    """Draw ``median``, ``low`` to ``high`` and ``ceiling``, with a dot for each repetition."""
    plot = _plot_width(values, width=width)
    bounds = [value[name] or 0.0 for value in values for name in ("high", "ceiling")]
    scale = alt.Scale(domain=[0, max(bounds, default=0.0) * 1.03 or 1.0], nice=False)
    axis = alt.Axis(title="jobs per second", tickCount=plot // 55)
    base = _base(values)
    repetitions = base.properties(data=alt.InlineData(values=[dict(dot) for dot in dots]))
    x = alt.X("median:Q", scale=scale, axis=axis)
    valid, invalid = "datum.is_valid", "!datum.is_valid"
    layers = [
        base.mark_bar(height=12, opacity=0.28).encode(x=x, color=colour()),
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q"), color=colour()
        ),
        base.mark_tick(thickness=3, size=14).encode(x=x, color=colour()),
        base.mark_tick(thickness=2, size=20, color=INK["ink"]).encode(
            x=alt.X("ceiling:Q", scale=scale)
        ),
        repetitions.transform_filter(valid)
        .mark_circle(size=46, opacity=1, stroke=INK["ground"], strokeWidth=1.2)
        .encode(x=alt.X("per_s:Q", scale=scale), color=colour()),
        repetitions.transform_filter(invalid)
        .mark_text(text="×", fontSize=19, fontWeight="bold", color=INK["bad"])
        .encode(x=alt.X("per_s:Q", scale=scale)),
        *_figures(base, plot=plot, title="median"),
    ]
    return to_svg(_layered(layers, values=values, plot=plot))


def draw_latency(values: Values, *, title: str, width: int) -> str:
    """Draw ``p50`` as a dot and a line to ``p95`` and ``p99``, seconds, logarithmic."""
    plot = _plot_width(values, width=width)
    known = [value[name] for value in values for name in ("p50", "p99") if value[name]]
    low, high = min(known, default=0.001) / 1.15, max(known, default=1.0) * 1.15
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    ticks = log_ticks(low, high=high, plot=plot)
    axis = alt.Axis(title=f"{title} (logarithmic)", values=ticks, labelExpr=_SECONDS)
    base = _base(values)
    x = alt.X("p50:Q", scale=scale, axis=axis)
    layers = [
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=x, x2=alt.X2("p99:Q"), color=colour()),
        base.mark_circle(size=80, opacity=1).encode(x=x, color=colour()),
        base.mark_tick(thickness=2, size=10).encode(x=alt.X("p95:Q", scale=scale), color=colour()),
        base.mark_tick(thickness=2, size=16).encode(x=alt.X("p99:Q", scale=scale), color=colour()),
        *_figures(base, plot=plot, title="p50"),
    ]
    return to_svg(_layered(layers, values=values, plot=plot))


def draw_cost(values: Values, *, unit: str, width: int) -> str:
    """Draw ``cost`` as bars from zero."""
    plot = _plot_width(values, width=width)
    largest = max((value["cost"] or 0.0 for value in values), default=0.0)
    scale = alt.Scale(domain=[0, largest * 1.03 or 1.0], nice=False)
    base = _base(values)
    bars = base.mark_bar(height=12, opacity=0.75).encode(
        x=alt.X("cost:Q", scale=scale, axis=alt.Axis(title=unit, tickCount=plot // 55)),
        color=colour(),
    )
    layers = [bars, *_figures(base, plot=plot, title="median")]
    return to_svg(_layered(layers, values=values, plot=plot))


def _advantage_panel(
    values: Values, *, domain: tuple[float, float], width: int, title: str | None
) -> alt.LayerChart:
    low, high = domain
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    ticks = log_ticks(low, high=high, plot=width * 2)
    axis = alt.Axis(
        title=title, labels=title is not None, values=ticks, labelExpr="format(datum.value, '~g')"
    )
    base = _base(values, y_title=None).transform_calculate(one="1")
    x = alt.X("value:Q", scale=scale, axis=axis)
    one = alt.X("one:Q", scale=scale)
    layers = [
        alt.Chart(alt.InlineData(values=[{"one": 1}]))
        .mark_rule(color=INK["muted"], strokeWidth=1)
        .encode(x=one),
        base.mark_rule(strokeWidth=3, opacity=0.3).encode(
            x=one, x2=alt.X2("value:Q"), color=colour()
        ),
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q"), color=colour()
        ),
        base.mark_circle(size=60, opacity=1).encode(x=x, color=colour()),
        *_figures(base, plot=width),
    ]
    return _layered(layers, values=values, plot=width, lane=LANE - 9)


def _layered(
    layers: Sequence[alt.Chart], *, values: Values, plot: int, lane: int = LANE
) -> alt.LayerChart:
    """Return the layers on one plot; those without values of their own draw ``values``."""
    shared = alt.InlineData(values=[dict(value) for value in values])
    return alt.LayerChart(data=shared, layer=list(layers), width=plot, height=lane * len(values))


def _base(lanes: Values, *, y_title: str | None = "contender") -> alt.Chart:
    """Return a chart with a lane for each contender of ``lanes``, in their order."""
    axis = alt.Axis(
        title=y_title,
        titleAngle=0,
        titleAlign="right",
        titleX=-6,
        titleY=-6,
        minExtent=round(_longest(lanes) * LETTER) + 8,
    )
    names = [str(value["contender"]) for value in lanes]
    y = alt.Y("contender:N", sort=None, scale=alt.Scale(domain=names), axis=axis)
    encoded: alt.Chart = alt.Chart().encode(y=y)
    return encoded


def _figures(base: alt.Chart, *, plot: int, title: str = "") -> list[alt.Chart]:
    """Write each lane's ``text`` at its right end, where it can't cover a mark."""
    x = alt.XValue(plot)  # type: ignore[no-untyped-call]  # altair leaves it untyped
    figures = base.mark_text(align="left", dx=10, fontSize=FONT_SIZE, color=INK["ink"])
    written = [figures.encode(x=x, text=alt.Text("text:N"))]
    if not title:
        return written
    head = alt.Chart(alt.InlineData(values=[{"title": title}])).mark_text(
        align="left", dx=10, fontSize=FONT_SIZE, color=INK["muted"]
    )
    above = alt.YValue(-10)  # type: ignore[no-untyped-call]  # altair leaves it untyped
    return [*written, head.encode(x=x, y=above, text=alt.Text("title:N"))]


def colour() -> alt.Color:
    """Return the colour of ``shade``."""
    shades = {pool: shade.light for pool, shade in POOL_SHADES.items()}
    scale = alt.Scale(domain=list(shades), range=list(shades.values()))
    return alt.Color("shade:N", scale=scale, legend=None)


def widest(values: Values) -> float:
    """Return the room that the longest name of a contender may need, pixels."""
    return _longest(values) * LETTER


def _longest(values: Values) -> int:
    return max((len(str(value["contender"])) for value in values), default=0)


def _plot_width(values: Values, *, width: int) -> int:
    return round(width - _longest(values) * LETTER - 8 - _FIGURES)


def log_ticks(low: float, *, high: float, plot: int) -> list[float]:
    """Return steps of a decade within the bounds, as fine as labels have room on ``plot``."""
    decade = plot / math.log10(high / low)
    steps: tuple[int, ...] = (1,)
    if decade * math.log10(2) >= _TICK_LABEL:
        steps = (1, 2, 5)
    elif decade * math.log10(3) >= _TICK_LABEL:
        steps = (1, 3)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def to_svg(chart: alt.TopLevelMixin) -> str:
    """Return a chart as SVG, lean, its colours as variables of the page."""
    spec = {**chart.to_dict(validate=False), "config": _CONFIG}
    drawn = str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))
    lean = _LONG_NUMBER.sub(r"\1", _HIDDEN.sub("", _NOISE.sub("", drawn)))
    return _COLOUR.sub(_variable, lean)


def _variable(match: re.Match[str]) -> str:
    attribute, colour = match.groups()
    name = VARIABLES.get(colour)
    return f'{attribute}="var({name})"' if name else match.group()
