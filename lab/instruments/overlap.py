"""How many jobs were in flight at once. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator


def peak_in_flight(starts_ns: Iterable[int], ends_ns: Iterable[int]) -> int:
    """Return the most jobs in flight at one instant; an end precedes a start at the same time."""
    return max((count for _, count in _in_flight(starts_ns, ends_ns)), default=0)


def first_in_flight(starts_ns: Iterable[int], ends_ns: Iterable[int], *, jobs: int) -> int | None:
    """Return the first instant at which ``jobs`` jobs were in flight; None if there was none."""
    return next((at for at, count in _in_flight(starts_ns, ends_ns) if count >= jobs), None)


def _in_flight(starts_ns: Iterable[int], ends_ns: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield each start and end with the number of jobs in flight from then on, in order."""
    steps = sorted([*((at_ns, 1) for at_ns in starts_ns), *((at_ns, -1) for at_ns in ends_ns)])
    counts = itertools.accumulate(step for _, step in steps)
    return zip((at_ns for at_ns, _ in steps), counts, strict=True)
