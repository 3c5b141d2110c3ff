"""Reads the stopping rule of a run: the width of its intervals, and its longest duration."""

from __future__ import annotations

import re

from collector.run_manifest import Until
from poolbench.errors import Fault, UsageError

#: Longest duration of a run with `--until`, if `--at-most` is not given, seconds.
DEFAULT_AT_MOST_S = 900.0

#: Bounds of the half-width, as a ratio. Below the first, the machine's drift exceeds the interval
#: even after a day of blocks; above the second, five blocks always suffice.
NARROWEST, WIDEST = 0.002, 0.5

#: Bounds of `--at-most`, seconds: one block needs more than the first, and the second is a week.
SHORTEST_S, LONGEST_S = 10.0, 7 * 86_400.0

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SPAN = re.compile(r"\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+(?:\.\d+)?)\s*s?)?\s*")


def read_until(*, until: str | None, at_most: str | None, repetitions: int | None) -> Until | None:
    """Return the stopping rule of `--until` and `--at-most`; None if neither is given.

    Args:
        until: a percentage, ``3%``.
        at_most: hours, minutes and seconds, ``1h30m``, ``15m``, ``90s``, ``90``.
        repetitions: the number of blocks; excludes the other two.

    Raises:
        UsageError: with every fault of these options.
    """
    faults: list[Fault] = []
    if until is None:
        if at_most is not None:
            remedy = "add --until, such as --until 3%"
            if repetitions is not None:
                remedy = "leave it out: --repetitions ends the run"
            raise UsageError(
                Fault(field="--at-most", seen=at_most, problem="needs --until", remedy=remedy)
            )
        return None
    if repetitions is not None:
        problem, remedy = "can't be combined with --repetitions", "leave out one of them"
        faults.append(Fault(field="--until", seen=until, problem=problem, remedy=remedy))
    half_width, at_most_s = _share(until), DEFAULT_AT_MOST_S
    if half_width is None or not NARROWEST <= half_width <= WIDEST:
        problem = f"must be a percentage from {NARROWEST:.1%} to {WIDEST:.0%}"
        remedy = "write a number and a percent sign, such as 3%"
        faults.append(Fault(field="--until", seen=until, problem=problem, remedy=remedy))
    if at_most is not None:
        given_s = _span_s(at_most)
        if given_s is None or not SHORTEST_S <= given_s <= LONGEST_S:
            problem = "must be a time from 10s to 168h"
            remedy = "write hours, minutes and seconds, such as 15m, 1h30m or 900"
            faults.append(Fault(field="--at-most", seen=at_most, problem=problem, remedy=remedy))
        at_most_s = given_s or at_most_s
    if faults or half_width is None:
        raise UsageError(*faults)
    return Until(half_width=half_width, at_most_s=at_most_s)


def _share(text: str) -> float | None:
    found = _SHARE.fullmatch(text)
    return float(found[1]) / 100 if found else None


def _span_s(text: str) -> float | None:
    found = _SPAN.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3_600 + minutes * 60 + seconds
