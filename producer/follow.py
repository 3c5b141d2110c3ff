"""Follows a trial, by what the collector publishes, until its account closes or nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import redis

from producer.summary import RunSummary, TrialSummary

#: Between two looks at the summary, seconds.
LOOK_EVERY_S = 0.2

#: Between two looks at who is alive, seconds; a worker shows itself every two.
CREW_EVERY_S = 2.0

#: A closed trial is given this long until its run is called closed as well, seconds: only then
#: is it known which runs overlapped it.
SETTLE_S = 3.0


class Ending(Enum):
    """Why following a trial ended."""

    #: Each job sent has ended.
    CLOSED = "closed"
    #: No job ended for too long, though workers are there.
    STALLED = "stalled"
    #: No job ended for a while, and no worker is there.
    DESERTED = "deserted"
    #: The person's own limit was reached.
    TIMED_OUT = "timed-out"
    #: No summary was published, or no more while lines wait to be read.
    UNWATCHED = "unwatched"
    #: Ctrl-C.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, seconds."""

    #: Until the collector publishes something.
    summary_s: float
    #: Until another job ends, while workers are there.
    stall_s: float
    #: Until another job ends, while none is.
    desert_s: float
    #: In all; None: no limit.
    timeout_s: float | None = None


def patience_for(
    *, job_s: float, slots: int, stall_s: float | None = None, timeout_s: float | None = None
) -> Patience:
    """Return the patience that jobs of this length deserve; a person's own limit goes before it.

    Slots may all be busy with one job each on one core, and a worker that runs jobs in its main
    thread shows itself only between them.
    """
    own_s = 12 * job_s * max(1, slots)
    stall_s = 60.0 + own_s if stall_s is None else stall_s
    return Patience(
        summary_s=min(15.0, stall_s),
        stall_s=stall_s,
        desert_s=min(10.0 + own_s, stall_s),
        timeout_s=timeout_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How following a trial ended, and the last that was seen of it."""

    ending: Ending
    summary: RunSummary | None
    trial: TrialSummary | None
    #: How long no job had ended then, seconds.
    still_s: float


class Follower:
    """Looks at one trial of a run again and again; clocks and sources come from outside."""

    def __init__(
        self,
        *,
        trial: int,
        sent: int,
        patience: Patience,
        look: Callable[[], RunSummary | None],
        has_workers: Callable[[], bool],
        should_stop: Callable[[], bool],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._trial = trial
        self._sent = sent
        self._patience = patience
        self._look = look
        self._has_workers = has_workers
        self._should_stop = should_stop
        self._clock = clock
        self._sleep = sleep
        self._start_s = self._moved_at_s = self._reached_at_s = clock()
        self._crew_at_s = float("-inf")
        self._is_deserted = False
        self._summary: RunSummary | None = None

    def follow(self, *, is_last: bool, on_look: Callable[[TrialSummary], None]) -> Followed:
        """Look until the trial ends one way or another.

        After the last trial of a run its own end is awaited too, for `SETTLE_S` at most.

        Raises:
            redis.RedisError: if the broker is lost and doesn't come back.
        """
        while True:
            self._refresh(on_look)
            ending = self._ending()
            if ending:
                break
            self._sleep(LOOK_EVERY_S)
        if ending is Ending.CLOSED and is_last:
            self._settle()
        still_s = self._clock() - self._moved_at_s
        return Followed(ending=ending, summary=self._summary, trial=self._seen, still_s=still_s)

    @property
    def _seen(self) -> TrialSummary | None:
        return self._summary.trial(self._trial) if self._summary else None

    def _refresh(self, on_look: Callable[[TrialSummary], None]) -> None:
        before = self._seen
        try:
            self._summary = self._look()
            self._refresh_crew()
            self._reached_at_s = self._clock()
        except (redis.ConnectionError, redis.TimeoutError):
            if self._clock() - self._reached_at_s > self._patience.summary_s:
                raise
        after = self._seen
        if after is None:
            return
        if before is None or after.ledger != before.ledger:
            self._moved_at_s = self._clock()
        on_look(after)

    def _refresh_crew(self) -> None:
        if self._clock() - self._crew_at_s >= CREW_EVERY_S:
            self._crew_at_s = self._clock()
            self._is_deserted = not self._has_workers()

    def _ending(self) -> Ending | None:
        now_s, patience, seen = self._clock(), self._patience, self._seen
        still_s = now_s - self._moved_at_s
        is_closed = seen is not None and seen.ledger.is_closed and seen.ledger.sent >= self._sent
        is_late = patience.timeout_s is not None and now_s - self._start_s > patience.timeout_s
        endings = (
            (Ending.CLOSED, is_closed),
            (Ending.STOPPED, self._should_stop()),
            (Ending.UNWATCHED, seen is None and still_s > patience.summary_s),
            (Ending.DESERTED, self._is_deserted and still_s > patience.desert_s),
            (Ending.STALLED, still_s > patience.stall_s),
            (Ending.TIMED_OUT, is_late),
        )
        return next((ending for ending, is_reached in endings if is_reached), None)

    def _settle(self) -> None:
        deadline_s = self._clock() + SETTLE_S
        while self._summary and not self._summary.state.is_over and self._clock() < deadline_s:
            self._sleep(LOOK_EVERY_S)
            self._summary = self._look() or self._summary
