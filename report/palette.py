"""One colour a pool, the same in the terminal, in every chart and on the page.

And one for contenders without the GIL, since they stand beside the same pool with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

#: Mark → its style in a terminal.
MARK_STYLES: Mapping[str, str] = {"!": "bold red", "~": "yellow", "?": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """A colour on light ground and the same one on dark ground."""

    light: str
    dark: str


#: Okabe and Ito's colours (Color Universal Design, 2008), darkened for white paper and lightened
#: for a dark screen until each has a contrast of at least 3 to its ground, and moved apart until
#: no two look alike to an eye without red or green cones (a test measures both).
POOL_SHADES: dict[str, Shade] = {
    "prefork": Shade(light="#0072b2", dark="#71c4f8"),
    "threads": Shade(light="#c25400", dark="#f08a3c"),
    "gevent": Shade(light="#008565", dark="#2cc79f"),
    "asyncio": Shade(light="#ca72a6", dark="#ffb3db"),
    "solo": Shade(light="#4f5566", dark="#8d99a9"),
    "no-gil": Shade(light="#6246c7", dark="#9687e5"),
}

#: Of a pool this version doesn't know.
OTHER_SHADE = Shade(light="#5e1e00", dark="#fff3a0")

#: What charts are drawn with beside the pools; the names become CSS variables.
INK_SHADES: dict[str, Shade] = {
    "ink": Shade(light="#1c2430", dark="#e8ebf0"),
    "muted": Shade(light="#5b6574", dark="#9aa5b5"),
    "line": Shade(light="#e1e5ea", dark="#2e3744"),
    "ground": Shade(light="#ffffff", dark="#161b23"),
    "bad": Shade(light="#b3261e", dark="#ff8a80"),
}


class Coloured(Protocol):
    """What has a pool's colour: a row, in a report or in a comparison."""

    @property
    def pool(self) -> str:
        """Return the pool."""

    @property
    def is_without_gil(self) -> bool:
        """Return whether it runs without the GIL."""


def shade_name(row: Coloured) -> str:
    """Return which of the colours a row's contender has."""
    return "no-gil" if row.is_without_gil else row.pool


def row_shade(row: Coloured) -> Shade:
    """Return the colour of a row's contender."""
    return pool_shade(shade_name(row))


def pool_shade(pool: str) -> Shade:
    """Return the pool's colour."""
    return POOL_SHADES.get(pool, OTHER_SHADE)
