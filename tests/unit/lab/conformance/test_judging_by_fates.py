"""Judges that go by the account of jobs: prefetching, shutdowns, crashes and the broker."""

from __future__ import annotations

from typing import Any

import pytest

from lab.conformance.finding import Outcome
from lab.conformance.job_fates import Account
from lab.conformance.promises.broker import judge_redelivery, judge_restart
from lab.conformance.promises.faulty_jobs import judge_crash
from lab.conformance.promises.prefetch import (
    Fetching,
    Late,
    judge_acks_late,
    judge_disable_prefetch,
)
from lab.conformance.promises.shutdown import End, judge_cold, judge_soft, judge_warm
from lab.conformance.stamps import Story
from tests.conformance import story

WORKS, IGNORED, BREAKS = Outcome.WORKS, Outcome.IGNORED, Outcome.BREAKS


def jobs(**headings: str) -> Account:
    """Return an account; each heading's jobs are given as one string of words."""
    names = ("done", "queued", "unacked", "doubled", "lost")
    return Account(**{name: frozenset(headings.get(name, "").split()) for name in names})


def end(account: Account, *, exit_code: int | None = 0, told: Story | None = None) -> End:
    """Return the end of a worker, three seconds after the signal, which came one second in."""
    return End(
        exit_code=exit_code,
        signalled_ns=1_000_000_000,
        took_s=3.1,
        story=told or Story(),
        account=account,
        states=(),
        log=(),
    )


@pytest.mark.parametrize(
    ("account", "exit_code", "word"),
    [
        (jobs(done="a b"), 0, WORKS),
        (jobs(done="a b", queued="c"), 0, WORKS),
        (jobs(done="a b"), None, BREAKS),
        (jobs(done="a", lost="b"), 0, BREAKS),
        (jobs(done="a", unacked="b"), 0, BREAKS),
        (jobs(done="a", doubled="b"), 0, BREAKS),
    ],
)
def test_a_warm_shutdown_leaves_no_job_behind(
    account: Account, exit_code: int | None, word: Outcome
) -> None:
    """Done or in the queue again; the exit code is judged for all rows alike."""
    assert judge_warm(end(account, exit_code=exit_code)).outcome is word


def test_a_warm_shutdown_that_cuts_a_running_job_breaks() -> None:
    """Even if the job is in the queue again: it had begun, and was to finish."""
    cut = end(jobs(done="a", queued="b"), told=story("b started 0"))

    found = judge_warm(cut)

    assert found.outcome is BREAKS
    assert "cut off" in found.seen


@pytest.mark.parametrize(
    ("account", "exit_code", "word"),
    [
        (jobs(queued="a b"), 0, WORKS),
        (jobs(queued="a b"), 1, WORKS),
        (jobs(done="a b"), 1, IGNORED),
        (jobs(queued="a", lost="b"), 0, BREAKS),
        (jobs(unacked="a b"), -9, BREAKS),
        (jobs(queued="a b"), None, BREAKS),
    ],
)
def test_a_cold_shutdown_puts_running_jobs_back(
    account: Account, exit_code: int | None, word: Outcome
) -> None:
    """Waiting for them is not cold; losing them is worse."""
    assert judge_cold(end(account, exit_code=exit_code)).outcome is word


@pytest.mark.parametrize(
    ("account", "word"),
    [
        (jobs(done="short", queued="long"), WORKS),
        (jobs(done="short"), WORKS),
        (jobs(queued="short long"), IGNORED),
        (jobs(done="short long"), IGNORED),
        (jobs(done="short", lost="long"), BREAKS),
        (jobs(lost="short"), BREAKS),
    ],
)
def test_a_soft_shutdown_lets_short_jobs_finish(account: Account, word: Outcome) -> None:
    """And puts long ones back."""
    assert judge_soft(end(account), short="short").outcome is word


BEGAN_LATE = story("short started 0", "late started 2", "late CancelledError 3")


def test_no_job_begins_after_the_signal() -> None:
    """Even if it is in the queue again; the evidence names it, and harm done to it goes first."""
    back = end(jobs(done="short", queued="late"), told=BEGAN_LATE)
    lost = end(jobs(done="short", lost="late"), told=BEGAN_LATE)

    assert judge_soft(back, short="short").outcome is IGNORED
    assert judge_cold(end(jobs(queued="short late"), told=BEGAN_LATE)).outcome is IGNORED
    assert "1 job(s) began after the signal: late" in judge_soft(back, short="short").evidence
    assert judge_soft(lost, short="short").outcome is BREAKS
    assert "1 job(s) neither finished" in judge_soft(lost, short="short").seen


def test_a_warm_shutdown_may_run_what_it_has_fetched() -> None:
    """It waits for all that runs, so that beginning a job harms nothing; the evidence tells it."""
    found = judge_warm(end(jobs(done="short late"), told=BEGAN_LATE))

    assert found.outcome is WORKS
    assert "1 job(s) began after the signal: late" in found.evidence


def test_the_end_of_a_worker_is_told_with_counts_and_code() -> None:
    """Evidence says how many jobs, how it ended and how long that took."""
    told = end(jobs(done="a", lost="b"), exit_code=None).tell()

    assert told[0] == "jobs: 1 done, 1 lost"
    assert told[2] == "exit code: none: it had to be killed, 3 s after the signal"


def fetching(*, done: int = 8, idle: int = 0, took_s: float = 2.1, twice: bool = False) -> Fetching:
    """Return how eight jobs went through two slots, ideally in two seconds."""
    names = tuple(f"job-{number}" for number in range(8))
    stamps = [f"{name} started 0" for name in (*names, *names[: int(twice)])]
    stamps += [f"{name} finished 1" for name in names[:done]]
    return Fetching(story=story(*stamps), jobs=names, slots=2, idle_fetched=idle, took_s=took_s)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (fetching(), WORKS),
        (fetching(idle=1), WORKS),
        (fetching(idle=6), IGNORED),
        (fetching(took_s=4.0), BREAKS),
        (fetching(done=7), BREAKS),
        (fetching(twice=True), BREAKS),
    ],
)
def test_without_prefetching_slots_stay_busy_and_jobs_in_the_queue(
    seen: Fetching, word: Outcome
) -> None:
    """Fetching ahead is ignored; idle slots beside waiting jobs are a standstill."""
    assert judge_disable_prefetch(seen).outcome is word


@pytest.mark.parametrize(
    ("account", "harm"),
    [
        (jobs(done="a", doubled="b"), "finished jobs stay in unacked and will run again"),
        (
            jobs(doubled="a", lost="b"),
            "finished jobs stay in unacked and will run again, jobs are lost",
        ),
        (jobs(done="a", unacked="b"), "jobs are left standing"),
    ],
)
def test_late_acknowledgements_arrive_however_jobs_end(account: Account, harm: str) -> None:
    """Every harm is named, and whether it needs ends at the same moment."""
    good, bad = Late(account=jobs(done="a b"), refused=0), Late(account=account, refused=3)

    said = [
        judge_acks_late(spread=spread, aligned=aligned, slots=40, log=())
        for spread, aligned in ((good, bad), (bad, good), (bad, bad))
    ]

    assert [one.outcome for one in said] == [BREAKS] * 3
    assert said[0].seen == f"Only where jobs end at the same moment: {harm}."
    assert said[1].seen == f"Only where ends are spread out: {harm}."
    assert said[2].seen == f"Where ends are spread out: {harm}. At the same moment: {harm}."
    assert "ends at full seconds: " in said[0].evidence[2]
    assert "3 acknowledgement(s) failed" in said[0].evidence[2]


def test_late_acknowledgements_that_all_arrive_work() -> None:
    """The evidence has a line for ends that are spread out and one for ends that meet."""
    good = Late(account=jobs(done="a b"), refused=0)

    found = judge_acks_late(spread=good, aligned=good, slots=40, log=())

    assert found.outcome is WORKS
    assert found.evidence[1].startswith("ends spread out: jobs: 2 done; 0 acknowledgement(s)")


@pytest.mark.parametrize(
    ("account", "exit_code", "state", "word"),
    [
        (jobs(done="a b", lost="crash"), None, "FAILURE", WORKS),
        (jobs(done="a b", lost="crash"), None, "", BREAKS),
        (jobs(done="a", lost="b crash"), None, "FAILURE", BREAKS),
        (jobs(done="a b", unacked="crash"), -9, "", BREAKS),
    ],
)
def test_a_crash_takes_nothing_else_along(
    account: Account, exit_code: int | None, state: str, word: Outcome
) -> None:
    """The worker lives, the others finish, and the crash is on record."""
    assert judge_crash(account, exit_code=exit_code, state=state, log=()).outcome is word


def test_those_harmed_by_a_crash_are_named() -> None:
    """The job itself is not among them."""
    found = judge_crash(jobs(lost="b crash", unacked="a"), exit_code=-9, state="", log=())

    assert "harmed beside the job itself: a, b" in found.evidence


@pytest.mark.parametrize(
    ("account", "stamps", "came", "word"),
    [
        (jobs(done="job"), ("job started 0", "job started 4"), True, WORKS),
        (jobs(unacked="job"), ("job started 0",), False, BREAKS),
        (jobs(doubled="job"), ("job started 0", "job started 4"), True, BREAKS),
        (jobs(done="job"), ("job started 0", "job started 4", "job started 5"), True, BREAKS),
    ],
)
def test_a_dead_workers_job_comes_again_once(
    *,
    account: Account,
    stamps: tuple[str, ...],
    came: bool,
    word: Outcome,
) -> None:
    """Never or twice breaks."""
    found = judge_redelivery(account, story=story(*stamps), came=came, after_s=4.2)

    assert found.outcome is word


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exit_code": 1}, "The worker died of it, with exit code 1."),
        ({"story": Story()}, "It never took a job again."),
        ({"account": jobs(doubled="a")}, "1 job(s) ran twice or will."),
        ({"story": story("a started 0", "a started 1", "fresh finished 2")}, "1 job(s) ran twice"),
        ({"account": jobs(lost="a b")}, "2 job(s) are lost."),
        ({"account": jobs(unacked="a")}, "stay in unacked until the visibility timeout."),
    ],
)
def test_what_goes_wrong_at_a_restart_is_named(changes: dict[str, Any], said: str) -> None:
    """Each of these is a break."""
    plain = {
        "account": jobs(done="a fresh"),
        "story": story("fresh finished 2"),
        "exit_code": None,
        **changes,
    }

    found = judge_restart(plain.pop("account"), fresh=["fresh"], log=(), **plain)

    assert found.outcome is BREAKS
    assert said in found.seen


def test_a_worker_that_went_on_after_a_restart_works() -> None:
    """Nothing died, doubled, was lost or left."""
    found = judge_restart(
        jobs(done="a fresh"),
        story=story("fresh finished 2"),
        fresh=["fresh"],
        exit_code=None,
        log=(),
    )

    assert found.outcome is WORKS
