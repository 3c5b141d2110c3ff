"""Turns layers into a chart. Colours become CSS variables: the page decides on light and dark.

What a chart shows is decided elsewhere; here is what all of them look like.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

from report.charts.convert import to_svg
from report.charts.scales import Axis, log_ticks
from report.palette import INK_SHADES, pool_shade

#: Width that a letter of a label may need at 12 pixels: the page's font is the reader's.
LETTER = 7.2

#: What a short word of wide letters needs more, pixels.
_SLACK = 4.0

#: Sizes of words that Vega is not to measure: it leaves out those below zero. Measuring takes
#: vl-convert 0.15 ms a letter, half of a page's time, and the reader's font is another one anyway;
#: so a frame keeps room for words. The page has the usual size, which may grow on a phone.
USUAL, STRONG, SMALL, CROSS = -12.0, -13.0, -10.5, -19.0

#: Distance of a word's baseline below what it stands beside, pixels.
BASELINE = 4.0

#: Room that the label of a tick takes, with its distance to the next, pixels.
TICK_LABEL = 46.0

#: What is left of the opacity of the second of two equals.
PALE = 0.45

INK = {name: shade.light for name, shade in INK_SHADES.items()}

#: Who turns a chart into SVG: this process at once, or another one while this one goes on.
_CONVERT: ContextVar[Callable[[str], str]] = ContextVar("convert", default=to_svg)

_CONFIG: Mapping[str, Any] = {
    "background": None,
    "padding": 0,
    "view": {"stroke": None},
    "font": "sans-serif",
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": INK["line"],
        "domainColor": INK["line"],
        "tickColor": INK["line"],
        "labelColor": INK["muted"],
        "labelBaseline": "alphabetic",
        "labelFlush": False,
        "labelFontSize": USUAL,
        "labelLimit": 0,
        "titleBaseline": "alphabetic",
        "titleColor": INK["muted"],
        "titleFontSize": USUAL,
        "titleFontWeight": "normal",
    },
    "axisY": {"labelPadding": 8, "labelOffset": BASELINE},
    "text": {
        "align": "left",
        "baseline": "alphabetic",
        "color": INK["ink"],
        "dy": BASELINE,
        "fontSize": USUAL,
    },
}

_CHANNELS: Mapping[str, Any] = {
    "color": alt.Color,
    "fill": alt.Fill,
    "stroke": alt.Stroke,
    "opacity": alt.Opacity,
    "strokeWidth": alt.StrokeWidth,
    "strokeDash": alt.StrokeDash,
    "size": alt.Size,
}

#: altair leaves them untyped.
_FIXED: Mapping[str, Callable[[float], Any]] = {
    "x": alt.XValue,
    "x2": alt.X2Value,
    "y": alt.YValue,
    "y2": alt.Y2Value,
}

Values = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Datasets:
    """What a drawing's layers show, named: altair goes through all that stands within a layer."""

    values: dict[str, Values] = field(default_factory=dict)

    def layer(
        self, mark: Any, *, values: Values, at: Mapping[str, Any], **look: Any
    ) -> alt.UnitSpec:
        """Return a layer of one mark that shows ``values``; ``at`` are its channels."""
        name = f"values-{len(self.values)}"
        self.values[name] = values
        return alt.UnitSpec(
            data=alt.NamedData(name=name),
            mark=alt.MarkDef(type=mark, **look),
            encoding=alt.Encoding(**at),
        )

    def frame(self, *, left: float, right: float, top: float, bottom: float) -> alt.UnitSpec:
        """Return an unseen layer that keeps room: words are measured in another font than drawn."""
        values = [{"x": left, "to": right, "y": top, "down": bottom}]
        at = {**pixels(x="x", y="y"), "x2": alt.X2("to"), "y2": alt.Y2("down")}
        return self.layer("rect", values=values, at=at, opacity=0, color=INK["ground"])

    def to_svg(self, drawn: alt.TopLevelConcatSpec | alt.TopLevelLayerSpec) -> str:
        """Return a chart of these layers as SVG, lean, its colours as variables of the page."""
        spec = drawn.to_dict(validate=False) | {"config": _CONFIG, "datasets": self.values}
        return _CONVERT.get()(json.dumps(spec))


def unchecked() -> AbstractContextManager[None]:
    """Return a context in which altair checks no layer, which takes longer than drawing does."""
    return debug_mode(arg=False)


@contextmanager
def converted_by(convert: Callable[[str], str]) -> Iterator[None]:
    """Have ``convert`` make SVG of all charts within."""
    token = _CONVERT.set(convert)
    try:
        yield
    finally:
        _CONVERT.reset(token)


def hue(shade: str) -> str:
    """Return the colour of a shade's name, as drawings have it."""
    return pool_shade(shade).light


def given(**channels: str) -> dict[str, Any]:
    """Return the encoding of fields that hold colours, opacities, widths and dashes themselves."""
    return {
        channel: _CHANNELS[channel](name, type="nominal", scale=None)
        for channel, name in channels.items()
    }


def below(title: str, *, plot: float, left: float, right: float, growth: float) -> dict[str, Any]:
    """Return a lower axis's title and where its words stand.

    The title stands below the middle of the plot, or as near as the room at the plot's ``left`` and
    ``right`` lets it.
    """
    half = room([title], growth=growth) / 2
    middle = max(half - left, min(plot / 2, plot + right - half))
    places = {"labelPadding": 16 * growth, "titleX": middle, "titleY": 34 * growth}
    return {"title": title, **places}


def fixed(**places: float) -> dict[str, Any]:
    """Return the encoding of places that all values share, pixels."""
    return {channel: _FIXED[channel](place) for channel, place in places.items()}


def text_of(name: str = "text") -> alt.Text:
    """Return the encoding of a field that holds words."""
    return alt.Text(name, type="nominal")


def pixels(*, x: str = "", y: str = "") -> dict[str, Any]:
    """Return the encoding of fields that hold places in a plot, pixels."""
    across = {"x": alt.X(x, type="quantitative", scale=None, axis=None)} if x else {}
    down = {"y": alt.Y(y, type="quantitative", scale=None, axis=None)} if y else {}
    return across | down


def room(words: Iterable[str], *, growth: float = 1.0) -> float:
    """Return what the longest of some words may need, pixels; ``growth`` is that of the words."""
    longest = max((len(word) for word in words), default=0)
    # whole pixels, so that a drawing is as wide as was asked for
    return float(math.ceil((longest * LETTER + _SLACK) * growth)) if longest else 0.0


def scale_of(axis: Axis) -> alt.Scale:
    """Return the scale of an axis: what lies beyond its ends is drawn at them."""
    kind: Any = "log" if axis.is_log else "linear"
    return alt.Scale(type=kind, domain=[axis.low, axis.high], nice=False, zero=False, clamp=True)


def ticks_of(axis: Axis, *, pixels: float, apart: float = TICK_LABEL) -> dict[str, Any]:
    """Return the ticks of an axis: as many as have room, written as it says."""
    most = max(pixels / apart, 2.0)
    values = log_ticks(axis.low, high=axis.high, most=most) if axis.is_log else []
    # Vega may have up to 1.4 times as many as it is asked for
    count = min(most, 4) if axis.is_log else most / 1.4
    return {**({"values": values} if values else {"tickCount": count}), "labelExpr": axis.show}
