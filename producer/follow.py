"""Follows a trial in the collector's summary, until its ledger closes or no job ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import redis

from producer.summary import RunSummary, TrialSummary

#: Between two reads of the summary, seconds.
READ_EVERY_S = 0.2

#: Between two reads of the live workers, seconds; a worker sends a heartbeat every two.
WORKERS_EVERY_S = 2.0

#: How long to wait for a run to close after its last trial closed, seconds: only then the summary
#: contains which runs overlapped it.
SETTLE_S = 3.0


class Ending(Enum):
    """Why following a trial ended."""

    #: Each job sent has ended.
    CLOSED = "closed"
    #: No job ended for too long, though workers are live.
    STALLED = "stalled"
    #: No job ended for a while, and no worker is live.
    DESERTED = "deserted"
    #: The limit of ``--timeout`` was reached.
    TIMED_OUT = "timed-out"
    #: No summary was published, or the collector stopped reading lines.
    UNWATCHED = "unwatched"
    #: Ctrl-C.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLimits:
    """How long to wait, seconds."""

    #: Until the collector publishes something.
    summary_s: float
    #: Until another job ends, while workers are live.
    stall_s: float
    #: Until another job ends, while no worker is live.
    desert_s: float
    #: In all; None: no limit.
    timeout_s: float | None = None


def wait_limits(
    *, job_s: float, slots: int, stall_s: float | None = None, timeout_s: float | None = None
) -> WaitLimits:
    """Return how long to wait for jobs of this length; explicit limits override it.

    Slots may all be busy with one job each on one core, and a worker that runs jobs in its main
    thread sends heartbeats only between them.
    """
    own_s = 12 * job_s * max(1, slots)
    stall_s = 60.0 + own_s if stall_s is None else stall_s
    return WaitLimits(
        summary_s=min(15.0, stall_s),
        stall_s=stall_s,
        desert_s=min(10.0 + own_s, stall_s),
        timeout_s=timeout_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How following a trial ended, and the last summary of it."""

    ending: Ending
    summary: RunSummary | None
    trial: TrialSummary | None
    #: How long no job had ended then, seconds.
    still_s: float


@dataclass(kw_only=True)
class Follower:
    """Reads the summary of one trial repeatedly; clocks and sources are parameters."""

    trial: int
    #: Jobs that were sent.
    sent: int
    limits: WaitLimits
    read: Callable[[], RunSummary | None]
    has_workers: Callable[[], bool]
    should_stop: Callable[[], bool]
    #: Monotonic, seconds.
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def __post_init__(self) -> None:
        self._start_s = self._moved_at_s = self._reached_at_s = self.clock()
        self._workers_at_s = float("-inf")
        self._is_deserted = False
        self._summary: RunSummary | None = None

    def follow(self, *, is_last: bool, on_read: Callable[[TrialSummary], None]) -> Followed:
        """Read the summary until the trial ends, for any reason.

        After the last trial of a run its own end is awaited too, for `SETTLE_S` at most.

        Raises:
            redis.RedisError: if the broker is lost and doesn't come back.
        """
        while True:
            self._refresh(on_read)
            ending = self._ending()
            if ending:
                break
            self.sleep(READ_EVERY_S)
        if ending is Ending.CLOSED and is_last:
            self._settle()
        still_s = self.clock() - self._moved_at_s
        return Followed(ending=ending, summary=self._summary, trial=self._seen, still_s=still_s)

    @property
    def _seen(self) -> TrialSummary | None:
        return self._summary.trial(self.trial) if self._summary else None

    def _refresh(self, on_read: Callable[[TrialSummary], None]) -> None:
        before = self._seen
        try:
            self._summary = self.read()
            self._refresh_workers()
            self._reached_at_s = self.clock()
        except (redis.ConnectionError, redis.TimeoutError):
            if self.clock() - self._reached_at_s > self.limits.summary_s:
                raise
        after = self._seen
        if after is None:
            return
        if before is None or after.ledger != before.ledger:
            self._moved_at_s = self.clock()
        on_read(after)

    def _refresh_workers(self) -> None:
        if self.clock() - self._workers_at_s >= WORKERS_EVERY_S:
            self._workers_at_s = self.clock()
            self._is_deserted = not self.has_workers()

    def _ending(self) -> Ending | None:
        now_s, limits, seen = self.clock(), self.limits, self._seen
        still_s = now_s - self._moved_at_s
        is_closed = seen is not None and seen.ledger.is_closed and seen.ledger.sent >= self.sent
        is_late = limits.timeout_s is not None and now_s - self._start_s > limits.timeout_s
        endings = (
            (Ending.CLOSED, is_closed),
            (Ending.STOPPED, self.should_stop()),
            (Ending.UNWATCHED, seen is None and still_s > limits.summary_s),
            (Ending.DESERTED, self._is_deserted and still_s > limits.desert_s),
            (Ending.STALLED, still_s > limits.stall_s),
            (Ending.TIMED_OUT, is_late),
        )
        return next((ending for ending, is_reached in endings if is_reached), None)

    def _settle(self) -> None:
        deadline_s = self.clock() + SETTLE_S
        while self._summary and not self._summary.state.is_over and self.clock() < deadline_s:
            self.sleep(READ_EVERY_S)
            self._summary = self.read() or self._summary
