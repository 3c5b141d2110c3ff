"""Draws figures over an axis as lines, one a contender, with their names at their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from report import svg
from report.scales import Axis, Scale

#: Height of the plot, pixels, and the least distance of two names at the lines' ends.
HEIGHT, APART = 320.0, 16.0

#: Room before a name: a gap, a sample of its line, a gap.
_SAMPLE = (10.0, 30.0, 36.0)

#: Room at the left for the figures of the upright axis, below for the other, above for its unit.
_LEFT, _BOTTOM, _TOP = 58.0, 42.0, 22.0

#: A plot narrower than this has its names below it instead of beside it, pixels.
_NARROW = 260.0

#: How the first, second, … contender of one colour is drawn, as looks of the style sheet.
_DASHES = ("", " dash1", " dash2", " dash3")

#: Distance between the notes at the top of two marked places, pixels.
_NOTE = 17.0

#: Room that the label of an x needs, pixels.
_LABEL = 30.0


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


def draw_curves(series: Sequence[Series], *, plane: Plane, flags: Sequence[Flag] = ()) -> str:
    """Draw each contender's line with its points and their reach."""
    beside = svg.widest(one.name for one in series) + _SAMPLE[2]
    is_narrow = plane.width - _LEFT - beside < _NARROW
    right = plane.width - (10.0 if is_narrow else beside)
    top = _TOP + len(flags) * _NOTE
    x = plane.x.on(_LEFT, end=right)
    y = plane.y.on(top + plane.height, end=top)
    styled = list(zip(series, _dashes(series), strict=True))
    parts = [
        *_grid(x, y=y, plane=plane),
        *_flags(flags, x=x, y=y, room=plane.width),
        *(_line(one, dash=dash, x=x, y=y) for one, dash in styled),
    ]
    bottom = y.begin + _BOTTOM
    if is_narrow:
        ordered = sorted(styled, key=lambda pair: -_end(pair[0]))
        places = [bottom + 14 + index * (APART + 2) for index in range(len(ordered))]
        parts += _names(ordered, places=places, left=_LEFT - _SAMPLE[0])
        bottom += len(ordered) * (APART + 2) + 6
    else:
        ordered = sorted(
            (pair for pair in styled if pair[0].points), key=lambda pair: -_end(pair[0])
        )
        wanted = [y.place(_end(one)) for one, _ in ordered]
        parts += _names(ordered, places=spread_out(wanted, apart=APART, most=y.begin), left=right)
    return svg.drawing(parts, width=plane.width, height=bottom)


def _end(one: Series) -> float:
    return one.points[-1].y if one.points else 0.0


def _dashes(series: Sequence[Series]) -> Iterator[str]:
    turns: dict[str, int] = {}
    for one in series:
        turns[one.shade] = turns.get(one.shade, -1) + 1
        yield _DASHES[turns[one.shade] % len(_DASHES)]


def _grid(x: Scale, *, y: Scale, plane: Plane) -> Iterator[str]:
    for tick in y.ticks(apart=34):
        place = y.place(tick)
        yield svg.line(x.begin, place, x2=x.end, y2=place, look="grid")
        yield svg.text(y.axis.show(tick), x.begin - 8, place + 4, look="soft end")
    if plane.bound is not None:
        place = y.place(plane.bound)
        yield svg.line(x.begin, place, x2=x.end, y2=place, look="flag")
    yield svg.text(y.axis.title, 0, 12, look="soft")
    yield svg.line(x.begin, y.begin, x2=x.end, y2=y.begin, look="grid")
    for tick in _apart(plane.xs, scale=x) if plane.xs else x.ticks():
        place = x.place(tick)
        yield svg.line(place, y.begin, x2=place, y2=y.begin + 4, look="grid")
        yield svg.text(x.axis.show(tick), place, y.begin + 18, look="soft mid")
    middle = svg.centred(x.axis.title, (x.begin + x.end) / 2, room=plane.width)
    yield svg.text(x.axis.title, middle, y.begin + 36, look="soft mid")


def _line(one: Series, *, dash: str, x: Scale, y: Scale) -> str:
    drawn = one.fitted or tuple((point.x, point.y) for point in one.points)
    shapes = [
        svg.polyline([(x.place(at), y.place(value)) for at, value in drawn], look=f"line{dash}")
    ]
    for point in one.points:
        place = x.place(point.x)
        if point.low is not None and point.high is not None:
            reach = (y.place(point.low), y.place(point.high))
            shapes.append(svg.line(place, reach[0], x2=place, y2=reach[1], look="stem"))
    for point in one.points:
        look = "ring" if point.is_hollow else "solid rim"
        shapes.append(svg.circle(x.place(point.x), y.place(point.y), radius=4, look=look))
    return svg.group(shapes, look=f"{one.shade} twin" if one.is_twin else one.shade)


def _names(
    styled: Sequence[tuple[Series, str]], *, places: Sequence[float], left: float
) -> Iterator[str]:
    """Write each line's name behind a sample of it."""
    begin, until, words = (left + place for place in _SAMPLE)
    for (one, dash), y in zip(styled, places, strict=True):
        sample = svg.line(begin, y, x2=until, y2=y, look=f"line{dash}")
        yield svg.group([sample], look=f"{one.shade} twin" if one.is_twin else one.shade)
        yield svg.text(one.name, words, y + 4, look="soft" if one.is_twin else "")


def _flags(flags: Sequence[Flag], *, x: Scale, y: Scale, room: float) -> Iterator[str]:
    """Draw an upright line at each place, its note at the top, each one below the one before.

    The line begins at its note, so that it crosses none of those that begin further left. A note
    stands at its line's right, unless ``room`` ends before it does.
    """
    for row, flag in enumerate(sorted(flags, key=lambda flag: flag.x)):
        top, place = _TOP + row * _NOTE, x.place(flag.x)
        yield svg.line(place, top, x2=place, y2=y.begin, look="flag")
        is_left = place + 6 + svg.widest([flag.text]) > room
        side = "end" if is_left else ""
        yield svg.text(flag.text, place - 6 if is_left else place + 6, top + 10, look=side)


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


def _apart(xs: Sequence[float], *, scale: Scale) -> list[float]:
    """Return those of the x that have room for a label, the first and the last among them."""
    if len(xs) < 2:
        return list(xs)
    last = scale.place(xs[-1])
    kept = [xs[0]]
    for x in xs[1:-1]:
        place = scale.place(x)
        if place - scale.place(kept[-1]) >= _LABEL and last - place >= _LABEL:
            kept.append(x)
    return [*kept, xs[-1]]
