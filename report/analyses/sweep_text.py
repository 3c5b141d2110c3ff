"""Describes the scalability law of a sweep in sentences, for terminal and page."""

from __future__ import annotations

from collections.abc import Callable

from report import format as fmt
from report.result import IN_SECONDS, Sweep
from report.statistics.scalability import Estimate, Scaling


def describe_law(sweep: Sweep) -> str:
    """Return a description of the scalability of a sweep over slots; empty for other sweeps."""
    if sweep.setting != "slots":
        return ""
    law = sweep.usl
    if law is None:
        return f"No scalability law: {sweep.usl_reason}."
    return (
        f"One slot does {describe_estimate(law.one_slot_per_s)} jobs/s. Contention "
        f"{_share(law.sigma)}, coherency {_share(law.kappa)} (shares of a job). "
        f"{_peak(law)}"
    )


def figure_text(value: float | None, *, figure: str) -> str:
    """Return a figure of a sweep as text: a duration, or jobs per second without the unit."""
    return fmt.duration(value) if figure in IN_SECONDS else fmt.number(value)


def range_text(low: float | None, *, high: float | None, figure: str) -> str:
    """Return the range of a sweep's figure as text."""
    if figure not in IN_SECONDS:
        return fmt.span(low, high=high)
    known = None not in (low, high)
    return f"{fmt.duration(low)}–{fmt.duration(high)}" if known else fmt.NOTHING


def describe_estimate(found: Estimate) -> str:
    """Return a figure with its interval, if it has one: ``21.5 [21.0–22.1]``."""
    return f"{fmt.number(found.value)}{_interval(found, show=fmt.number)}"


def _peak(law: Scaling) -> str:
    peak = law.peak
    if peak is None:
        return f"{law.no_peak[:1].upper()}{law.no_peak[1:]}."
    if peak.low is None or peak.high is None:
        return f"The peak is at about {fmt.number(peak.value)} slots."
    span = f"{fmt.number(peak.low)}–{fmt.number(peak.high)}"
    return f"The peak is at {fmt.number(peak.value)} slots [{span}]."


def _share(found: Estimate) -> str:
    return f"{_small(found.value)}{_interval(found, show=_small)}"


def _small(value: float | None) -> str:
    return fmt.NOTHING if value is None else f"{value:.2g}"


def _interval(found: Estimate, *, show: Callable[[float], str]) -> str:
    low, high = found.low, found.high
    return "" if low is None or high is None else f" [{show(low)}–{show(high)}]"
