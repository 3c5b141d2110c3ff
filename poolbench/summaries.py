"""Types of a run's summary, which the collector publishes at `poolbench.keys.summary_key`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    """How far a run is."""

    #: The producer may send more.
    SENDING = "sending"
    #: All is sent, and jobs are missing.
    RUNNING = "running"
    #: All is sent, and the end of every job is known.
    CLOSED = "closed"
    #: Jobs are missing, and for long there was no line. Lines may still come.
    STALLED = "stalled"

    @property
    def is_over(self) -> bool:
        """Whether no more lines are expected."""
        return self in {RunState.CLOSED, RunState.STALLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The account of a trial: sent = done + failed + lost, counted in jobs."""

    #: Jobs that the producer put into the queue.
    sent: int = 0
    #: Jobs with an execution that was done.
    done: int = 0
    #: Jobs without one, with an outcome after which no further attempt comes.
    failed: int = 0
    #: Attempts, not jobs, that ended in a retry.
    retried: int = 0
    #: Jobs of which no end is known: unfinished while the trial runs. Negative if more ended
    #: than were sent.
    lost: int = 0
    #: Attempts that finished and had finished before, be it as another execution or, under one
    #: nonce, as the same.
    duplicated: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether the end of every job sent is known, and of no other."""
        return self.lost == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Nearest-rank percentiles of times, seconds."""

    p50: float
    p95: float
    p99: float
