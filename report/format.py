"""Formats numbers for people, in the terminal, the page, the charts and the verdicts."""

from __future__ import annotations

from datetime import UTC, datetime

from poolbench.format import NOTHING, counted, duration, listed, number, percent, size

__all__ = [
    "NOTHING", "count", "counted", "duration", "interval", "listed", "minutes", "moment", "number",
    "percent", "plain", "size", "span", "times", "times_range",
]  # fmt: skip


def plain(value: float) -> str:
    """Return ``value`` with up to two decimals: 0.48 · 0.1 · 40."""
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def count(value: int | None) -> str:
    """Return a count with thousands separators."""
    return NOTHING if value is None else f"{value:,}"


def minutes(value_s: float) -> str:
    """Return a waiting time: 45 s · 12 min · 3.5 h."""
    if value_s < 90:
        return f"{max(0.0, value_s):.0f} s"
    return f"{value_s / 60:.0f} min" if value_s < 90 * 60 else f"{value_s / 3_600:.1f} h"


def times(value: float | None) -> str:
    """Return a ratio: ``1.94 ×``."""
    return NOTHING if value is None else f"{_ratio(value)} ×"


def interval(low: float, *, high: float) -> str:
    """Return a claim's interval: ``[1.90–1.99]``."""
    return f"[{_ratio(low)}–{_ratio(high)}]"


def times_range(low: float, *, high: float) -> str:
    """Return a range of ratios without a claim: ``1.90–1.98 ×``."""
    first, last = _ratio(low), _ratio(high)
    return f"{first} ×" if first == last else f"{first}–{last} ×"


def span(low: float | None, *, high: float | None) -> str:
    """Return a range of figures: ``238–245``."""
    return NOTHING if low is None or high is None else f"{number(low)}–{number(high)}"


def moment(value_ns: int | None) -> str:
    """Return Unix nanoseconds as a UTC date and time, the same on every machine."""
    if value_ns is None:
        return NOTHING
    return datetime.fromtimestamp(value_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _ratio(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
