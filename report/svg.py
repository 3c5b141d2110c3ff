"""Writes shapes as SVG. Pure; what a shape looks like is a class of the page's style sheet.

Colours never stand here: the page decides on light and dark, and one colour a pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import escape

#: Width that a letter of a label may need at 12 pixels: the page's font is the reader's.
LETTER = 7.0

#: How much wider a title is than other words.
_STRONG = 1.2

#: What a short word of wide letters needs more, pixels.
SLACK = 4.0


def drawing(parts: Iterable[str], *, width: float, height: float) -> str:
    """Return a whole drawing."""
    size = f"{_number(width)} {_number(height)}"
    across, down = size.split()
    return f'<svg width="{across}" height="{down}" viewBox="0 0 {size}">{"".join(parts)}</svg>'


def group(parts: Iterable[str], *, look: str = "", x: float = 0.0, y: float = 0.0) -> str:
    """Return shapes together, moved by ``x`` and ``y`` pixels."""
    moved = f' transform="translate({_number(x)} {_number(y)})"' if x or y else ""
    return f"<g{_look(look)}{moved}>{''.join(parts)}</g>"


def line(x1: float, y1: float, *, x2: float, y2: float, look: str) -> str:
    """Return a straight line."""
    ends = zip(("x1", "y1", "x2", "y2"), (x1, y1, x2, y2), strict=True)
    return f"<line{_look(look)}{_places(ends)}/>"


def lines(ends: Iterable[tuple[float, float, float, float]], *, look: str) -> str:
    """Return straight lines as one shape, each from x and y to x and y."""
    drawn = "".join(
        f"M{_number(x1)} {_number(y1)}L{_number(x2)} {_number(y2)}" for x1, y1, x2, y2 in ends
    )
    return f'<path{_look(look)} d="{drawn}"/>' if drawn else ""


def rect(x: float, y: float, *, width: float, height: float, look: str) -> str:
    """Return a box."""
    sides = zip(("x", "y", "width", "height"), (x, y, width, height), strict=True)
    return f"<rect{_look(look)}{_places(sides)}/>"


def circle(x: float, y: float, *, radius: float, look: str) -> str:
    """Return a disc around a place."""
    return f"<circle{_look(look)}{_places((('cx', x), ('cy', y), ('r', radius)))}/>"


def polyline(points: Sequence[tuple[float, float]], *, look: str) -> str:
    """Return straight lines from point to point."""
    places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return f'<polyline{_look(look)} points="{places}"/>'


def stairs(points: Sequence[tuple[float, float]], *, end: float, look: str) -> str:
    """Return a line that keeps each point's height until the next one, the last until ``end``."""
    if not points:
        return ""
    (x, y), *others = points
    steps, level = [], _number(y)
    for at, value in others:
        if _number(value) != level:
            level = _number(value)
            steps.append(f"H{_number(at)}V{level}")
    return f'<path{_look(look)} d="M{_number(x)} {_number(y)}{"".join(steps)}H{_number(end)}"/>'


def text(words: str, x: float, y: float, *, look: str = "") -> str:
    """Return words whose baseline begins at a place; ``end`` and ``mid`` are looks too."""
    return f"<text{_look(look)}{_places((('x', x), ('y', y)))}>{escape(words)}</text>"


def widest(words: Iterable[str]) -> float:
    """Return the room that the longest of some words may need, pixels."""
    longest = max((len(word) for word in words), default=0)
    return longest * LETTER + SLACK if longest else 0.0


def begun(title: str, x: float, *, room: float) -> float:
    """Return where a title begins: at ``x``, or so that it ends within ``room``."""
    return max(0.0, min(x, room - widest([title]) * _STRONG))


def centred(words: str, x: float, *, room: float) -> float:
    """Return where the middle of some words lies: at ``x``, or so that ``room`` holds them."""
    half = widest([words]) / 2
    return max(half, min(x, room - half))


def _look(look: str) -> str:
    return f' class="{look}"' if look else ""


def _places(named: Iterable[tuple[str, float]]) -> str:
    return "".join(f' {name}="{_number(value)}"' for name, value in named)


def _number(value: float) -> str:
    """Return pixels with one decimal, which is finer than any eye."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written
