"""Carries out a submission: sends to one pool after the other, and follows each to its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import redis

from poolbench.calibration import needs_calibration, read_calibration
from poolbench.errors import ExitCode, StackError
from poolbench.jobs import rough_job_s
from poolbench.keys import CALIBRATION, queue_name, records_stream
from poolbench.presence import WorkerGroup, find_workers
from poolbench.records import TrialPlan
from producer.follow import Ending, Followed, Follower, wait_limits
from producer.publisher import Sent, close_run, open_run, publish
from producer.screen import Screen
from producer.submission import Submission
from producer.summary import RunSummary, read_summary


@dataclass(slots=True, kw_only=True)
class SubmissionResult:
    """What happened to a submission so far."""

    submission: Submission
    groups: Mapping[str, WorkerGroup]
    #: By trial, for the trials that were begun.
    sent: dict[int, Sent] = field(default_factory=dict)
    #: How following each trial ended; empty without ``--wait``.
    followed: dict[int, Followed] = field(default_factory=dict)

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal stopped it."""
        return any(not sent.is_complete for sent in self.sent.values()) or any(
            followed.ending is Ending.STOPPED for followed in self.followed.values()
        )

    @property
    def summary(self) -> RunSummary | None:
        """The last summary that was read."""
        found = [followed.summary for followed in self.followed.values() if followed.summary]
        return found[-1] if found else None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        endings = {followed.ending for followed in self.followed.values()}
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        if Ending.UNWATCHED in endings:
            return ExitCode.STACK
        return ExitCode.INVALID if endings - {Ending.CLOSED} else ExitCode.OK


def submit(
    client: redis.Redis,
    submission: Submission,
    *,
    scope: str,
    screen: Screen,
    should_stop: Callable[[], bool],
) -> SubmissionResult:
    """Send a submission's jobs to each pool in turn.

    With ``submission.waits`` the next pool gets its jobs only after the ledger of the one before
    closed. The run is always marked as sent at the end, so that its ledger can close.

    Raises:
        UsageError: if the run's name is taken.
        StackError: if no worker listens, a calibration is missing, or the broker is lost; contains
            what was sent.
    """
    queues = {pool: queue_name(pool, scope=scope) for pool in submission.pools}
    groups = {pool: find_workers(client, pool, queue=queue) for pool, queue in queues.items()}
    unserved = [queues[pool] for pool, group in groups.items() if not group.workers]
    if unserved and not submission.is_forced:
        raise StackError(
            f"no worker listens on {', '.join(unserved)}: nothing was sent; "
            "start the stack (make up), or use --force"
        )
    calibration = _calibration(client, submission)
    slots = {pool: group.slots for pool, group in groups.items()}
    plans = submission.plans(slots, calibration=calibration)
    offsets_s = submission.schedule.draw(submission.seed)
    open_run(
        client,
        run=submission.run,
        source="producer",
        plans=plans,
        calibration=calibration,
        is_listed=True,
    )
    result = SubmissionResult(submission=submission, groups=groups)
    screen.announce(submission, groups)
    try:
        for plan in plans:
            sent = publish(
                client,
                run=submission.run,
                plan=plan,
                offsets_s=offsets_s,
                scope=scope,
                on_sent=partial(screen.sending, plan),
                should_stop=should_stop,
            )
            result.sent[plan.trial] = sent
            screen.sent(plan, sent)
            if not sent.is_complete:
                break
            if not submission.waits:
                continue
            is_last = plan is plans[-1]
            if is_last:
                close_run(client, run=submission.run)
            follower = _follower(
                client,
                submission,
                plan=plan,
                queue=queues[plan.contender],
                sent=sent.count,
                should_stop=should_stop,
            )
            followed = follower.follow(is_last=is_last, on_read=screen.running)
            result.followed[plan.trial] = _blame(followed, client=client, run=submission.run)
            if followed.ending is not Ending.CLOSED:
                break
    finally:
        # the error that led here already reports a broker that is away
        with contextlib.suppress(redis.RedisError):
            close_run(client, run=submission.run)
    return result


def _calibration(client: redis.Redis, submission: Submission) -> dict[str, float]:
    """Return the CPU-seconds of a unit of the submission's kind, if its work is given as a time."""
    if not needs_calibration(submission.parameters):
        return {}
    found = read_calibration(cast("str | None", client.get(CALIBRATION)))
    return {kind: cost_s for kind, cost_s in found.items() if kind == submission.kind.name}


def _follower(
    client: redis.Redis,
    submission: Submission,
    *,
    plan: TrialPlan,
    queue: str,
    sent: int,
    should_stop: Callable[[], bool],
) -> Follower:
    return Follower(
        trial=plan.trial,
        sent=sent,
        limits=wait_limits(
            job_s=rough_job_s(submission.kind, submission.parameters),
            slots=plan.slots if submission.kind.computes else 1,
            stall_s=submission.stall_s,
            timeout_s=submission.timeout_s,
        ),
        read=lambda: read_summary(client, submission.run),
        has_workers=lambda: (
            submission.is_forced or find_workers(client, plan.contender, queue=queue).workers > 0
        ),
        should_stop=should_stop,
        clock=time.monotonic,
        sleep=time.sleep,
    )


def _blame(followed: Followed, *, client: redis.Redis, run: str) -> Followed:
    """Return the ending with its true cause: unread lines mean that the collector stopped."""
    has_stalled = followed.ending in {Ending.STALLED, Ending.DESERTED}
    if has_stalled and client.xlen(records_stream(run)):
        return replace(followed, ending=Ending.UNWATCHED)
    return followed
