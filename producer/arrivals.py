"""Draws when each job is due: pure, and the same for the same seed.

An arrival process is one entry of `ARRIVALS`; a new one is a function and an entry.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poolbench.errors import Fault, UsageError, nearest

#: Most jobs of one trial; their due times alone take 80 MB.
MAX_COUNT = 10_000_000

#: Highest mean rate, jobs per second: beyond what one broker takes in.
MAX_RATE_PER_S = 1_000_000.0

#: Longest span of due times, seconds: a day.
MAX_SPAN_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One way in which jobs arrive."""

    name: str
    #: One clause for help and tables.
    help: str
    #: Whether it needs a mean rate; without one, the rate must be 0.
    has_rate: bool
    #: From (count, rate_per_s, source of randomness) to offsets, sorted, from 0, seconds.
    offsets_s: Callable[[int, float, random.Random], array[float]]


def _burst(count: int, _rate_per_s: float, _source: random.Random) -> array[float]:
    return array("d", bytes(8 * count))


def _constant(count: int, rate_per_s: float, _source: random.Random) -> array[float]:
    # divided, not added up, so that the last offset carries no sum of roundings
    return array("d", (index / rate_per_s for index in range(count)))


def _poisson(count: int, rate_per_s: float, source: random.Random) -> array[float]:
    offsets_s, at_s = array("d", [0.0]), 0.0
    for _ in range(count - 1):
        at_s += source.expovariate(rate_per_s)
        offsets_s.append(at_s)
    return offsets_s


ARRIVALS: dict[str, Arrivals] = {
    arrivals.name: arrivals
    for arrivals in (
        Arrivals(name="burst", help="all at once", has_rate=False, offsets_s=_burst),
        Arrivals(name="constant", help="evenly spaced", has_rate=True, offsets_s=_constant),
        Arrivals(
            name="poisson",
            help="at random, each independent of the others",
            has_rate=True,
            offsets_s=_poisson,
        ),
    )
}


def draw(arrivals: str, *, count: int, rate_per_s: float, seed: int) -> Sequence[float]:
    """Return when each job is due, seconds from the start: sorted, the first at 0.

    Raises:
        UsageError: with every fault of the arguments.
    """
    faults = check(arrivals, count=count, rate_per_s=rate_per_s)
    if faults:
        raise UsageError(*faults)
    return ARRIVALS[arrivals].offsets_s(count, rate_per_s, random.Random(seed))


def check(arrivals: str, *, count: int, rate_per_s: float) -> list[Fault]:
    """Return everything that is wrong with what `draw` is asked for."""
    faults = [_unknown_fault(arrivals), _count_fault(count), _rate_fault(rate_per_s)]
    found = [fault for fault in faults if fault]
    return found or [fault for fault in [_match_fault(arrivals, count, rate_per_s)] if fault]


def _unknown_fault(arrivals: str) -> Fault | None:
    if arrivals in ARRIVALS:
        return None
    remedy = nearest(arrivals, among=ARRIVALS)
    return Fault(where="arrivals", problem="unknown", seen=arrivals, remedy=remedy)


def _count_fault(count: int) -> Fault | None:
    if 1 <= count <= MAX_COUNT:
        return None
    remedy = f"it takes a whole number from 1 to {MAX_COUNT}"
    return Fault(where="count", problem="out of bounds", seen=str(count), remedy=remedy)


def _rate_fault(rate_per_s: float) -> Fault | None:
    if 0.0 <= rate_per_s <= MAX_RATE_PER_S:
        return None
    remedy = f"it takes jobs per second from 0 (all at once) to {MAX_RATE_PER_S:.0f}"
    return Fault(where="rate", problem="out of bounds", seen=f"{rate_per_s:g}", remedy=remedy)


def _match_fault(arrivals: str, count: int, rate_per_s: float) -> Fault | None:
    has_rate = ARRIVALS[arrivals].has_rate
    if has_rate and rate_per_s == 0:
        remedy = "give jobs per second above 0, or take burst"
        return Fault(where="rate", problem=f"missing for {arrivals} arrivals", remedy=remedy)
    if not has_rate and rate_per_s > 0:
        problem, remedy = f"{arrivals} arrivals have none", "leave it out, or take constant"
        return Fault(where="rate", problem=problem, seen=f"{rate_per_s:g}", remedy=remedy)
    span_s = count / rate_per_s if has_rate else 0.0
    if span_s > MAX_SPAN_S or not math.isfinite(span_s):
        problem = f"{count} jobs would take {span_s / 3_600:.0f} hours"
        remedy = f"it takes {count / MAX_SPAN_S:.3g} or more: a day is the limit"
        return Fault(where="rate", problem=problem, seen=f"{rate_per_s:g}", remedy=remedy)
    return None
