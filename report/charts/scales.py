"""Chooses the axes of charts: bounds, logarithmic or not, and how ticks are written. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: How ticks are written, as Vega expressions: 0.5 · 20 · 1.5k · 2M; 2 s · 50 ms · 300 µs.
SHORT = "abs(datum.value) < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"
SECONDS = (
    "datum.value >= 1 ? format(datum.value, '~g') + ' s'"
    " : datum.value >= 0.001 ? format(datum.value * 1e3, '~g') + ' ms'"
    " : format(datum.value * 1e6, '~g') + ' µs'"
)

#: Where an axis may end that has no tick but its ends, within a power of ten.
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

#: From this factor between its ends on, an axis is logarithmic.
_FAR_APART = 8.0

#: How far an axis reaches beyond its data, as a factor (logarithmic) and a share (linear).
_BEYOND, _ABOVE = 1.15, 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows: its unit in words, its bounds in that unit, and how ticks are written."""

    title: str
    low: float
    high: float
    #: A Vega expression: `SHORT` or `SECONDS`.
    show: str = SHORT
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 at the low end to 1 at the high one; beyond, there."""
        held = min(max(value, self.low), self.high)
        if self.is_log:
            return math.log(held / self.low) / math.log(self.high / self.low)
        return (held - self.low) / (self.high - self.low)


def from_zero(values: Iterable[float | None], *, title: str) -> Axis:
    """Return a linear axis from 0 to a little above the largest value, or to 1 without any."""
    largest = max((value for value in values if value is not None), default=0.0)
    return Axis(title=title, low=0.0, high=largest * (1 + _ABOVE) or 1.0)


def to_round(values: Iterable[float | None], *, title: str) -> Axis:
    """Return a linear axis from 0 to a round figure that no value exceeds, or to 1 without any."""
    largest = max((value for value in values if value is not None), default=0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return Axis(
        title=title,
        low=0.0,
        high=next(step * power for step in _ROUND if step * power >= largest * (1 - 1e-9)),
    )


def logarithmic(
    values: Iterable[float | None], *, title: str, beyond: float = _BEYOND, show: str = SHORT
) -> Axis:
    """Return a logarithmic axis around the values above 0; around 1 without any."""
    known = [value for value in values if value is not None and value > 0]
    low, high = min(known, default=0.5), max(known, default=2.0)
    return Axis(title=title, low=low / beyond, high=high * beyond, is_log=True, show=show)


def reaching(values: Iterable[float], *, title: str, beyond: float = 1.0) -> Axis:
    """Return an axis from the least value to the largest: logarithmic where they are far apart."""
    known = sorted(values) or [0.0, 1.0]
    low, high = known[0], known[-1]
    if low > 0 and high / low >= _FAR_APART:
        return logarithmic(known, title=f"{title} (logarithmic)", beyond=beyond)
    return Axis(title=title, low=low if low < high else low - 1, high=high)


def log_ticks(low: float, *, high: float, most: float) -> list[float]:
    """Return powers of ten within the bounds, with steps between as far as ``most`` allows.

    Vega has all nine steps of a decade or none. Empty where too few are left to read an axis by:
    there Vega's own are even steps.
    """
    decades = math.log10(high / low)
    steps: tuple[int, ...] = (1,)
    if most * math.log10(2) >= decades:
        steps = (1, 2, 5)
    elif most * math.log10(3) >= decades:
        steps = (1, 3)
    every = max(1, math.ceil(decades / max(most, 1.0)))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [step * 10.0**power for power in powers if power % every == 0 for step in steps]
    within = [tick for tick in found if low <= tick <= high]
    is_enough = len(within) > (1 if decades >= 1 else 2)
    return within if is_enough else []
