"""Draws a figure over an axis as lines, one a contender, with their names at their ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from report.charts.drawing import (
    INK,
    PALE,
    Datasets,
    Values,
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

#: Height of the plot, pixels, and the least distance of two names at the lines' ends.
HEIGHT, APART = 320.0, 16.0

#: Room before a name: a gap, a sample of its line, a gap.
_SAMPLE = (10.0, 30.0, 36.0)

#: Room at the left for the figures of the upright axis, below for the other, above for its title.
_LEFT, _BOTTOM, _TOP = 56.0, 42.0, 24.0

#: A plot narrower than this has its names below it instead of beside it, pixels.
_NARROW = 260.0

#: How the first, second, … contender of one colour is drawn.
_DASHES = ([1, 0], [6, 3], [2, 3], [9, 3, 2, 3])

#: Distance between the notes at the top of two marked places, pixels.
_NOTE = 17.0

#: Distance of the labels of the upright axis, pixels.
_UPRIGHT = 34.0

#: Area of a dot, square pixels; opacity of the reach through it.
_DOT, _REACH = 52.0, 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A figure at a place of the x axis."""

    x: float
    y: float
    #: Its reach; None draws none.
    low: float | None = None
    high: float | None = None
    #: Drawn as a ring: the figure holds with a reserve that the caption tells.
    is_hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One contender's points, ascending in x."""

    name: str
    #: Which of the palette's colours it has.
    shade: str
    points: tuple[Point, ...]
    #: A law fitted to the points, drawn instead of lines between them.
    fitted: tuple[tuple[float, float], ...] = ()
    is_twin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A place on the x axis that an upright line marks."""

    x: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The two axes of a drawing, and its size in pixels."""

    x: Axis
    y: Axis
    width: float
    height: float = HEIGHT
    #: Where x has labels: at measured places; empty leaves it to the axis.
    xs: tuple[float, ...] = ()
    #: A value of y that a line across marks.
    bound: float | None = None
    #: How many times larger the page may show words where it shrinks the drawing.
    growth: float = 1.0


def draw_curves(series: Sequence[Series], *, plane: Plane, flags: Sequence[Flag] = ()) -> str:
    """Draw each contender's line with its points and their reach."""
    with unchecked():
        return _Drawer(series, plane=plane, flags=flags).draw()


class _Drawer:
    """Draws lines on one plane."""

    def __init__(self, series: Sequence[Series], *, plane: Plane, flags: Sequence[Flag]) -> None:
        self.series, self.plane, self.flags = series, plane, flags
        beside = room((one.name for one in series), growth=plane.growth) + _SAMPLE[2]
        self.left = left = _LEFT * plane.growth
        self.is_narrow = plane.width - left - beside < _NARROW
        self.plot = int(plane.width - left - (10.0 if self.is_narrow else beside))
        self.room = plane.width - left
        self.datasets = Datasets()
        self.x = alt.X("x", type="quantitative", scale=scale_of(plane.x), axis=self._across())
        self.y = alt.Y("y", type="quantitative", scale=scale_of(plane.y), axis=self._upright())

    def draw(self) -> str:
        styled = list(zip(self.series, _dashes(self.series), strict=True))
        placed = self._placed(styled)
        layers = [
            self._frame(placed),
            *self._flags(),
            *self._lines(styled),
            *self._points(),
            *self._names(placed),
        ]
        drawn = alt.TopLevelLayerSpec(layer=layers, width=self.plot, height=self.plane.height)
        return self.datasets.to_svg(drawn)

    def _frame(self, placed: Sequence[Mapping[str, Any]]) -> alt.UnitSpec:
        left = _LEFT * self.plane.growth
        lowest = max((name["place"] + APART / 2 for name in placed), default=0.0)
        return self.datasets.frame(
            left=-left,
            right=self.plane.width - left,
            top=-_TOP - len(self.flags) * _NOTE,
            bottom=max(self.plane.height + _BOTTOM * self.plane.growth, lowest),
        )

    def _across(self) -> alt.Axis:
        ticks = ticks_of(self.plane.x, pixels=self.plot / self.plane.growth)
        if self.plane.xs:
            labels = {"labelOverlap": "greedy", "labelSeparation": 8}
            ticks = {"values": self.plane.xs, "labelExpr": self.plane.x.show, **labels}
        told = below(
            self.plane.x.title,
            plot=self.plot,
            left=self.left,
            right=self.room - self.plot,
            growth=self.plane.growth,
        )
        return alt.Axis(grid=False, domain=True, ticks=True, tickSize=4, **told, **ticks)

    def _upright(self) -> alt.Axis:
        """Return the upright axis: its title lies above it, for the names at its right."""
        top = -10.0 - len(self.flags) * _NOTE
        title: dict[str, Any] = {
            "title": self.plane.y.title,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "start",
            "titleX": -_LEFT * self.plane.growth,
            "titleY": top,
        }
        ticks = ticks_of(self.plane.y, pixels=self.plane.height, apart=_UPRIGHT * self.plane.growth)
        return alt.Axis(grid=True, **title, **ticks)

    def _lines(self, styled: Sequence[tuple[Series, list[int]]]) -> Iterator[alt.UnitSpec]:
        values = [
            {"x": x, "y": y, **_look(one), "dash": dash, "name": one.name}
            for one, dash in styled
            for x, y in one.fitted or [(point.x, point.y) for point in one.points]
        ]
        at = {"x": self.x, "y": self.y, "detail": alt.Detail("name", type="nominal")}
        at |= given(color="hue", opacity="opacity", strokeDash="dash")
        yield self.datasets.layer("line", values=values, at=at, strokeWidth=2, strokeJoin="round")
        if self.plane.bound is not None:
            yield self._dashed([{"y": self.plane.bound}], at={"y": self.y})

    def _points(self) -> Iterator[alt.UnitSpec]:
        points = [
            {"x": point.x, "y": point.y, "low": point.low, "high": point.high, **_look(one)}
            | {"fill": INK["ground"] if point.is_hollow else hue(one.shade)}
            | {"rim": hue(one.shade) if point.is_hollow else INK["ground"]}
            for one in self.series
            for point in one.points
        ]
        pale = [
            point | {"opacity": point["opacity"] * _REACH}
            for point in points
            if None not in (point["low"], point["high"])
        ]
        if pale:
            low = alt.Y("low", type="quantitative", scale=scale_of(self.plane.y))
            at = {"x": self.x, "y": low, "y2": alt.Y2("high")}
            at |= given(color="hue", opacity="opacity")
            yield self.datasets.layer("rule", values=pale, at=at, strokeWidth=2)
        at = {"x": self.x, "y": self.y, **given(fill="fill", stroke="rim", opacity="opacity")}
        yield self.datasets.layer("circle", values=points, at=at, size=_DOT, strokeWidth=1.6)

    def _placed(self, styled: Sequence[tuple[Series, list[int]]]) -> list[dict[str, Any]]:
        """Return where each line's name stands: at its end, or in a list below the plot."""
        ordered = sorted(styled, key=lambda pair: -_end(pair[0]))
        tall, growth = self.plane.height, self.plane.growth
        if self.is_narrow:
            first, step = tall + _BOTTOM * growth + 14, (APART + 2) * growth
            places = [first + index * step for index in range(len(ordered))]
        else:
            ordered = [pair for pair in ordered if pair[0].points]
            wanted = [tall * (1 - self.plane.y.share(_end(one))) for one, _ in ordered]
            places = spread_out(wanted, apart=APART * growth, most=tall)
        return [
            {**_look(one), "name": one.name, "dash": dash, "place": place}
            | {"ink": INK["muted" if one.is_twin else "ink"]}
            for (one, dash), place in zip(ordered, places, strict=True)
        ]

    def _names(self, placed: list[dict[str, Any]]) -> Iterator[alt.UnitSpec]:
        """Write each line's name behind a sample of it."""
        left = -_LEFT if self.is_narrow else float(self.plot)
        begin, until, words = (left + place for place in _SAMPLE)
        at = {**fixed(x=begin, x2=until), **pixels(y="place")}
        at |= given(color="hue", opacity="opacity", strokeDash="dash")
        yield self.datasets.layer("rule", values=placed, at=at, strokeWidth=2)
        at = {**fixed(x=words), "text": text_of("name"), **pixels(y="place")}
        yield self.datasets.layer("text", values=placed, at=at | given(color="ink"))

    def _flags(self) -> Iterator[alt.UnitSpec]:
        """Draw an upright line at each place, its note at the top, each one below the one before.

        The line begins at its note, so that it crosses none of those that begin further left. A
        note stands at its line's right, unless the drawing ends before it does.
        """
        for row, flag in enumerate(sorted(self.flags, key=lambda flag: flag.x)):
            top = (row - len(self.flags)) * _NOTE
            values = [{"x": flag.x, "text": flag.text}]
            down = fixed(y=top, y2=self.plane.height)
            yield self._dashed(values, at={"x": self.x, **down})
            begins = self.plane.x.share(flag.x) * self.plot + 6
            is_left = begins + room([flag.text], growth=self.plane.growth) > self.room
            side = {"align": "right", "dx": -6} if is_left else {"align": "left", "dx": 6}
            at = {"x": self.x, **fixed(y=top + 6), "text": text_of()}
            yield self.datasets.layer("text", values=values, at=at, **side)

    def _dashed(self, values: Values, *, at: Mapping[str, Any]) -> alt.UnitSpec:
        look = {"strokeWidth": 1.2, "strokeDash": [3, 3], "color": INK["muted"]}
        return self.datasets.layer("rule", values=values, at=at, **look)


def _look(one: Series) -> dict[str, Any]:
    return {"hue": hue(one.shade), "opacity": PALE if one.is_twin else 1.0}


def _end(one: Series) -> float:
    return one.points[-1].y if one.points else 0.0


def _dashes(series: Sequence[Series]) -> Iterator[list[int]]:
    turns: dict[str, int] = {}
    for one in series:
        turns[one.shade] = turns.get(one.shade, -1) + 1
        yield _DASHES[turns[one.shade] % len(_DASHES)]


def spread_out(wanted: Sequence[float], *, apart: float, most: float) -> list[float]:
    """Return places near the wanted ones, in their order and ``apart`` from each other.

    ``wanted`` ascends. None lies above ``most``; where not all have room, the first are negative.
    """
    placed: list[float] = []
    for place in wanted:
        placed.append(max(place, placed[-1] + apart) if placed else place)
    limit = most
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - apart
    return placed
