"""Carries out a submission: sends to one pool after another, and follows each trial to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
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
from producer.follow import Ending, Followed, follow, wait_limits
from producer.publisher import Sent, close_run, open_run, publish
from producer.screen import Screen
from producer.submission import Submission
from producer.summary import RunSummary, read_summary


@dataclass(slots=True, kw_only=True)
class SubmittedRun:
    """A submission while it is carried out, and its results so far."""

    client: redis.Redis = field(kw_only=False)
    submission: Submission = field(kw_only=False)
    #: Prefix of the queues.
    scope: str
    screen: Screen
    should_stop: Callable[[], bool]
    #: The workers of each pool.
    groups: dict[str, WorkerGroup] = field(default_factory=dict)
    #: By trial, for the trials that were begun.
    sent: dict[int, Sent] = field(default_factory=dict)
    #: How following each trial ended; empty without ``--wait``.
    followed: dict[int, Followed] = field(default_factory=dict)

    @property
    def is_interrupted(self) -> bool:
        """Return whether a signal stopped it."""
        return any(not sent.is_complete for sent in self.sent.values()) or any(
            followed.ending is Ending.STOPPED for followed in self.followed.values()
        )

    @property
    def summary(self) -> RunSummary | None:
        """Return the last summary that was read."""
        found = [followed.summary for followed in self.followed.values() if followed.summary]
        return found[-1] if found else None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of the command."""
        endings = {followed.ending for followed in self.followed.values()}
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        if Ending.NO_COLLECTOR in endings:
            return ExitCode.STACK
        return ExitCode.INVALID if endings - {Ending.CLOSED} else ExitCode.OK

    def carry_out(self) -> None:
        """Send the submission's jobs to each pool in turn.

        With ``submission.waits`` a pool gets its jobs only after the ledger of the previous pool
        has closed. The run is always marked as sent at the end, so that its ledger can close.

        Raises:
            UsageError: if the run's name is taken.
            StackError: if no worker listens, a calibration is missing, or the broker is lost;
                contains what was sent.
        """
        client, submission = self.client, self.submission
        self.groups = {pool: self._find_workers(pool) for pool in submission.pools}
        unserved = [pool for pool, group in self.groups.items() if not group.workers]
        if unserved and not submission.is_forced:
            queues = ", ".join(queue_name(pool, scope=self.scope) for pool in unserved)
            raise StackError(
                f"no worker listens on {queues}: no jobs were sent. "
                "Start the stack (make up), or use --force."
            )
        calibration = self._read_calibration()
        slots = {pool: group.slots for pool, group in self.groups.items()}
        plans = submission.plans(slots, calibration=calibration)
        offsets_s = submission.schedule.draw(submission.seed)
        open_run(
            client, run=submission.run, source="producer", plans=plans, calibration=calibration
        )
        self.screen.announce(submission, self.groups)
        try:
            for plan in plans:
                sent = self.sent[plan.trial] = publish(
                    client,
                    run=submission.run,
                    plan=plan,
                    offsets_s=offsets_s,
                    scope=self.scope,
                    on_sent=partial(self.screen.sending, plan),
                    should_stop=self.should_stop,
                )
                self.screen.sent(plan, sent)
                if not sent.is_complete:
                    break
                if submission.waits:
                    followed = self._follow(plan, is_last=plan is plans[-1])
                    self.followed[plan.trial] = followed
                    if followed.ending is not Ending.CLOSED:
                        break
        finally:
            # the original error already reports a lost broker
            with contextlib.suppress(redis.RedisError):
                close_run(client, run=submission.run)

    def _find_workers(self, pool: str) -> WorkerGroup:
        return find_workers(self.client, pool, queue=queue_name(pool, scope=self.scope))

    def _read_calibration(self) -> dict[str, float]:
        """Return the CPU-seconds of a unit of the kind, if its work is given as a time."""
        if not needs_calibration(self.submission.parameters):
            return {}
        found = read_calibration(cast("str | None", self.client.get(CALIBRATION)))
        name = self.submission.kind.name
        return {name: found[name]} if name in found else {}

    def _follow(self, plan: TrialPlan, *, is_last: bool) -> Followed:
        """Follow a trial whose jobs are all sent; unread lines show that the collector stopped."""
        submission = self.submission
        if is_last:
            close_run(self.client, run=submission.run)
        followed = follow(
            plan.trial,
            sent=plan.count,
            is_last=is_last,
            limits=wait_limits(
                job_s=rough_job_s(submission.kind, submission.parameters),
                slots=plan.slots if submission.kind.computes else 1,
                stall_s=submission.stall_s,
                timeout_s=submission.timeout_s,
            ),
            read=lambda: read_summary(self.client, submission.run),
            has_workers=lambda: (
                submission.is_forced or self._find_workers(plan.contender).workers > 0
            ),
            should_stop=self.should_stop,
            on_read=self.screen.running,
        )
        has_stalled = followed.ending in {Ending.STALLED, Ending.NO_WORKERS}
        if has_stalled and self.client.xlen(records_stream(submission.run)):
            return replace(followed, ending=Ending.NO_COLLECTOR)
        return followed
