"""How many jobs were in flight at once. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


def peak_in_flight(starts_ns: Iterable[int], ends_ns: Iterable[int]) -> int:
    """Return the most jobs in flight at one instant; an end precedes a start at the same time."""
    steps = [*((at_ns, 1) for at_ns in starts_ns), *((at_ns, -1) for at_ns in ends_ns)]
    return max(itertools.accumulate((step for _, step in sorted(steps)), initial=0))
