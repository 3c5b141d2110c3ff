"""Draws panels of lanes, one lane a contender: dots, bars and reaches along a shared axis.

What a contender's lane says is told by marks in the axis's unit; no figure is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from report import svg
from report.scales import Axis, Scale

#: Height of a lane, pixels: usual, and the least that can be read.
LANE, LEAST_LANE = 26.0, 14.0

#: Widths of a drawing, pixels: of the page, of half of it, and of a phone's 390 less its margins.
FULL, HALF, PHONE = 1_076, 516, 346

#: Heights, pixels: of a panel's title, of the heads above lanes, of an axis with its unit below.
_TITLE, _HEAD, _AXIS = 24.0, 18.0, 40.0

#: Distances of panels, pixels: beside each other, and above each other.
_BESIDE, _BELOW = 36.0, 12.0

#: Room after the names and before the figures, pixels.
_GAP = 10.0

#: Distance of the text's baseline from a lane's middle, pixels.
_BASELINE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One shape in a lane, in the axis's unit; its sort is one of `MARKS`."""

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


def draw_lanes(panels: Sequence[Panel], *, axis: Axis, layout: Layout) -> str:
    """Draw the panels row by row; under the last one of each column stands the axis."""
    rows = [panels[at : at + layout.columns] for at in range(0, len(panels), layout.columns)]
    parts: list[str] = []
    top = _HEAD if layout.head else 2.0
    bottom = top
    for index, row in enumerate(rows):
        height = max(_height(panel, layout=layout) for panel in row)
        for column, panel in enumerate(row):
            is_last = (index + 1) * layout.columns + column >= len(panels)
            left, scale = _place(panels, axis=axis, layout=layout, column=column)
            drawn = _panel(panel, scale=scale, layout=layout, has_axis=is_last)
            begin = left if layout.names_each or column == 0 else None
            named = (
                _names(panel, right=scale.begin - _GAP, layout=layout) if begin is not None else []
            )
            heads = _heads(scale, layout=layout, panel=panel, has_names=begin is not None)
            parts.append(svg.group([*(heads if index == 0 else []), *named, *drawn], y=top))
            bottom = max(bottom, top + _height(panel, layout=layout) + (_AXIS if is_last else 0))
        top += height + _BELOW
    return svg.drawing(parts, width=layout.width, height=bottom + 2)


def lane_height(lanes: int, *, most: float) -> float:
    """Return how high each of so many lanes can be where all have ``most`` pixels."""
    return min(LANE, max(LEAST_LANE, most / max(lanes, 1)))


def _place(
    panels: Sequence[Panel], *, axis: Axis, layout: Layout, column: int
) -> tuple[float, Scale]:
    """Return where a column begins, and the axis between its names and its figures."""
    every = [lane for panel in panels for lane in panel.lanes]
    names = svg.widest(lane.name for lane in every) + _GAP
    figures = svg.widest([layout.head, *(lane.text for lane in every)]) + _GAP
    count = layout.columns
    if layout.names_each:
        step = (layout.width - (count - 1) * _BESIDE) / count + _BESIDE
        left = column * step
        return left, axis.on(left + names, end=left + step - _BESIDE - figures)
    step = (layout.width - names - (count - 1) * _BESIDE) / count + _BESIDE
    left = names + column * step
    return 0.0 if column == 0 else left, axis.on(left, end=left + step - _BESIDE - figures)


def _height(panel: Panel, *, layout: Layout) -> float:
    return (_TITLE if panel.title else 0.0) + len(panel.lanes) * layout.lane


def _heads(scale: Scale, *, layout: Layout, panel: Panel, has_names: bool) -> list[str]:
    if not layout.head:
        return []
    y = (_TITLE if panel.title else 0.0) - 6
    heads = [svg.text(layout.head, scale.end + _GAP, y, look="soft")]
    if has_names:
        heads.append(svg.text("contender", scale.begin - _GAP, y, look="soft end"))
    return heads


def _names(panel: Panel, *, right: float, layout: Layout) -> list[str]:
    return [
        svg.text(lane.name, right, y + _BASELINE, look="end soft" if lane.is_twin else "end")
        for lane, y in _middles(panel, layout=layout)
    ]


def _panel(panel: Panel, *, scale: Scale, layout: Layout, has_axis: bool) -> list[str]:
    top, bottom = (_TITLE if panel.title else 0.0), _height(panel, layout=layout)
    title = svg.begun(panel.title, scale.begin, room=layout.width)
    parts = [svg.text(panel.title, title, 14, look="strong")] if panel.title else []
    if layout.band:
        low, high = (scale.place(end) for end in layout.band)
        box = {"width": max(high - low, 1.0), "height": bottom - top}
        parts.append(svg.rect(low, top, **box, look="band"))
    ticks = [(tick, scale.place(tick)) for tick in scale.ticks()]
    parts.append(svg.lines(((x, top, x, bottom) for _, x in ticks), look="grid"))
    if layout.guide is not None:
        x = scale.place(layout.guide)
        parts.append(svg.line(x, top, x2=x, y2=bottom, look="guide"))
    for lane, y in _middles(panel, layout=layout):
        parts.append(_lane(lane, y=y, scale=scale, height=layout.lane))
        figure = "soft" if lane.is_twin else ""
        parts.append(svg.text(lane.text, scale.end + _GAP, y + _BASELINE, look=figure))
    if has_axis:
        parts += [
            svg.text(scale.axis.show(tick), x, bottom + 16, look="soft mid") for tick, x in ticks
        ]
        middle = svg.centred(scale.axis.title, (scale.begin + scale.end) / 2, room=layout.width)
        parts.append(svg.text(scale.axis.title, middle, bottom + 34, look="soft mid"))
    return parts


def _middles(panel: Panel, *, layout: Layout) -> Iterator[tuple[Lane, float]]:
    top = _TITLE if panel.title else 0.0
    for index, lane in enumerate(panel.lanes):
        yield lane, top + (index + 0.5) * layout.lane


def _lane(lane: Lane, *, y: float, scale: Scale, height: float) -> str:
    shapes = [
        MARKS[mark.sort](mark, y, scale, height) for mark in lane.marks if mark.at is not None
    ]
    return svg.group(shapes, look=f"{lane.shade} twin" if lane.is_twin else lane.shade)


#: A mark, its lane's middle and height in pixels, and the axis → its shape.
_Shape = Callable[[Mark, float, Scale, float], str]


def _bar(look: str, *, share: float) -> _Shape:
    def shape(mark: Mark, y: float, scale: Scale, height: float) -> str:
        begin, end = scale.place(mark.at or 0.0), scale.place(mark.to or 0.0)
        tall = height * share
        box = {"width": abs(end - begin), "height": tall}
        return svg.rect(min(begin, end), y - tall / 2, **box, look=look)

    return shape


def _reach(look: str) -> _Shape:
    def shape(mark: Mark, y: float, scale: Scale, height: float) -> str:
        del height
        if mark.to is None:
            return ""
        return svg.line(scale.place(mark.at or 0.0), y, x2=scale.place(mark.to), y2=y, look=look)

    return shape


def _tick(look: str, *, share: float) -> _Shape:
    def shape(mark: Mark, y: float, scale: Scale, height: float) -> str:
        x, reach = scale.place(mark.at or 0.0), height * share / 2
        return svg.line(x, y - reach, x2=x, y2=y + reach, look=look)

    return shape


def _disc(look: str, *, share: float) -> _Shape:
    def shape(mark: Mark, y: float, scale: Scale, height: float) -> str:
        radius = max(2.6, min(height, LANE) * share / 2)
        return svg.circle(scale.place(mark.at or 0.0), y, radius=radius, look=look)

    return shape


def _cross(mark: Mark, y: float, scale: Scale, height: float) -> str:
    del height
    return svg.text("×", scale.place(mark.at or 0.0), y + 6, look="cross mid")


def _column(mark: Mark, y: float, scale: Scale, height: float) -> str:
    begin, end = scale.place(mark.at or 0.0), scale.place(mark.to or 0.0)
    tall = (height - 4) * mark.level
    box = {"width": max(end - begin - 0.6, 0.8), "height": tall}
    return svg.rect(begin, y + height / 2 - tall, **box, look="solid")


#: Sort of a mark → how it is drawn. Bars end at ``to``, reaches are lines to it.
MARKS: dict[str, _Shape] = {
    "bar": _bar("pale", share=0.46),
    "block": _bar("solid", share=0.46),
    "reach": _reach("reach"),
    "stem": _reach("stem"),
    "faint": _reach("faint"),
    "value": _tick("value", share=0.54),
    "small": _tick("tick", share=0.38),
    "tall": _tick("tick", share=0.62),
    "ceiling": _tick("ceiling", share=0.76),
    "dot": _disc("solid", share=0.36),
    "repetition": _disc("solid rim", share=0.29),
    "ring": _disc("ring", share=0.3),
    "cross": _cross,
    "column": _column,
}
