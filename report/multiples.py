"""Draws many small plots alike, a row of them for each contender, on axes that all rows share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from report import svg
from report.scales import Axis

#: Height of a small plot, and its distance to the next one below, pixels.
_HEIGHT, _BELOW = 40.0, 14.0

#: Room for the ticks at a plot's left, between plots, for a head, for the axis, for a name.
_TICKS, _BESIDE, _HEAD, _AXIS, _NAME = 36.0, 14.0, 18.0, 36.0, 22.0


#: Room for the half of a label at the right end of an axis, pixels.
_RIGHT = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one figure went: a value for each bin; None draws nothing."""

    values: tuple[float | None, ...]
    #: A look of the style sheet.
    look: str = "course"


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
    is_wide = sheet.beside >= len(sheet.columns)
    left = svg.widest(strip.name for strip in strips) if is_wide else 0.0
    step = (sheet.width - _RIGHT - left + _BESIDE) / sheet.beside
    parts: list[str] = []
    y = 0.0
    for index, strip in enumerate(strips):
        if not is_wide:
            parts.append(svg.text(strip.name, 0, y + 14, look="strong"))
            y += _NAME
        for first in range(0, len(sheet.columns), sheet.beside):
            has_heads = index == 0 or not is_wide
            y += _HEAD if has_heads else 0.0
            ends_here = index == len(strips) - 1
            for column in range(first, min(first + sheet.beside, len(sheet.columns))):
                x = left + (column - first) * step
                is_lowest = column + sheet.beside >= len(sheet.columns)
                plot = _Plot(x=x, y=y, width=step - _BESIDE, sheet=sheet, column=column)
                parts += plot.draw(strip, has_head=has_heads, has_axis=ends_here and is_lowest)
            if is_wide:
                look = "end soft" if strip.is_twin else "end"
                parts.append(svg.text(strip.name, left, y + _HEIGHT / 2 + 4, look=look))
            y += _HEIGHT + _BELOW
        y += 0.0 if is_wide else _BELOW / 2
    return svg.drawing(parts, width=sheet.width, height=y + _AXIS - _BELOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """One small plot at its place."""

    x: float
    y: float
    width: float
    sheet: Sheet
    column: int

    def draw(self, strip: Strip, *, has_head: bool, has_axis: bool) -> Iterator[str]:
        """Draw the strip's cell of this column."""
        across = self.sheet.x.on(self.x + _TICKS, end=self.x + self.width)
        up = self.sheet.columns[self.column].on(self.y + _HEIGHT, end=self.y)
        if has_head:
            yield svg.text(up.axis.title, self.x, self.y - 7, look="tiny")
        ticks = [(tick, up.place(tick)) for tick in (up.axis.low, up.axis.high)]
        yield svg.lines(((across.begin, y, across.end, y) for _, y in ticks), look="grid")
        for tick, y in ticks:
            yield svg.text(up.axis.show(tick), across.begin - 5, y + 4, look="tiny end")
        shapes = []
        for course in strip.cells[self.column]:
            for run in _runs(course.values):
                points = [(across.place(at * strip.width), up.place(value)) for at, value in run]
                until = across.place(min((run[-1][0] + 1) * strip.width, strip.lasted))
                shapes.append(svg.stairs(points, end=until, look=course.look))
        yield svg.group(shapes, look=f"{strip.shade} twin" if strip.is_twin else strip.shade)
        if has_axis:
            for tick in across.ticks(apart=34):
                label = across.axis.show(tick)
                yield svg.text(label, across.place(tick), self.y + _HEIGHT + 14, look="tiny mid")
            middle = (across.begin + across.end) / 2
            yield svg.text(across.axis.title, middle, self.y + _HEIGHT + 29, look="tiny mid")


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Return the stretches without a gap, each value with its place."""
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run
