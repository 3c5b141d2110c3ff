"""Places values on an axis and chooses its ticks. Pure: values in, pixels out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Room that the label of a tick takes, with its distance to the next, pixels.
TICK_LABEL = 46

#: What steps of an axis are multiples of, within a power of ten.
_STEPS = (1, 2, 5)

#: Where an axis may end that has no tick but its ends, within a power of ten.
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

#: From this factor between its ends on, an axis is logarithmic.
_FAR_APART = 8.0

#: How far an axis reaches beyond its data, as a factor (logarithmic) and a share (linear).
_BEYOND, _ABOVE = 1.15, 0.04

_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What an axis shows: its unit in words, its bounds in that unit, and how ticks are written."""

    title: str
    low: float
    high: float
    show: Callable[[float], str]
    is_log: bool = False

    def on(self, begin: float, *, end: float) -> Scale:
        """Return the axis drawn between two places, pixels."""
        return Scale(axis=self, begin=begin, end=end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis at its place in a drawing."""

    axis: Axis
    #: Where its low end lies, pixels.
    begin: float
    #: Where its high end lies; before `begin` on an upright axis.
    end: float

    def place(self, value: float) -> float:
        """Return where a value lies, pixels; beyond the axis, at its end."""
        low, high = self.axis.low, self.axis.high
        held = min(max(value, low), high)
        share = (
            math.log(held / low) / math.log(high / low)
            if self.axis.is_log
            else (held - low) / (high - low)
        )
        return self.begin + share * (self.end - self.begin)

    def ticks(self, *, apart: float = TICK_LABEL) -> list[float]:
        """Return round values within the axis whose labels lie ``apart`` pixels or more."""
        pixels = abs(self.end - self.begin)
        if not self.axis.is_log:
            return linear_ticks(self.axis.low, high=self.axis.high, most=pixels / apart)
        return log_ticks(self.axis.low, high=self.axis.high, most=pixels / apart)


def from_zero(values: Iterable[float | None], *, title: str) -> Axis:
    """Return a linear axis from 0 to a little above the largest value, or to 1 without any."""
    largest = max((value for value in values if value is not None), default=0.0)
    return Axis(title=title, low=0.0, high=largest * (1 + _ABOVE) or 1.0, show=short)


def to_round(values: Iterable[float | None], *, title: str) -> Axis:
    """Return a linear axis from 0 to a round figure that no value exceeds, or to 1 without any."""
    largest = max((value for value in values if value is not None), default=0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return Axis(
        title=title,
        low=0.0,
        high=next(step * power for step in _ROUND if step * power >= largest * (1 - 1e-9)),
        show=short,
    )


def logarithmic(
    values: Iterable[float | None],
    *,
    title: str,
    beyond: float = _BEYOND,
    show: Callable[[float], str] | None = None,
) -> Axis:
    """Return a logarithmic axis around the values above 0; around 1 without any."""
    known = [value for value in values if value is not None and value > 0]
    low, high = min(known, default=0.5), max(known, default=2.0)
    return Axis(title=title, low=low / beyond, high=high * beyond, is_log=True, show=show or short)


def reaching(values: Iterable[float], *, title: str, beyond: float = 1.0) -> Axis:
    """Return an axis from the least value to the largest: logarithmic where they are far apart."""
    known = sorted(values) or [0.0, 1.0]
    low, high = known[0], known[-1]
    if low > 0 and high / low >= _FAR_APART:
        return logarithmic(known, title=f"{title} (logarithmic)", beyond=beyond)
    return Axis(title=title, low=low if low < high else low - 1, high=high, show=short)


def linear_ticks(low: float, *, high: float, most: float) -> list[float]:
    """Return multiples of 1, 2 or 5 × a power of ten within the bounds, about ``most`` of them."""
    step = round_up((high - low) / max(most, 1.0))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # a step below 1 has no exact multiples: 3 × 0.1 is to be 0.3
    digits = max(0, -math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def log_ticks(low: float, *, high: float, most: float) -> list[float]:
    """Return powers of ten within the bounds, with steps between as far as ``most`` allows."""
    decades = math.log10(high / low)
    steps: tuple[int, ...] = (1,)
    if most * math.log10(2) >= decades:
        steps = _STEPS
    elif most * math.log10(3) >= decades:
        steps = (1, 3)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(1, math.ceil(decades / max(most, 1.0)))
    found = [
        step * 10.0**power
        for power in powers
        if power % every == 0
        for step in steps
        if low <= step * 10.0**power <= high
    ]
    is_enough = len(found) > (1 if decades >= 1 else 2)
    return found if is_enough else linear_ticks(low, high=high, most=min(most, 4))


def round_up(value: float) -> float:
    """Return the least 1, 2 or 5 × a power of ten that is not below ``value``, above 0."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*_STEPS, 10) if step * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """Return a tick's figure: 0.5 · 20 · 1.5k · 2M."""
    for size, letter in _THOUSANDS:
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def seconds(value_s: float) -> str:
    """Return a tick's seconds in the unit that reads best: 2 s · 50 ms · 300 µs."""
    if value_s >= 1 or value_s == 0:
        return f"{value_s:.4g} s"
    return f"{value_s * 1e3:.4g} ms" if value_s >= 1e-3 else f"{value_s * 1e6:.4g} µs"
