"""Following a trial: every way in which it can end, by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import redis

from poolbench.summaries import Ledger, RunState
from producer.follow import (
    READ_EVERY_S,
    SETTLE_S,
    Ending,
    Followed,
    WaitLimits,
    follow,
    wait_limits,
)
from producer.summary import RunSummary, TrialSummary

LIMITS = WaitLimits(summary_s=5.0, stall_s=60.0, no_workers_s=20.0)


def trial_of(*, sent: int = 10, done: int = 0, failed: int = 0) -> TrialSummary:
    """A trial that has come so far."""
    return TrialSummary(
        trial=0,
        contender="gevent",
        slots=4,
        kind="io.http",
        ledger=Ledger(sent=sent, done=done, failed=failed, lost=sent - done - failed),
        throughput_per_s=None,
        wait_s=None,
        execution_s=None,
        lag_s=None,
        mark="",
        reasons=(),
    )


def summary_of(*, state: str = "running", **counts: int) -> RunSummary:
    """A run of one trial that has come so far."""
    return RunSummary(state=RunState(state), trials=(trial_of(**counts),), raw={})


@dataclass(kw_only=True)
class World:
    """What a follower sees, moved on by its own sleeping."""

    look: Callable[[float], RunSummary | None]
    has_workers: Callable[[float], bool] = lambda _now_s: True
    should_stop: Callable[[float], bool] = lambda _now_s: False
    now_s: float = 100.0
    seen: list[int] = field(default_factory=list)

    def follow(self, limits: WaitLimits = LIMITS, *, is_last: bool = False) -> Followed:
        """Follow the trial to its end; the world's time begins at 0."""
        begin_s = self.now_s
        followed = follow(
            0,
            sent=10,
            is_last=is_last,
            limits=limits,
            read=lambda: self.look(self.now_s - begin_s),
            has_workers=lambda: self.has_workers(self.now_s - begin_s),
            should_stop=lambda: self.should_stop(self.now_s - begin_s),
            on_read=lambda trial: self.seen.append(trial.ledger.done + trial.ledger.failed),
            clock=lambda: self.now_s,
            sleep=self._sleep,
        )
        self.now_s -= begin_s
        return followed

    def _sleep(self, span_s: float) -> None:
        self.now_s += span_s


def test_it_ends_when_the_ledger_closes() -> None:
    """Failed jobs have ended too; what it saw on the way was shown."""
    world = World(
        look=lambda now_s: summary_of(done=min(8, int(now_s)), failed=int(now_s >= 9) * 2)
    )

    followed = world.follow()

    assert followed.ending is Ending.CLOSED
    assert followed.trial == trial_of(done=8, failed=2)
    assert (world.seen[0], world.seen[-1]) == (0, 10)
    assert world.seen == sorted(world.seen)


def test_a_ledger_of_fewer_than_were_sent_is_not_closed() -> None:
    """A summary from before the last batch closes over what it knew."""
    early, whole = summary_of(sent=4, done=4), summary_of(done=10)
    world = World(look=lambda now_s: early if now_s < 3 else whole)

    world.follow()

    assert world.now_s >= 3


def test_the_last_trial_waits_for_its_run_to_close() -> None:
    """Only a closed run tells which others overlapped it; one that never closes is left soon."""
    closing = World(
        look=lambda now_s: summary_of(done=10, state="closed" if now_s > 1 else "sending")
    )
    never = World(look=lambda _: summary_of(done=10, state="sending"))

    followed = closing.follow(is_last=True)

    assert followed.summary is not None
    assert followed.summary.state == "closed"
    assert closing.now_s == pytest.approx(1, abs=2 * READ_EVERY_S)
    assert never.follow(is_last=True).ending is Ending.CLOSED
    assert never.now_s <= SETTLE_S + 2 * READ_EVERY_S


@pytest.mark.parametrize(
    ("world", "ending", "after_s"),
    [
        (World(look=lambda _: None), Ending.NO_COLLECTOR, LIMITS.summary_s),
        (
            World(look=lambda _: summary_of(done=5), has_workers=lambda now_s: now_s < 1),
            Ending.NO_WORKERS,
            LIMITS.no_workers_s,
        ),
        (World(look=lambda now_s: summary_of(done=int(now_s) % 10)), Ending.TIMED_OUT, 33.0),
        (
            World(look=lambda _: summary_of(), should_stop=lambda now_s: now_s > 2),
            Ending.STOPPED,
            2.0,
        ),
    ],
    ids=["no summary", "no workers", "--timeout", "a signal"],
)
def test_what_can_not_close_ends_after_a_bounded_time(
    world: World, ending: Ending, after_s: float
) -> None:
    """Without workers sooner than at a stall; a person's own limit or signal ends it anyway."""
    followed = world.follow(replace(LIMITS, timeout_s=33.0))

    assert followed.ending is ending
    assert (followed.trial is None) == (ending is Ending.NO_COLLECTOR)
    assert world.now_s == pytest.approx(after_s, abs=2 * READ_EVERY_S)


def test_a_stall_is_counted_from_the_last_job_that_ended() -> None:
    """Slow is not stalled: each job that ends begins the limits anew."""
    world = World(look=lambda now_s: summary_of(done=min(3, int(now_s / 50))))

    followed = world.follow()

    assert (followed.ending, world.seen[-1]) == (Ending.STALLED, 3)
    assert world.now_s == pytest.approx(150 + LIMITS.stall_s, abs=2 * READ_EVERY_S)
    assert followed.still_s == pytest.approx(LIMITS.stall_s, abs=2 * READ_EVERY_S)


def test_workers_that_come_back_are_waited_for() -> None:
    """A restart in mid-run is no desertion."""
    world = World(
        look=lambda now_s: summary_of(done=10 if now_s > 30 else 5),
        has_workers=lambda now_s: not 5 < now_s < 15,
    )

    assert world.follow().ending is Ending.CLOSED


def test_a_short_loss_of_the_broker_is_borne() -> None:
    """Looking again costs nothing."""

    def look(now_s: float) -> RunSummary:
        if 1 < now_s < 4:
            raise redis.ConnectionError
        return summary_of(done=10 if now_s > 5 else 1)

    assert World(look=look).follow().ending is Ending.CLOSED


def test_a_long_loss_of_the_broker_is_not() -> None:
    """After the limits for a summary the error goes up."""

    def look(now_s: float) -> RunSummary:
        if now_s:
            raise redis.TimeoutError
        return summary_of()

    world = World(look=look)

    with pytest.raises(redis.TimeoutError):
        world.follow()
    assert world.now_s - 100.0 == pytest.approx(LIMITS.summary_s, abs=3 * READ_EVERY_S)


def test_patience_grows_with_the_length_of_a_job() -> None:
    """A job of an hour is not stalled after a minute; a person's own limit goes before."""
    short = wait_limits(job_s=0.0, slots=1)
    long = wait_limits(job_s=3_600.0, slots=1)
    own = wait_limits(job_s=3_600.0, slots=1, stall_s=2.0, timeout_s=9.0)

    assert (short.summary_s, short.no_workers_s, short.stall_s) == (15.0, 10.0, 60.0)
    assert long.stall_s > long.no_workers_s > 2 * 3_600
    assert own == WaitLimits(summary_s=2.0, stall_s=2.0, no_workers_s=2.0, timeout_s=9.0)
