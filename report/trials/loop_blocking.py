"""What jobs did to an event loop: for how long they held it, as the asyncio pool saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from collector.metrics import known
from report import format as fmt

#: A stretch shorter than this is not counted by the pool, milliseconds.
COUNTED_MS = 50


#: The pool that tells: its slots are coroutines on one loop.
LOOP_POOL = "asyncio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocking:
    """How jobs held the loop of a worker, over some trials."""

    #: Part of the time, from each trial's first start to its last finish, that jobs held the loop
    #: in stretches of over `COUNTED_MS`.
    share: float
    #: The most that one job held it, seconds.
    longest_s: float
    #: Jobs that held it, and all jobs that told.
    jobs: int
    told: int

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        if not self.jobs:
            return f"no job held its event loop for over {COUNTED_MS} ms at a stretch"
        return (
            f"{self.jobs:,} of {fmt.counted(self.told, noun='job')} held its event loop for over "
            f"{COUNTED_MS} ms at a stretch: it stood still for {fmt.percent(self.share)} of the "
            f"time, and {fmt.duration(self.longest_s)} for one job"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """For how long the jobs of one trial held the loop of their worker."""

    #: All stretches that were counted, and the longest of one job, ns.
    held_ns: int
    longest_ns: int
    #: Jobs that held it, and all that told.
    jobs: int
    told: int
    #: From the first start to the last finish, ns.
    span_ns: int


def measure_held(records: pl.DataFrame) -> Held:
    """Return what the records of one trial tell: ``started_ns``, ``finished_ns``, ``blocked_ns``.

    A job whose ``blocked_ns`` is null held the loop for no stretch that was counted.
    """
    if records["finished_ns"].null_count():
        records = records.filter(pl.col("finished_ns").is_not_null())
    held_ns = known(records["blocked_ns"])
    longest_ns = held_ns.max()
    return Held(
        held_ns=int(held_ns.sum()),
        longest_ns=longest_ns if isinstance(longest_ns, int) else 0,
        jobs=int((held_ns > 0).sum()),
        told=records.height,
        span_ns=_span_ns(records["started_ns"], records["finished_ns"]),
    )


def find_blocking(trials: Sequence[Held], *, pool: str) -> Blocking | None:
    """Return what some trials tell together; None for a pool without an event loop."""
    told = sum(trial.told for trial in trials)
    if pool != LOOP_POOL or not told:
        return None
    held_ns = sum(trial.held_ns for trial in trials)
    span_ns = sum(trial.span_ns for trial in trials)
    return Blocking(
        share=min(1.0, held_ns / span_ns) if span_ns else 0.0,
        longest_s=max(trial.longest_ns for trial in trials) / 1e9,
        jobs=sum(trial.jobs for trial in trials),
        told=told,
    )


def _span_ns(started_ns: pl.Series, finished_ns: pl.Series) -> int:
    first, last = started_ns.min(), finished_ns.max()
    return last - first if isinstance(first, int) and isinstance(last, int) else 0
