"""Reads the stopping rule of a run: the width of its intervals, and its longest duration."""

from __future__ import annotations

import re

from collector.run_manifest import Until
from poolbench.arguments import read_span_s
from poolbench.errors import Fault, UsageError

#: Longest duration of a run with `--until`, if `--budget` is not given, seconds.
DEFAULT_BUDGET_S = 900.0

#: Bounds of the half-width, as a ratio. Below the first, the machine's drift exceeds the interval
#: even after a day of blocks; above the second, five blocks always suffice.
NARROWEST, WIDEST = 0.002, 0.5

#: Bounds of `--at-most`, seconds: one block needs more than the first, and the second is a week.
SHORTEST_S, LONGEST_S = 10.0, 7 * 86_400.0

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


def read_until(*, until: str | None, budget: str | None, repetitions: int | None) -> Until | None:
    """Return the stopping rule of `--until` and `--budget`; None if neither is given.

    Args:
        until: a percentage, ``3%``.
        budget: hours, minutes and seconds, ``1h30m``, ``15m``, ``90s``, ``90``.
        repetitions: the number of blocks; excludes the other two.

    Raises:
        UsageError: with every fault of these options.
    """
    asked = {"--until": until, "--budget": budget}
    given = {option: value for option, value in asked.items() if value is not None}
    if not given:
        return None
    faults: list[Fault] = []
    if repetitions is not None:
        problem, remedy = "can't be combined with --repetitions", "leave out one of them"
        option, value = next(iter(given.items()))
        faults.append(Fault(field=option, seen=value, problem=problem, remedy=remedy))
    half_width, at_most_s = None, DEFAULT_BUDGET_S
    if until is not None:
        half_width = _share(until)
        if half_width is None or not NARROWEST <= half_width <= WIDEST:
            problem = f"must be a percentage from {NARROWEST:.1%} to {WIDEST:.0%}"
            remedy = "write a number and a percent sign, such as 3%"
            faults.append(Fault(field="--until", seen=until, problem=problem, remedy=remedy))
    if budget is not None:
        try:
            at_most_s = read_budget_s(budget)
        except UsageError as error:
            faults += error.faults
    if faults:
        raise UsageError(*faults)
    return Until(half_width=half_width, at_most_s=at_most_s)


def read_budget_s(budget: str) -> float:
    """Return the seconds of a `--budget`: ``1h30m``, ``15m``, ``90s``, ``90``.

    Raises:
        UsageError: if it is no such time, or out of bounds.
    """
    at_most_s = read_span_s(budget)
    if not SHORTEST_S <= at_most_s <= LONGEST_S:
        problem = "must be a time from 10s to 168h"
        remedy = "write hours, minutes and seconds, such as 15m, 1h30m or 900"
        raise UsageError(Fault(field="--budget", seen=budget, problem=problem, remedy=remedy))
    return at_most_s


def _share(text: str) -> float | None:
    found = _SHARE.fullmatch(text)
    return float(found[1]) / 100 if found else None
