"""Follows a trial in the collector's summary, until its ledger closes or no job ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import redis

from producer.summary import RunSummary, TrialSummary

#: Interval between two reads of the summary, seconds.
READ_EVERY_S = 0.2

#: Interval between two reads of the live workers, seconds; workers send a heartbeat every 2 s.
WORKERS_EVERY_S = 2.0

#: Timeout for a run to close after its last trial closed, seconds: only a closed run's summary
#: contains the runs that overlapped it.
SETTLE_S = 3.0


class Ending(Enum):
    """Why following a trial ended."""

    #: Each job sent has ended.
    CLOSED = "closed"
    #: No job ended for too long, although workers are live.
    STALLED = "stalled"
    #: No job ended for a while, and no worker is live.
    NO_WORKERS = "no-workers"
    #: The limit of ``--timeout`` was reached.
    TIMED_OUT = "timed-out"
    #: No summary was published, or the collector stopped reading lines.
    NO_COLLECTOR = "no-collector"
    #: Interrupted by Ctrl-C.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLimits:
    """Timeouts of following a trial, seconds."""

    #: Until the collector publishes a summary.
    summary_s: float
    #: Until another job ends, while workers are live.
    stall_s: float
    #: Until another job ends, while no worker is live.
    no_workers_s: float
    #: For the whole trial.
    timeout_s: float = math.inf


def wait_limits(
    *, job_s: float, slots: int, stall_s: float | None = None, timeout_s: float = math.inf
) -> WaitLimits:
    """Return the timeouts for jobs of this duration; explicit limits override them.

    All slots may be busy with one job each on one core, and a worker that runs jobs in its main
    thread sends heartbeats only between them.
    """
    own_s = 12 * job_s * max(1, slots)
    stall_s = 60.0 + own_s if stall_s is None else stall_s
    return WaitLimits(
        summary_s=min(15.0, stall_s),
        stall_s=stall_s,
        no_workers_s=min(10.0 + own_s, stall_s),
        timeout_s=timeout_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Why following a trial ended, and its last summary."""

    ending: Ending
    summary: RunSummary | None
    trial: TrialSummary | None
    #: Time since the last job ended, seconds.
    still_s: float


def follow(
    trial: int,
    *,
    sent: int,
    is_last: bool,
    limits: WaitLimits,
    read: Callable[[], RunSummary | None],
    has_workers: Callable[[], bool],
    should_stop: Callable[[], bool],
    on_read: Callable[[TrialSummary], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Followed:
    """Read the summary repeatedly until the trial ends or a limit is reached.

    After the last trial of a run, also wait up to `SETTLE_S` for the run's end.

    Args:
        trial: its index.
        sent: jobs that were sent.
        is_last: whether it is the last trial of its run.
        limits: the timeouts.
        read: returns the summary, or None.
        has_workers: returns whether a worker is live.
        should_stop: returns whether the user interrupted the command.
        on_read: called with each state of the trial.
        clock: monotonic, seconds.
        sleep: waits for a number of seconds.

    Raises:
        redis.RedisError: if the broker is lost and can't be reached again.
    """
    start_s = moved_at_s = reached_at_s = clock()
    workers_at_s, has_no_workers = -math.inf, False
    summary: RunSummary | None = None
    seen: TrialSummary | None = None
    while True:
        before = seen and seen.ledger
        try:
            summary = read()
            if clock() - workers_at_s >= WORKERS_EVERY_S:
                workers_at_s, has_no_workers = clock(), not has_workers()
            reached_at_s = clock()
        except (redis.ConnectionError, redis.TimeoutError):
            if clock() - reached_at_s > limits.summary_s:
                raise
        seen = summary.trial(trial) if summary else None
        if seen:
            moved_at_s = moved_at_s if seen.ledger == before else clock()
            on_read(seen)
        still_s = clock() - moved_at_s
        endings = {
            Ending.CLOSED: seen and seen.ledger.is_closed and seen.ledger.sent >= sent,
            Ending.STOPPED: should_stop(),
            Ending.NO_COLLECTOR: not seen and still_s > limits.summary_s,
            Ending.NO_WORKERS: has_no_workers and still_s > limits.no_workers_s,
            Ending.STALLED: still_s > limits.stall_s,
            Ending.TIMED_OUT: clock() - start_s > limits.timeout_s,
        }
        ending = next((each for each, is_reached in endings.items() if is_reached), None)
        if ending:
            break
        sleep(READ_EVERY_S)
    if ending is Ending.CLOSED and is_last:
        deadline_s = clock() + SETTLE_S
        while summary and not summary.state.is_over and clock() < deadline_s:
            sleep(READ_EVERY_S)
            summary = read() or summary
    still_s = clock() - moved_at_s
    seen = summary.trial(trial) if summary else None
    return Followed(ending=ending, summary=summary, trial=seen, still_s=still_s)
