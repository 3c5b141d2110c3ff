"""Demands of a small shop made by hand, and what was measured of some settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.advise.decision import Expected
from lab.advise.model import Demand, Feature, Setting, TaskDemand
from report.statistics.ratios import Median, Ratio

#: A task that mostly waits, and one that mostly computes without the GIL.
FETCH = TaskDemand(
    name="shop.fetch", executions=900, per_s=9, held_s=0.002, wait_s=0.048, p50_s=0.05, p95_s=0.06
)
THUMB = TaskDemand(
    name="shop.thumb",
    executions=300,
    per_s=3,
    held_s=0.004,
    released_s=0.030,
    p50_s=0.03,
    p95_s=0.05,
)

#: A task that computes, and whether it holds the GIL is unknown.
REPORT = TaskDemand(
    name="shop.report", executions=400, per_s=4, unknown_s=0.05, p50_s=0.05, p95_s=0.08
)

TODAY = Setting(pool="prefork", slots=8)

HARD_LIMIT = Feature(
    name="hard time limit", is_used=True, lost_in={"threads": "ignored", "solo": "ignored"}
)


def about(value: float, *, by: float = 0.1) -> Median:
    """Return a median with a range of so much below and above."""
    return Median(median=value, low=value * (1 - by), high=value * (1 + by))


def demand(*tasks: TaskDemand, **more: Any) -> Demand:
    """Return what tasks ask of a worker on two cores, with gevent installed."""
    given: dict[str, Any] = {
        "tasks": tasks or (FETCH, THUMB),
        "span_s": 100.0,
        "today": TODAY,
        "cores": 2,
        "dispersion": 1.0,
        "process_bytes": about(80e6),
        "child_bytes": about(25e6),
        "connections_per_slot": about(1.5),
        "packages": {"gevent": "26.9.0"},
    }
    return Demand(**given | more)


def expected(setting: Setting = TODAY, *, per_s: float = 100.0, **more: Any) -> Expected:
    """Return what a setting did: it met the SLO and is valid."""
    given: dict[str, Any] = {
        "setting": setting,
        "wait_s": about(0.02),
        "is_met": True,
        "per_s": about(per_s),
        "memory_bytes": about(200e6),
        "connections": about(12),
    }
    return Expected(**given | more)


def candidate(pool: str = "threads", *, times: float = 2.0, **more: Any) -> Expected:
    """Return a candidate that did so many times the work of today's setting, within 5 %."""
    found = expected(Setting(pool=pool, slots=12), per_s=100 * times, **more)
    return replace(found, ratio=Ratio(value=times, low=times * 0.95, high=times * 1.05, blocks=5))
