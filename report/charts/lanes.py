"""Draws panels of lanes, one lane a contender: dots, bars and reaches along a shared axis.

What a contender's lane says is told by marks in the axis's unit; no figure is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from report.charts.drawing import (
    CROSS,
    INK,
    PALE,
    STRONG,
    Datasets,
    below,
    fixed,
    given,
    hue,
    pixels,
    room,
    scale_of,
    text_of,
    ticks_of,
    unchecked,
)
from report.charts.scales import Axis

#: Height of a lane, pixels: usual, and the least that can be read.
LANE, LEAST_LANE = 26.0, 14.0

#: How many times larger a phone shows the words of a drawing of half the page, since it shrinks it.
GROWTH = 4 / 3

#: Widths of a drawing, pixels: of the page, of half of it, and of a phone's 390 less its margins.
FULL, HALF, PHONE = 1_076, 516, 346

#: Heights, pixels: of a panel's title, and of an axis with its unit below.
_TITLE, _AXIS = 24.0, 38.0

#: How much wider the letters of a title are.
_WIDER = 1.2

#: Distances of panels, pixels: beside each other, and above each other.
_BESIDE, _BELOW = 36.0, 12.0

#: Room after the names and before the figures, pixels.
_GAP = 10.0

#: Height above the lanes where heads stand, pixels.
_HEAD = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One shape in a lane, in the axis's unit; its sort is one of `SORTS`."""

    sort: str
    at: float | None
    #: Where a bar or a line ends.
    to: float | None = None
    #: Height as a share of the lane: of a column.
    level: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A contender's place in a panel."""

    name: str
    #: Which of the palette's colours it has.
    shade: str
    #: Its figure, written at the right, where it can't cover a mark.
    text: str = ""
    marks: tuple[Mark, ...] = ()
    #: Whether it is muted: the second of two equals.
    is_twin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lanes below a title."""

    title: str
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How panels are laid out."""

    #: Of the whole drawing, pixels.
    width: float
    #: Panels beside each other.
    columns: int = 1
    lane: float = LANE
    #: Stands above the figures: what they are.
    head: str = ""
    #: Whether names stand at each panel, or at the first column's alone.
    names_each: bool = True
    #: An upright line at this value, and a band around it.
    guide: float | None = None
    band: tuple[float, float] | None = None
    #: How many times larger the page may show words where it shrinks the drawing.
    growth: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sort:
    """How a mark is drawn: Vega's mark, its size as a share of the lane, and its look."""

    mark: str
    share: float = 0.0
    opacity: float = 1.0
    #: Of a rule, or of a circle's rim, pixels.
    line: float = 0.0
    #: Which channel has the contender's colour; empty where the look has a colour of its own.
    channel: str = "color"
    look: Mapping[str, Any] = field(default_factory=dict)


_CROSS = {
    "text": "×",
    "fontSize": CROSS,
    "dy": 6,
    "fontWeight": 700,
    "align": "center",
    "color": INK["bad"],
}

#: Sort of a mark → how it is drawn. Bars end at ``to``, rules are lines to it.
SORTS: Mapping[str, _Sort] = {
    "bar": _Sort(mark="bar", share=0.46, opacity=0.28),
    "block": _Sort(mark="bar", share=0.46),
    "reach": _Sort(mark="rule", line=2),
    "stem": _Sort(mark="rule", line=2, opacity=0.55),
    "faint": _Sort(mark="rule", line=3, opacity=0.3),
    "value": _Sort(mark="tick", share=0.54, look={"thickness": 3}),
    "small": _Sort(mark="tick", share=0.38, look={"thickness": 2}),
    "tall": _Sort(mark="tick", share=0.62, look={"thickness": 2}),
    "ceiling": _Sort(
        mark="tick", share=0.76, channel="", look={"thickness": 2, "color": INK["ink"]}
    ),
    "dot": _Sort(mark="circle", share=0.36),
    "repetition": _Sort(mark="circle", share=0.29, line=1.3, look={"stroke": INK["ground"]}),
    "ring": _Sort(
        mark="circle", share=0.3, line=1.8, channel="stroke", look={"fill": INK["ground"]}
    ),
    "cross": _Sort(mark="text", channel="", look=_CROSS),
    "column": _Sort(mark="rect"),
}


def draw_lanes(panels: Sequence[Panel], *, axis: Axis, layout: Layout) -> str:
    """Draw the panels row by row; under the last one of each column stands the axis."""
    with unchecked():
        return _Drawer(panels, axis=axis, layout=layout).draw()


def lane_height(lanes: int, *, most: float) -> float:
    """Return how high each of so many lanes can be where all have ``most`` pixels."""
    return min(LANE, max(LEAST_LANE, most / max(lanes, 1)))


class _Drawer:
    """Draws panels that share an axis and a layout."""

    def __init__(self, panels: Sequence[Panel], *, axis: Axis, layout: Layout) -> None:
        every = [lane for panel in panels for lane in panel.lanes]
        self.panels, self.axis, self.layout = panels, axis, layout
        self.names = room((lane.name for lane in every), growth=layout.growth) + _GAP
        words = [layout.head, *(lane.text for lane in every)]
        self.figures = room(words, growth=layout.growth) + _GAP
        self.between = _BESIDE + self.figures + (self.names if layout.names_each else 0.0)
        free = layout.width - self.names - self.figures - (layout.columns - 1) * self.between
        self.plot = int(free / layout.columns)
        self.has_titles = any(panel.title for panel in panels)
        # titles begin above the plot, or all of them further left where it is narrower than one
        titles = room((panel.title for panel in panels), growth=_WIDER)
        self.begins = min(0.0, self.plot + self.figures - titles)
        self.below = _BELOW + (_TITLE if self.has_titles else 0.0)
        self.scale = scale_of(axis)
        self.datasets = Datasets()

    def draw(self) -> str:
        """Return the drawing."""
        drawn = alt.TopLevelConcatSpec(
            concat=[self._panel(panel, place=place) for place, panel in enumerate(self.panels)],
            columns=self.layout.columns,
            spacing={"column": self.between, "row": self.below},
            bounds="flush",
        )
        return self.datasets.to_svg(drawn)

    def _panel(self, panel: Panel, *, place: int) -> alt.LayerSpec:
        columns = self.layout.columns
        is_last = place + columns >= len(self.panels)
        has_names = self.layout.names_each or place % columns == 0
        y = self._y(panel, has_names=has_names)
        height = self.layout.lane * len(panel.lanes)
        layers = [
            *([] if place else [self._frame()]),
            *self._ground(is_last=is_last),
            *self._marks(panel, y=y),
            *self._words(panel, y=y, has_names=has_names, has_heads=place < columns),
        ]
        return alt.LayerSpec(layer=layers, width=self.plot, height=height)

    def _frame(self) -> alt.UnitSpec:
        """Keep room for all panels, as the first one of them sees it."""
        lanes = [len(panel.lanes) for panel in self.panels]
        starts = range(0, len(lanes), self.layout.columns)
        tall = [max(lanes[at : at + self.layout.columns]) * self.layout.lane for at in starts]
        return self.datasets.frame(
            left=-self.names,
            right=self.layout.width - self.names,
            top=-_TITLE if self.has_titles else -1.5 * _HEAD,
            bottom=sum(tall) + (len(tall) - 1) * self.below + _AXIS * self.layout.growth,
        )

    def _y(self, panel: Panel, *, has_names: bool) -> alt.Y:
        """Return the lanes, with their contenders' names at the left."""
        twins = [lane.name for lane in panel.lanes if lane.is_twin]
        muted = {"test": {"field": "value", "oneOf": twins}, "value": INK["muted"]}
        axis = alt.Axis(
            title=None,
            grid=False,
            labelPadding=_GAP,
            labelColor={"condition": muted, "value": INK["ink"]} if twins else INK["ink"],
        )
        names = [lane.name for lane in panel.lanes]
        scale = alt.Scale(domain=names)
        return alt.Y(
            "lane", type="nominal", sort=None, scale=scale, axis=axis if has_names else None
        )

    def _ground(self, *, is_last: bool) -> Iterator[alt.UnitSpec]:
        """Draw what lies below the lanes: a band and a line. The first layer has the axis."""
        layout, axis = self.layout, self.axis
        told = below(
            axis.title if is_last else "",
            plot=self.plot,
            left=self.names,
            right=self.figures,
            growth=layout.growth,
        )
        ticks = ticks_of(axis, pixels=self.plot / layout.growth)
        lower = alt.Axis(labels=is_last, **told, **ticks)
        x = alt.X("at", type="quantitative", scale=self.scale, axis=lower)
        low, high = layout.band or (axis.low, axis.low)
        band = [{"at": low, "to": high}]
        at = {"x": x, "x2": alt.X2("to")}
        yield self.datasets.layer("rect", values=band, at=at, color=INK["line"], opacity=0.6)
        if layout.guide is not None:
            values = [{"at": layout.guide}]
            yield self.datasets.layer("rule", values=values, at={"x": x}, color=INK["muted"])

    def _marks(self, panel: Panel, *, y: alt.Y) -> Iterator[alt.UnitSpec]:
        """Draw the marks, a layer for each look, in the order in which lanes have them."""
        found: dict[str, tuple[_Sort, list[dict[str, Any]]]] = {}
        for index, lane in enumerate(panel.lanes):
            for mark in lane.marks:
                sort = SORTS[mark.sort]
                is_whole = sort.mark not in {"bar", "rule", "rect"} or mark.to is not None
                if mark.at is not None and is_whole:
                    value = self._value(lane, mark=mark, bottom=(index + 1) * self.layout.lane - 2)
                    key = f"{sort.mark}{sort.channel}{sort.look}"
                    found.setdefault(key, (sort, []))[1].append(value)
        for sort, values in found.values():
            yield self._layer(sort, values=values, y=y)

    def _value(self, lane: Lane, *, mark: Mark, bottom: float) -> dict[str, Any]:
        sort, tall = SORTS[mark.sort], self.layout.lane
        value: dict[str, Any] = {
            "lane": lane.name,
            "hue": hue(lane.shade),
            "opacity": sort.opacity * (PALE if lane.is_twin else 1.0),
            "at": mark.at,
            "to": mark.to,
            "line": sort.line,
            "size": tall * sort.share,
        }
        if sort.mark == "circle":
            value["size"] = math.pi / 4 * max(5.2, min(tall, LANE) * sort.share) ** 2
        if sort.mark == "rect":
            value |= {"top": bottom - (tall - 4) * mark.level, "bottom": bottom}
        return value

    def _layer(self, sort: _Sort, *, values: list[dict[str, Any]], y: alt.Y) -> alt.UnitSpec:
        at: dict[str, Any] = {"x": alt.X("at", type="quantitative", scale=self.scale), "y": y}
        at |= given(opacity="opacity")
        at |= given(**{sort.channel: "hue"}) if sort.channel else {}
        at |= given(strokeWidth="line") if sort.line else {}
        at |= given(size="size") if sort.share else {}
        if sort.mark in {"bar", "rule", "rect"}:
            at["x2"] = alt.X2("to")
        if sort.mark == "rect":
            at |= {**pixels(y="top"), "y2": alt.Y2("bottom")}
        return self.datasets.layer(sort.mark, values=values, at=at, **sort.look)

    def _words(
        self, panel: Panel, *, y: alt.Y, has_names: bool, has_heads: bool
    ) -> Iterator[alt.UnitSpec]:
        """Write each lane's figure at its right end, and above them what they are."""
        values = [
            {
                "lane": lane.name,
                "text": lane.text,
                "hue": INK["muted" if lane.is_twin else "ink"],
            }
            for lane in panel.lanes
        ]
        at = {**fixed(x=self.plot + _GAP), "y": y, "text": text_of(), **given(color="hue")}
        yield self.datasets.layer("text", values=values, at=at)
        if panel.title:
            look = {"fontSize": STRONG, "fontWeight": 600, "color": INK["ink"]}
            yield self._head([{"at": self.begins, "text": panel.title}], **look)
        if self.layout.head and has_heads:
            heads = [{"at": self.plot + _GAP, "text": self.layout.head}]
            yield self._head(heads)
            if has_names:
                names = [{"at": -_GAP, "text": "contender"}]
                yield self._head(names, align="right")

    def _head(self, values: list[dict[str, Any]], **look: Any) -> alt.UnitSpec:
        at = {**pixels(x="at"), **fixed(y=-_HEAD), "text": text_of()}
        return self.datasets.layer("text", values=values, at=at, **{"color": INK["muted"], **look})
