"""How narrow a run's intervals are to become, and how long that may take."""

from __future__ import annotations

import re

from collector.run_manifest import Until
from poolbench.errors import Fault, UsageError

#: How long a run may go on where nobody says, seconds.
DEFAULT_AT_MOST_S = 900.0

#: Half-widths that can be asked for, as a share. Below the first, a machine's own drift is larger
#: than anything a day of blocks could tell; beyond the second, five blocks always do.
NARROWEST, WIDEST = 0.002, 0.5

#: A run of a minute has hardly one block, and one of a week has outlived its question.
SHORTEST_S, LONGEST_S = 10.0, 7 * 86_400.0

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_SPAN = re.compile(r"\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+(?:\.\d+)?)\s*s?)?\s*")


def read_until(*, until: str | None, at_most: str | None, repetitions: int | None) -> Until | None:
    """Return what `--until` and `--at-most` ask for; None where nothing was asked.

    Args:
        until: a percentage, ``3%``.
        at_most: hours, minutes and seconds, ``1h30m``, ``15m``, ``90s``, ``90``.
        repetitions: blocks that were asked for; they can't be fixed and open at once.

    Raises:
        UsageError: with everything that is wrong with it.
    """
    faults: list[Fault] = []
    if until is None:
        if at_most is not None:
            remedy = "write --until too, such as --until 3%"
            if repetitions is not None:
                remedy = "leave it out: --repetitions ends the run"
            raise UsageError(Fault(problem="--at-most alone", seen=at_most, remedy=remedy))
        return None
    if repetitions is not None:
        remedy = "take one: --until adds blocks until the intervals are narrow"
        seen = f"--until {until} and --repetitions {repetitions}"
        faults.append(Fault(problem="two ways to end a run", seen=seen, remedy=remedy))
    half_width, at_most_s = _share(until), DEFAULT_AT_MOST_S
    if half_width is None or not NARROWEST <= half_width <= WIDEST:
        remedy = f"write a percentage from {NARROWEST:.1%} to {WIDEST:.0%}, such as 3%"
        faults.append(
            Fault(problem="impossible precision", seen=until, remedy=remedy, where="--until")
        )
    if at_most is not None:
        given_s = _span_s(at_most)
        if given_s is None or not SHORTEST_S <= given_s <= LONGEST_S:
            remedy = "write a time from 10s to 168h, such as 15m, 1h30m or 900"
            faults.append(
                Fault(problem="impossible time", seen=at_most, remedy=remedy, where="--at-most")
            )
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
