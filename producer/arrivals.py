"""Draws when each job is due: pure, and the same for the same seed.

`schedule` checks what is wanted and completes it; a `Schedule` and a seed are the due times. The
ways to arrive are in `producer.ways`, the arithmetic of moving rates in `producer.rates`.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poolbench.errors import Fault, UsageError
from producer import shape_faults as wrong
from producer.rates import rescale
from producer.shape_faults import MAX_COUNT
from producer.ways import ARRIVALS, MAX_RATE_PER_S, MAX_SPAN_S, MIN_SPAN_S, Arrivals, Shape, numbers

__all__ = [
    "ARRIVALS",
    "MAX_COUNT",
    "MAX_RATE_PER_S",
    "MAX_SPAN_S",
    "Schedule",
    "check",
    "draw",
    "read_schedule",
    "schedule",
]

#: What every way to arrive may have, by its word in a fault, as a key of a schedule's table.
_COMMON_KEYS = {"arrivals": "how", "count": "count", "rate": "rate_per_s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How many jobs arrive and how; with a seed, their due times. Made by `schedule`."""

    arrivals: str
    count: int
    #: Jobs per second: the mean, or where a ramp begins; 0 where the arrivals take none.
    rate_per_s: float
    #: Every parameter of the arrivals.
    shape: Shape

    @property
    def span_s(self) -> float:
        """Return by when all jobs are due in the mean, seconds; 0 for a burst."""
        way = ARRIVALS[self.arrivals]
        return way.curve(self.rate_per_s, self.shape).moment_s(self.count) if way.curve else 0.0

    @property
    def mean_per_s(self) -> float:
        """Return the jobs per second over the whole span; 0 for a burst."""
        return self.count / self.span_s if self.shape else self.rate_per_s

    def draw(self, seed: int) -> Sequence[float]:
        """Return when each job is due, seconds from the start: sorted, the first at 0."""
        way = ARRIVALS[self.arrivals]
        if way.curve is None:
            return array("d", bytes(8 * self.count))
        curve = way.curve(self.rate_per_s, self.shape)
        if way.is_random:
            return rescale(curve, count=self.count, source=random.Random(seed))
        return array("d", map(curve.moment_s, range(self.count)))

    def as_table(self) -> dict[str, Any]:
        """Return what `read_schedule` reads, in values that TOML and JSON have."""
        rate = {"rate_per_s": self.rate_per_s} if ARRIVALS[self.arrivals].has_rate else {}
        shape = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.shape.items()
        }
        return {"how": self.arrivals, "count": self.count, **rate, **shape}

    def __str__(self) -> str:
        words = {
            name: ", ".join(f"{each:,g}" for each in numbers(self.shape, name))
            for name in self.shape
        }
        return ARRIVALS[self.arrivals].told.format(rate_per_s=f"{self.rate_per_s:,g}", **words)


def schedule(
    arrivals: str,
    *,
    count: int | None = None,
    rate_per_s: float = 0.0,
    shape: Mapping[str, Any] | None = None,
) -> Schedule:
    """Return a schedule, complete: of the count and the shape's span, one follows from the other.

    A ramp of 30 s, steps of 5 s, a tide of a minute have as many jobs as are due in them once, in
    the mean; if only the count is given, they last until its last job. If both are given, jobs
    beyond the shape go on at its last rate, and a tide goes on.

    Raises:
        UsageError: with every fault of what is given.
    """
    faults = check(arrivals, count=count, rate_per_s=rate_per_s, shape=shape)
    if faults:
        raise UsageError(*faults)
    return _complete(ARRIVALS[arrivals], count=count, rate_per_s=rate_per_s, given=shape or {})


def read_schedule(table: Mapping[str, Any]) -> Schedule:
    """Return the schedule of a table as TOML has it.

    ``{ how = "ramp", rate_per_s = 50, to_rate_per_s = 200, over_s = 30 }``.

    Raises:
        UsageError: with every fault of the table; ``where`` is its key.
    """
    shape = {key: value for key, value in table.items() if key not in _COMMON_KEYS.values()}
    how, count, rate_per_s = table.get("how", ""), table.get("count"), table.get("rate_per_s", 0.0)
    try:
        return schedule(how, count=count, rate_per_s=rate_per_s, shape=shape)
    except UsageError as error:
        faults = [
            replace(fault, where=_COMMON_KEYS.get(fault.where, fault.where))
            for fault in error.faults
        ]
        raise UsageError(*faults) from error


def draw(
    arrivals: str,
    *,
    count: int,
    rate_per_s: float,
    seed: int,
    shape: Mapping[str, Any] | None = None,
) -> Sequence[float]:
    """Return when each job is due, seconds from the start: sorted, the first at 0.

    Raises:
        UsageError: with every fault of the arguments.
    """
    return schedule(arrivals, count=count, rate_per_s=rate_per_s, shape=shape).draw(seed)


def check(
    arrivals: str,
    *,
    count: int | None,
    rate_per_s: float,
    shape: Mapping[str, Any] | None = None,
) -> list[Fault]:
    """Return everything that is wrong with what `schedule` is asked for.

    ``where`` is ``arrivals``, ``count``, ``rate`` or a parameter's name. Values of any type are
    told of, as a person's file may hold them.
    """
    way, given = ARRIVALS.get(str(arrivals)), shape or {}
    found = [wrong.count_fault(count), wrong.rate_fault(rate_per_s, way=way)]
    if way is None:
        unknown = wrong.unknown_fault(arrivals, rate_per_s=rate_per_s, given=given)
        return [unknown, *filter(None, found)]
    faults = [*filter(None, found), *wrong.shape_faults(way, given, rate_per_s=rate_per_s)]
    if not faults:
        faults = [*filter(None, [wrong.rate_use_fault(way, rate_per_s)])]
    return faults or _extent_faults(way, count=count, rate_per_s=rate_per_s, given=given)


def _complete(
    way: Arrivals, *, count: int | None, rate_per_s: float, given: Mapping[str, Any]
) -> Schedule:
    """Return the schedule of sound values; of no job, if neither count nor span tells how many."""
    shape: dict[str, float | tuple[float, ...]] = {}
    for parameter in way.parameters:
        value = given.get(parameter.name, parameter.default)
        if value is not None:
            shape[parameter.name] = tuple(map(float, value)) if parameter.is_list else float(value)
    if way.jobs_per_span_s:
        per_s = way.jobs_per_span_s(rate_per_s, shape)
        if count is None and way.span in shape:
            count = max(1, round(sum(numbers(shape, way.span)) * per_s))
        shape.setdefault(way.span, max(MIN_SPAN_S, (count or 0) / per_s))
    return Schedule(arrivals=way.name, count=count or 0, rate_per_s=float(rate_per_s), shape=shape)


def _extent_faults(
    way: Arrivals, *, count: int | None, rate_per_s: float, given: Mapping[str, Any]
) -> list[Fault]:
    """Return the fault of no count, of too many jobs, or of too long a span."""
    found = _complete(way, count=count, rate_per_s=rate_per_s, given=given)
    where, seen = ("rate", f"{rate_per_s:g}") if way.has_rate else ("count", str(found.count))
    # a span that is beyond all bounds makes no curve
    shape_s = sum(numbers(found.shape, way.span)) if way.span else 0.0
    span_s = shape_s if shape_s > MAX_SPAN_S else found.span_s
    if not found.count:
        problem = f"missing for {way.name} arrivals"
        remedy = f"give it, or {way.span}" if way.span else "give the number of jobs"
        return [Fault(where="count", problem=problem, remedy=remedy)]
    if found.count > MAX_COUNT:
        problem, remedy = "too many jobs due", f"{MAX_COUNT} are the limit: lower rate or span"
        return [Fault(where="count", problem=problem, seen=str(found.count), remedy=remedy)]
    if span_s > MAX_SPAN_S:
        problem = f"{found.count} jobs would take {span_s / 3_600:.0f} hours"
        least = f"it takes {found.count / MAX_SPAN_S:.3g} or more: " if not way.span else ""
        remedy = f"{least}a day is the limit"
        return [Fault(where=where, problem=problem, seen=seen, remedy=remedy)]
    return []
