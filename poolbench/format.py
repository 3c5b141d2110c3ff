"""Formats numbers for every terminal and page of Poolbench."""

from __future__ import annotations

#: Text of a missing figure.
NOTHING = "–"

_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def number(value: float | None) -> str:
    """Return ``value`` with about three digits: 1,234 · 241 · 24.1 · 2.41 · 0.0241."""
    if value is None:
        return NOTHING
    size = abs(three_digits(value))
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def counted(value: int, *, noun: str) -> str:
    """Return ``1 job``, ``2 jobs``."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def percent(share: float | None) -> str:
    """Return a share of one as a percentage: whole, or with two digits below 10 %."""
    if share is None:
        return NOTHING
    value = share * 100
    return f"{value:.0f} %" if abs(value) >= 10 else f"{value:.2g} %"


def listed(words: list[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def duration(value_s: float | None) -> str:
    """Return seconds in s, ms or µs: 1.20 s · 45.0 ms · 310 µs."""
    if value_s is None:
        return NOTHING
    if value_s == 0:
        return "0 s"
    for size, unit in _TIME_UNITS:
        if abs(three_digits(value_s)) >= size:
            return f"{number(value_s / size)} {unit}"
    return f"{number(value_s / 1e-6)} µs"


def size(value_bytes: float | None) -> str:
    """Return bytes in decimal units: 142 MB."""
    if value_bytes is None:
        return NOTHING
    for factor, unit in _BYTE_UNITS:
        if abs(three_digits(value_bytes)) >= factor:
            return f"{number(value_bytes / factor)} {unit}"
    return f"{number(value_bytes)} B"


def three_digits(value: float) -> float:
    """Return ``value`` rounded as it is shown: 999.6 is shown as 1,000."""
    return float(f"{value:.3g}")
