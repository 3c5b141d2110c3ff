"""Draws many small plots alike, a row of them for each contender, on axes that all rows share.

All plots of a column are one chart: each contender's values stand above those of the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from report.charts.drawing import (
    INK,
    PALE,
    SMALL,
    Datasets,
    fixed,
    given,
    hue,
    room,
    scale_of,
    text_of,
    ticks_of,
    unchecked,
)
from report.charts.scales import Axis

#: Height of a small plot, and its distance to the next one below, pixels.
_HEIGHT, _BELOW = 40.0, 14.0

#: Room for the ticks at a plot's left, between plots, for a head, for the axis, for a name.
_TICKS, _BESIDE, _HEAD, _AXIS, _NAME = 36.0, 14.0, 18.0, 36.0, 22.0

#: Room that half of a tick's label takes beyond the last plot, pixels.
_EDGE = 4.0

#: Opacity of what others are compared with.
_GROUND = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one figure went: a value for each bin; None draws nothing."""

    values: tuple[float | None, ...]
    #: Whether it is drawn as what the other is to be compared with: in grey.
    is_ground: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One contender's plots."""

    name: str
    #: Which of the palette's colours it has.
    shade: str
    #: Width of its bins, and how long it lasted, in the unit of the x axis.
    width: float
    lasted: float
    #: For each of the sheet's columns, what is drawn upon each other.
    cells: tuple[tuple[Course, ...], ...]
    is_twin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The axes that the strips share, and how many plots stand beside each other."""

    x: Axis
    #: One a column; titles are short.
    columns: tuple[Axis, ...]
    #: Of the whole drawing, pixels.
    width: float
    #: Plots beside each other; fewer than there are columns stand below the contender's name.
    beside: int


def draw_multiples(strips: Sequence[Strip], *, sheet: Sheet) -> str:
    """Draw each contender's plots, with what their columns are at the top of each row of them."""
    with unchecked():
        return _Drawer(strips, sheet=sheet).draw()


class _Drawer:
    """Draws the strips of a sheet."""

    def __init__(self, strips: Sequence[Strip], *, sheet: Sheet) -> None:
        self.strips, self.sheet = strips, sheet
        #: Names stand beside the plots, or above each row of them.
        self.is_wide = sheet.beside >= len(sheet.columns)
        self.names = room(strip.name for strip in strips) if self.is_wide else 0.0
        step = (sheet.width - _EDGE - self.names + _BESIDE) / sheet.beside
        self.plot = int(step - _BESIDE - _TICKS)
        #: Height of a row, as a multiple of a plot's.
        self.pitch = 1 + (_BELOW + (0.0 if self.is_wide else _NAME)) / _HEIGHT
        self.datasets = Datasets()

    def draw(self) -> str:
        """Return the drawing."""
        columns = range(len(self.sheet.columns))
        row = _AXIS + _HEAD + (0.0 if self.is_wide else _NAME)
        drawn = alt.TopLevelConcatSpec(
            concat=[self._column(column) for column in columns],
            columns=self.sheet.beside,
            spacing={"column": _BESIDE + _TICKS, "row": row},
            bounds="flush",
        )
        return self.datasets.to_svg(drawn)

    def _column(self, column: int) -> alt.LayerSpec:
        """Draw one figure of all contenders: 0 to 1 is the last one's plot."""
        axis = self.sheet.columns[column]
        rows = self.pitch * (len(self.strips) - 1) + 1
        scale = alt.Scale(domain=[0, rows], nice=False, zero=False)
        x = alt.X("x", type="quantitative", scale=scale_of(self.sheet.x), axis=self._across())
        y = alt.Y("y", type="quantitative", scale=scale, axis=self._upright(axis))
        at = {"x": x, "y": y, "detail": alt.Detail("line", type="nominal")}
        at |= given(color="hue", opacity="opacity", strokeWidth="width")
        strips = range(len(self.strips))
        values = [value for place in strips for value in self._values(place, column=column)]
        lines = self.datasets.layer("line", values=values, at=at, interpolate="step-after")
        layers = [lines, self._head(axis)]
        if column % self.sheet.beside == 0:
            layers = [self._frame(rows), *layers, self._names(y)]
        return alt.LayerSpec(layer=layers, width=self.plot, height=rows * _HEIGHT)

    def _frame(self, rows: float) -> alt.UnitSpec:
        """Keep room for the columns beside each other, as the first one of them sees it."""
        return self.datasets.frame(
            left=-_TICKS - self.names,
            right=self.sheet.width - _TICKS - self.names,
            top=-_HEAD - (0.0 if self.is_wide else _NAME),
            bottom=rows * _HEIGHT + _AXIS,
        )

    def _base(self, place: int) -> float:
        """Return where a contender's plot begins."""
        return (len(self.strips) - 1 - place) * self.pitch

    def _values(self, place: int, *, column: int) -> Iterator[dict[str, Any]]:
        strip, axis, base = self.strips[place], self.sheet.columns[column], self._base(place)
        for turn, course in enumerate(strip.cells[column]):
            pale = PALE if strip.is_twin else 1.0
            look = {
                "line": f"{place}-{turn}",
                "hue": INK["muted"] if course.is_ground else hue(strip.shade),
                "opacity": pale * (_GROUND if course.is_ground else 1.0),
                "width": 1.0 if course.is_ground else 1.5,
            }
            for x, value in _steps(course.values, width=strip.width, lasted=strip.lasted):
                y = None if value is None else round(base + axis.share(value), 4)
                yield {"x": round(x, 4), "y": y, **look}

    def _across(self) -> alt.Axis:
        ticks = ticks_of(self.sheet.x, pixels=self.plot, apart=34.0)
        small: dict[str, Any] = {"labelFontSize": SMALL, "titleFontSize": SMALL}
        return alt.Axis(
            title=self.sheet.x.title, grid=False, labelPadding=14, titleY=29, **small, **ticks
        )

    def _upright(self, axis: Axis) -> alt.Axis:
        """Return the ticks at each plot's low and high end."""
        ends = [self._base(place) + end for place in range(len(self.strips)) for end in (0, 1)]
        pitch = f"(datum.value % {self.pitch}) / {self.pitch}"
        value = f"({pitch} < 0.01 || {pitch} > 0.99 ? {axis.low} : {axis.high})"
        label = axis.show.replace("datum.value", value)
        return alt.Axis(
            title=None, values=ends, labelExpr=label, labelFontSize=SMALL, labelPadding=5
        )

    def _head(self, axis: Axis) -> alt.UnitSpec:
        above = -11.0 - (0.0 if self.is_wide else _NAME + 2.0)
        at = {**fixed(x=-_TICKS, y=above), "text": text_of()}
        look = {"fontSize": SMALL, "color": INK["muted"]}
        return self.datasets.layer("text", values=[{"text": axis.title}], at=at, **look)

    def _names(self, y: alt.Y) -> alt.UnitSpec:
        """Write each contender's name beside its plots, or above them."""
        values = [
            {
                "name": strip.name,
                "y": self._base(place) + (0.5 if self.is_wide else 1 + 14 / _HEIGHT),
                "ink": INK["muted" if strip.is_twin else "ink"],
            }
            for place, strip in enumerate(self.strips)
        ]
        look: dict[str, Any] = (
            {"align": "right"} if self.is_wide else {"align": "left", "fontWeight": 600}
        )
        at = {**fixed(x=-_TICKS), "y": y, "text": text_of("name"), **given(color="ink")}
        return self.datasets.layer("text", values=values, at=at, **look)


def _steps(
    values: Sequence[float | None], *, width: float, lasted: float
) -> Iterator[tuple[float, float | None]]:
    """Return where a value begins, None where a gap does, and where the last one ends."""
    last: float | None = None
    for place, value in enumerate(values):
        if value is None and last is not None:
            yield place * width, last
        if value is None or value != last:
            yield place * width, value
        last = value
    if last is not None:
        yield lasted, last
