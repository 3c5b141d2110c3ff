"""Compares the order in which jobs started with the one that their priorities ask for. Pure.

Two jobs in one queue form a pair if their priorities differ and both waited at some moment. The
pair is in order if the one with the higher priority started first. Without priorities, half of the
pairs would be in order, if jobs of both came evenly mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import polars as pl

from collector.run_manifest import PlannedTrial
from report.trials.wait_causes import executions


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrder:
    """The pairs of jobs whose priorities ask for an order, and how many started in it."""

    pairs: int
    in_order: int

    @property
    def share(self) -> float:
        """Share of the pairs that started in the order asked for."""
        return self.in_order / self.pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waits:
    """When jobs of one priority began to wait, and when they started; both sorted, ns."""

    queue: str
    priority: int
    begins: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    def waiting(self, moments: npt.NDArray[np.int64]) -> int:
        """Return the sum over some moments of the number of these jobs that wait then."""
        begun = np.searchsorted(self.begins, moments, side="right")
        return int((begun - np.searchsorted(self.starts, moments, side="right")).sum())


def start_order(records: pl.DataFrame, *, plan: PlannedTrial) -> StartOrder | None:
    """Return the pairs of a trial; None if there are none.

    A job waits from when it is due, or its countdown is over, until its first start.

    Args:
        records: with the columns of `report.trials.wait_causes`.
        plan: its parts determine queues and priorities; a message without one has Redis' first, 0.
    """
    if all(part.options.priority is None for part in plan.parts):
        return None
    first = executions(records, plan=plan).filter(pl.col("attempt") == 0)
    # a pool's timer may be early
    begin = pl.min_horizontal(pl.max_horizontal("begin_ns", "eta_ns"), "started_ns")
    jobs = first.with_columns(begin_ns=begin)
    classes: dict[tuple[str, int], list[str]] = {}
    for part in plan.parts:
        key = (part.options.queue, part.options.priority or 0)
        classes.setdefault(key, []).append(part.name)
    waits = [
        _Waits(
            queue=queue,
            priority=priority,
            begins=own["begin_ns"].sort().to_numpy(),
            starts=own["started_ns"].sort().to_numpy(),
        )
        for (queue, priority), parts in classes.items()
        for own in [jobs.filter(pl.col("part").is_in(parts))]
    ]
    pairs = in_order = 0
    for ours, theirs in permutations(waits, 2):
        if ours.queue == theirs.queue and ours.priority < theirs.priority:
            found = theirs.waiting(ours.starts)
            in_order += found
            pairs += found + ours.waiting(theirs.starts)
    return StartOrder(pairs=pairs, in_order=in_order) if pairs else None


def sum_orders(orders: Iterable[StartOrder | None]) -> StartOrder | None:
    """Return the pairs of several trials together; None if there are none."""
    known = [one for one in orders if one]
    if not known:
        return None
    return StartOrder(
        pairs=sum(one.pairs for one in known), in_order=sum(one.in_order for one in known)
    )
