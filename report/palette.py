"""Colours of pools, the same in the terminal, in every chart and on the page.

Contenders without the GIL have a colour of their own, to distinguish them from their pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

#: Mark → its style in a terminal.
MARK_STYLES: Mapping[str, str] = {"!": "bold red", "~": "yellow", "?": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """The variants of one colour for a light and a dark background."""

    light: str
    dark: str


#: Okabe and Ito's colours (Color Universal Design, 2008), adjusted to a contrast of at least 3 to
#: their background, and to be distinguishable with red or green colour blindness (a test measures
#: both).
POOL_SHADES: dict[str, Shade] = {
    "prefork": Shade(light="#0072b2", dark="#71c4f8"),
    "threads": Shade(light="#c25400", dark="#f08a3c"),
    "gevent": Shade(light="#008565", dark="#2cc79f"),
    "asyncio": Shade(light="#ca72a6", dark="#ffb3db"),
    "solo": Shade(light="#4f5566", dark="#8d99a9"),
    "no-gil": Shade(light="#6246c7", dark="#9687e5"),
}

#: The color of pools that are unknown to this version.
OTHER_SHADE = Shade(light="#5e1e00", dark="#fff3a0")

#: The colours of the causes of waits (`report.trials.wait_causes.Cause`), distinguished likewise.
CAUSE_SHADES: dict[str, Shade] = {
    "countdown": Shade(light="#268fe3", dark="#2468db"),
    "rate-limit": Shade(light="#4c2281", dark="#bda3ed"),
    "idle-slot": Shade(light="#ad1315", dark="#ca1b37"),
    "idle-worker": Shade(light="#eb7007", dark="#fcdeab"),
    "busy": Shade(light="#6a7f9b", dark="#607185"),
    "queue": Shade(light="#30373e", dark="#d0d4da"),
    "unknown": Shade(light="#419669", dark="#7ecc3a"),
}

#: The colours of the states of a slot (`poolbench.records.STATE_COLUMNS`), distinguished likewise.
STATE_SHADES: dict[str, Shade] = {
    "core-held": Shade(light="#b0281a", dark="#ef755d"),
    "core-released": Shade(light="#7a3b9e", dark="#cea1f2"),
    "core": Shade(light="#2b7bd4", dark="#388feb"),
    "runnable": Shade(light="#b8860b", dark="#f5d020"),
    "gil-wait": Shade(light="#c9097a", dark="#ff5fb0"),
    "lock-wait": Shade(light="#1f8a3d", dark="#4dde88"),
    "any-lock": Shade(light="#0a5c5c", dark="#92e7d2"),
    "io-wait": Shade(light="#252b35", dark="#b8cfea"),
    "unknown": Shade(light="#8993a9", dark="#6a7280"),
}

#: The other colours of charts; the names become CSS variables.
INK_SHADES: dict[str, Shade] = {
    "ink": Shade(light="#1c2430", dark="#e8ebf0"),
    "muted": Shade(light="#5b6574", dark="#9aa5b5"),
    "line": Shade(light="#e1e5ea", dark="#2e3744"),
    "ground": Shade(light="#ffffff", dark="#161b23"),
    "bad": Shade(light="#b3261e", dark="#ff8a80"),
}


class Coloured(Protocol):
    """A row with a pool's colour, in a report or a comparison."""

    @property
    def pool(self) -> str:
        """Return the pool."""

    @property
    def is_without_gil(self) -> bool:
        """Return whether it runs without the GIL."""


def shade_name(row: Coloured) -> str:
    """Return the name of the colour of a row's contender."""
    return "no-gil" if row.is_without_gil else row.pool


def row_shade(row: Coloured) -> Shade:
    """Return the colour of a row's contender."""
    return pool_shade(shade_name(row))


def pool_shade(pool: str) -> Shade:
    """Return the pool's colour."""
    return POOL_SHADES.get(pool, OTHER_SHADE)
