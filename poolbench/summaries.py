"""Types of a run's summary, which the collector publishes at `poolbench.keys.summary_key`."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.str_enum import StrEnum


class RunState(StrEnum):
    """The progress of a run."""

    #: The producer may send more jobs.
    SENDING = "sending"
    #: All jobs are sent, and some have not ended.
    RUNNING = "running"
    #: All jobs are sent, and the end of every job is known.
    CLOSED = "closed"
    #: Some jobs have not ended, and no line has arrived for a long time. Lines may still arrive.
    STALLED = "stalled"

    @property
    def is_over(self) -> bool:
        """Return whether no more lines are expected."""
        return self in {RunState.CLOSED, RunState.STALLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger of a trial, counted in jobs.

    sent = done + failed + failed as planned + expired + lost.
    """

    #: Jobs that the producer put into the queue.
    sent: int = 0
    #: Jobs with a successful execution.
    done: int = 0
    #: Jobs without one whose last outcome is final (`poolbench.records.FINAL_OUTCOMES`), and that
    #: belong to none of the next two.
    failed: int = 0
    #: Jobs that failed because the experiment lets them fail.
    failed_as_planned: int = 0
    #: Jobs that expired before a slot could start them.
    expired: int = 0
    #: Attempts, not jobs, that ended in a retry.
    retried: int = 0
    #: Jobs without a known end, which are unfinished while the trial runs. Negative if more jobs
    #: ended than were sent.
    lost: int = 0
    #: Attempts that finished although they had finished before, as another execution or, with the
    #: same nonce, as the same one.
    duplicated: int = 0

    @property
    def is_closed(self) -> bool:
        """Return whether the end of every job sent is known, and of no other job."""
        return self.lost == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Nearest-rank percentiles of times, seconds."""

    p50: float
    p95: float
    p99: float
