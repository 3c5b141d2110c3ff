"""What jobs did to an event loop: for how long they held it, as the asyncio pool saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

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


def find_blocking(trials: Sequence[pl.DataFrame], *, pool: str) -> Blocking | None:
    """Return what the records of some trials tell; None for a pool without an event loop.

    A job whose ``blocked_ns`` is null held it for no stretch that was counted.
    """
    records = [frame.filter(pl.col("finished_ns").is_not_null()) for frame in trials]
    told = sum(frame.height for frame in records)
    if pool != LOOP_POOL or not told:
        return None
    blocked_ns = pl.concat([frame["blocked_ns"].fill_null(0) for frame in records])
    span_ns = sum(map(_span_ns, records))
    longest_ns = blocked_ns.max()
    return Blocking(
        share=min(1.0, int(blocked_ns.sum()) / span_ns) if span_ns else 0.0,
        longest_s=longest_ns / 1e9 if isinstance(longest_ns, int) else 0.0,
        jobs=int((blocked_ns > 0).sum()),
        told=told,
    )


def _span_ns(records: pl.DataFrame) -> int:
    first, last = records["started_ns"].min(), records["finished_ns"].max()
    return last - first if isinstance(first, int) and isinstance(last, int) else 0
