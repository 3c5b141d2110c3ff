"""Carries out a submission: pool after pool, sent and followed, its account kept to the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import redis

from poolbench.calibration import needs_calibration, read_calibration
from poolbench.errors import ExitCode, StackError
from poolbench.keys import CALIBRATION, queue_name, records_stream
from poolbench.presence import Crew, find_crew
from poolbench.records import TrialPlan
from producer.follow import Ending, Followed, Follower, patience_for
from producer.publisher import Sent, close_run, open_run, publish
from producer.submission import Submission
from producer.summary import RunSummary, TrialSummary, read_summary


class Screen(Protocol):
    """Where a person sees how a submission goes."""

    def announce(self, submission: Submission, crews: Mapping[str, Crew]) -> None:
        """Say what is about to be sent, and to whom."""

    def sending(self, plan: TrialPlan, count: int) -> None:
        """Show how many jobs of a trial are sent so far."""

    def sent(self, plan: TrialPlan, sent: Sent) -> None:
        """Say that a trial's sending is over."""

    def running(self, trial: TrialSummary) -> None:
        """Show how many jobs of a trial have ended so far."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a submission so far."""

    submission: Submission
    crews: Mapping[str, Crew]
    #: By trial, as far as it came.
    sent: dict[int, Sent] = field(default_factory=dict)
    #: How following each trial ended; empty without ``--wait``.
    followed: dict[int, Followed] = field(default_factory=dict)

    @property
    def is_interrupted(self) -> bool:
        """Whether a person stopped it."""
        return any(not sent.is_complete for sent in self.sent.values()) or any(
            followed.ending is Ending.STOPPED for followed in self.followed.values()
        )

    @property
    def summary(self) -> RunSummary | None:
        """Return the last summary seen."""
        found = [followed.summary for followed in self.followed.values() if followed.summary]
        return found[-1] if found else None

    @property
    def exit_code(self) -> ExitCode:
        """Return what the command tells its caller."""
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
) -> Outcome:
    """Send a submission's jobs, pool after pool; the next only after the former's account closed.

    Whatever happens, the run is marked as sent, so that its ledger can close.

    Raises:
        UsageError: if the run's name is taken.
        StackError: if nobody would run the jobs, a calibration is missing, or the broker is lost;
            says what was sent.
    """
    crews = {
        pool: find_crew(client, pool, queue=queue_name(pool, scope=scope))
        for pool in submission.pools
    }
    if not submission.is_forced:
        _refuse_deserted(crews, scope=scope)
    calibration = _calibration(client, submission)
    slots = {pool: crew.slots for pool, crew in crews.items()}
    plans = submission.plans(slots, calibration=calibration)
    offsets_s = submission.offsets_s()
    open_run(
        client,
        run=submission.run,
        source="producer",
        plans=plans,
        calibration=calibration,
        is_listed=True,
    )
    outcome = Outcome(submission=submission, crews=crews)
    course = _Course(
        client=client, outcome=outcome, scope=scope, screen=screen, should_stop=should_stop
    )
    screen.announce(submission, crews)
    try:
        course.carry_out(plans, offsets_s=offsets_s)
    finally:
        course.close()
    return outcome


def _calibration(client: redis.Redis, submission: Submission) -> dict[str, float]:
    """Return what a unit of the submission's kind costs the stack's workers, if it matters."""
    if not needs_calibration(submission.parameters):
        return {}
    found = read_calibration(cast("str | None", client.get(CALIBRATION)))
    return {kind: cost_s for kind, cost_s in found.items() if kind == submission.kind.name}


def _refuse_deserted(crews: Mapping[str, Crew], *, scope: str) -> None:
    queues = [queue_name(pool, scope=scope) for pool, crew in crews.items() if not crew.workers]
    if queues:
        raise StackError(
            f"no worker listens on {', '.join(queues)}: nothing was sent; "
            "start the stack (make up), or send all the same with --force"
        )


@dataclass(slots=True, kw_only=True)
class _Course:
    """A submission under way."""

    client: redis.Redis
    outcome: Outcome
    scope: str
    screen: Screen
    should_stop: Callable[[], bool]
    is_closed: bool = False

    def carry_out(self, plans: Sequence[TrialPlan], *, offsets_s: Sequence[float]) -> None:
        for plan in plans:
            if not self._send(plan, offsets_s=offsets_s):
                return
            if not self.outcome.submission.waits:
                continue
            is_last = plan is plans[-1]
            if is_last:
                self.close()
            followed = self._follow(plan, is_last=is_last)
            self.outcome.followed[plan.trial] = followed
            if followed.ending is not Ending.CLOSED:
                return

    def close(self) -> None:
        """Mark the run as sent, once; a broker that is away is said by what led here."""
        if not self.is_closed:
            with contextlib.suppress(redis.RedisError):
                close_run(self.client, run=self.outcome.submission.run)
                self.is_closed = True

    def _send(self, plan: TrialPlan, *, offsets_s: Sequence[float]) -> bool:
        sent = publish(
            self.client,
            run=self.outcome.submission.run,
            plan=plan,
            offsets_s=offsets_s,
            scope=self.scope,
            on_sent=lambda count: self.screen.sending(plan, count),
            should_stop=self.should_stop,
        )
        self.outcome.sent[plan.trial] = sent
        self.screen.sent(plan, sent)
        return sent.is_complete

    def _follow(self, plan: TrialPlan, *, is_last: bool) -> Followed:
        submission = self.outcome.submission
        follower = Follower(
            trial=plan.trial,
            sent=self.outcome.sent[plan.trial].count,
            patience=patience_for(
                job_s=submission.job_s,
                slots=plan.slots if submission.kind.computes else 1,
                stall_s=submission.stall_s,
                timeout_s=submission.timeout_s,
            ),
            look=lambda: read_summary(self.client, submission.run),
            has_workers=lambda: submission.is_forced or self._has_workers(plan.contender),
            should_stop=self.should_stop,
            clock=time.monotonic,
            sleep=time.sleep,
        )
        followed = follower.follow(is_last=is_last, on_look=self.screen.running)
        stood_still = followed.ending in {Ending.STALLED, Ending.DESERTED}
        if stood_still and self.client.xlen(records_stream(submission.run)):
            # lines wait that nobody reads, so it is the collector that stands still
            return replace(followed, ending=Ending.UNWATCHED)
        return followed

    def _has_workers(self, contender: str) -> bool:
        queue = queue_name(contender, scope=self.scope)
        return find_crew(self.client, contender, queue=queue).workers > 0
