"""Measures how long jobs blocked an event loop, as the asyncio pool recorded it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from collector.metrics import known
from collector.reasons import Code, Reason

#: Shortest blocking that the pool records, milliseconds.
COUNTED_MS = 50

#: The pool that records it: its slots are coroutines on one loop.
LOOP_POOL = "asyncio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocking:
    """How jobs blocked a worker's event loop, over several trials."""

    #: Share of the time, from each trial's first start to its last finish, in which jobs blocked
    #: the loop for more than `COUNTED_MS`.
    share: float
    #: Longest blocking by one job, seconds.
    longest_s: float
    #: Number of jobs that blocked the loop, and of all finished jobs.
    jobs: int
    seen: int

    @property
    def reason(self) -> Reason:
        """The reason that describes the blocking, as a note."""
        if not self.jobs:
            return Reason.of(Code.LOOP_FREE, counted_ms=COUNTED_MS)
        return Reason.of(Code.LOOP_BLOCKED, counted_ms=COUNTED_MS, **asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBlocking:
    """How the jobs of one trial blocked the event loop of their worker."""

    #: Total recorded blocking, and the longest of one job, ns.
    blocked_ns: int
    longest_ns: int
    #: Number of jobs that blocked the loop, and of all finished jobs.
    jobs: int
    seen: int
    #: From the first start to the last finish, ns.
    span_ns: int


def measure_blocking(records: pl.DataFrame) -> TrialBlocking:
    """Return the blocking in one trial's records.

    It reads ``started_ns``, ``finished_ns`` and ``blocked_ns``, which is null for a job without
    recorded blocking.
    """
    if records["finished_ns"].null_count():
        records = records.filter(pl.col("finished_ns").is_not_null())
    blocked_ns = known(records["blocked_ns"])
    longest_ns = blocked_ns.max()
    return TrialBlocking(
        blocked_ns=int(blocked_ns.sum()),
        longest_ns=longest_ns if isinstance(longest_ns, int) else 0,
        jobs=int((blocked_ns > 0).sum()),
        seen=records.height,
        span_ns=_span_ns(records["started_ns"], records["finished_ns"]),
    )


def find_blocking(trials: Sequence[TrialBlocking], *, pool: str) -> Blocking | None:
    """Return the blocking over several trials; None for a pool without an event loop."""
    seen = sum(trial.seen for trial in trials)
    if pool != LOOP_POOL or not seen:
        return None
    blocked_ns = sum(trial.blocked_ns for trial in trials)
    span_ns = sum(trial.span_ns for trial in trials)
    return Blocking(
        share=min(1.0, blocked_ns / span_ns) if span_ns else 0.0,
        longest_s=max(trial.longest_ns for trial in trials) / 1e9,
        jobs=sum(trial.jobs for trial in trials),
        seen=seen,
    )


def _span_ns(started_ns: pl.Series, finished_ns: pl.Series) -> int:
    first, last = started_ns.min(), finished_ns.max()
    return last - first if isinstance(first, int) and isinstance(last, int) else 0
