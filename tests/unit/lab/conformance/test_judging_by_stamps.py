"""Each row's judge, on stories made by hand: the word follows from what was seen alone."""

from __future__ import annotations

import pytest

from lab.conformance.finding import Finding, Outcome
from lab.conformance.promises.faulty_jobs import judge_blocking
from lab.conformance.promises.recycling import judge_autoscale, judge_max_memory, judge_max_tasks
from lab.conformance.promises.remote_control import (
    Counts,
    judge_counts,
    judge_ping,
    judge_revoke,
    judge_terminate,
)
from lab.conformance.promises.time_limits import judge_hard_limit, judge_soft_limit
from lab.conformance.promises.timing import judge_chord, judge_eta, judge_rate_limit, longest_wait_s
from lab.conformance.stamps import Story
from tests.conformance import story

WORKS, IGNORED, BREAKS = Outcome.WORKS, Outcome.IGNORED, Outcome.BREAKS

RAN_ON = ("long started 0", "long finished 4")
TOLD = ("long started 0", "long SoftTimeLimitExceeded 1")
ENDED = ("long started 0", "long SystemExit 1")


@pytest.mark.parametrize(
    ("stamps", "goes_on", "word"),
    [
        (TOLD, True, WORKS),
        (RAN_ON, True, IGNORED),
        (ENDED, True, BREAKS),
        (TOLD, False, BREAKS),
        (("long started 0",), True, BREAKS),
    ],
)
def test_a_soft_limit_is_the_exception_in_the_job(
    *,
    stamps: tuple[str, ...],
    goes_on: bool,
    word: Outcome,
) -> None:
    """Another end is no soft limit, and the worker has to go on."""
    found = judge_soft_limit(story(*stamps), state="FAILURE", takes_jobs=goes_on, log=())

    assert found.outcome is word
    assert found.evidence[0] == story(*stamps).tell("long")


@pytest.mark.parametrize(
    ("stamps", "state", "goes_on", "word"),
    [
        (ENDED, "FAILURE", True, WORKS),
        (("long started 0",), "FAILURE", True, WORKS),
        (RAN_ON, "SUCCESS", True, IGNORED),
        (ENDED, "", True, BREAKS),
        (ENDED, "FAILURE", False, BREAKS),
    ],
)
def test_a_hard_limit_is_a_job_that_ends_and_is_stored_as_failed(
    *,
    stamps: tuple[str, ...],
    state: str,
    goes_on: bool,
    word: Outcome,
) -> None:
    """A job that is gone without a trace is lost."""
    found = judge_hard_limit(story(*stamps), state=state, takes_jobs=goes_on, log=("log: so",))

    assert found.outcome is word
    assert found.evidence[-1] == "log: so"


@pytest.mark.parametrize(
    ("ran", "answer", "word"),
    [
        ((), {"ok": "flagged"}, WORKS),
        (("no-1 started 1",), {"ok": "flagged"}, IGNORED),
        (("no-1 started 1", "no-2 started 1"), {"ok": "flagged"}, IGNORED),
        ((), None, IGNORED),
    ],
)
def test_a_revoke_is_confirmed_and_kept(
    ran: tuple[str, ...], answer: object, word: Outcome
) -> None:
    """One revoked job that runs is one too many; without an answer the rest is luck."""
    found = judge_revoke(
        story("yes finished 2", *ran),
        revoked=["no-1", "no-2"],
        kept=["yes"],
        states=["REVOKED", "REVOKED"],
        answer=answer,
        log=(),
    )

    assert found.outcome is word
    assert f"{len(ran)} of 2 revoked jobs ran" in found.evidence[0]


def test_a_revoke_that_takes_others_along_breaks() -> None:
    """Jobs that nobody revoked must run."""
    found = judge_revoke(
        Story(), revoked=["no"], kept=["yes"], states=[""], answer={"ok": ""}, log=()
    )

    assert found.outcome is BREAKS


@pytest.mark.parametrize(
    ("stamps", "state", "goes_on", "word"),
    [
        (("target SystemExit 1", "beside finished 2"), "REVOKED", True, WORKS),
        (("beside finished 2",), "REVOKED", True, WORKS),
        (("target finished 6", "beside finished 2"), "SUCCESS", True, IGNORED),
        (("target SystemExit 1", "beside finished 2"), "", True, BREAKS),
        (("target SystemExit 1", "beside SystemExit 1"), "REVOKED", True, BREAKS),
        (("target SystemExit 1", "beside finished 2"), "REVOKED", False, BREAKS),
    ],
)
def test_terminate_ends_one_job_and_no_other(
    *,
    stamps: tuple[str, ...],
    state: str,
    goes_on: bool,
    word: Outcome,
) -> None:
    """It is stored as revoked, its neighbour finishes and the worker goes on."""
    told = story("target started 0", "beside started 0", *stamps)

    found = judge_terminate(
        told, beside=["beside"], state=state, answer=None, takes_jobs=goes_on, log=()
    )

    assert found.outcome is word


@pytest.mark.parametrize(
    ("answers", "was_busy", "later", "word"),
    [
        ([{"ok": "pong"}, []], True, True, WORKS),
        ([{"ok": "pong"}, None], True, True, IGNORED),
        ([{"ok": "pong"}, []], False, True, IGNORED),
        ([None, None], True, True, IGNORED),
        ([None, None], True, False, BREAKS),
    ],
)
def test_a_busy_worker_answers_at_once_or_later_or_never(
    *,
    answers: list[object],
    was_busy: bool,
    later: bool,
    word: Outcome,
) -> None:
    """An empty list of jobs is an answer too."""
    found = judge_ping(answers, was_busy=was_busy, answers_later=later, slots=2)

    assert found.outcome is word


def counts(*, active: int = 2, total: int = 20, concurrency: int | None = 2) -> Counts:
    """Return what was said beside two jobs under way, twenty run, and two slots."""
    return Counts(active=active, under_way=2, total=total, ran=20, concurrency=concurrency, slots=2)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (counts(active=1), "active"),
        (counts(total=19), "total"),
        (counts(concurrency=None), "max-concurrency"),
        (counts(active=0, total=0), "active, total"),
    ],
)
def test_a_wrong_count_is_an_untruth_and_is_named(said: Counts, named: str) -> None:
    """Whoever reads it would act on it."""
    found = judge_counts(said)

    assert found.outcome is BREAKS
    assert found.seen == f"It says what isn't so: {named}."


def test_right_counts_work() -> None:
    """The evidence shows both sides of each."""
    found = judge_counts(counts())

    assert found.outcome is WORKS
    assert found.evidence[1] == "inspect stats total: 20; stamped: 20 run"


JOBS = ["a", "b", "c", "d"]
STARTS = tuple(f"{job} started {number}" for number, job in enumerate(JOBS))
FINISHES = tuple(f"{job} finished {number}" for number, job in enumerate(JOBS))


@pytest.mark.parametrize(
    ("stamps", "pids", "word"),
    [
        ((*STARTS, *FINISHES), {"a": 1, "b": 1, "c": 2, "d": 2}, WORKS),
        ((*STARTS, *FINISHES), {"a": 1, "b": 1, "c": 1, "d": 2}, IGNORED),
        ((*STARTS, *FINISHES, "d started 9"), {"c": 2, "d": 2}, BREAKS),
        ((*STARTS, *FINISHES[:3]), {"c": 2, "d": 2}, BREAKS),
    ],
)
def test_a_child_runs_two_jobs_and_goes(
    stamps: tuple[str, ...], pids: dict[str, int], word: Outcome
) -> None:
    """Counted by the processes that stamped; a job run twice or not at all breaks."""
    assert judge_max_tasks(story(*stamps, pids=pids), jobs=JOBS).outcome is word


@pytest.mark.parametrize(
    ("pids", "goes_on", "word"),
    [
        ({"large": 1, "after": 2}, True, WORKS),
        ({"large": 1, "after": 1}, True, IGNORED),
        ({"large": 1, "after": 2}, False, BREAKS),
    ],
)
def test_a_child_that_grew_is_replaced(
    *,
    pids: dict[str, int],
    goes_on: bool,
    word: Outcome,
) -> None:
    """The next job runs in another process."""
    told = story("large finished 1", "after finished 2", pids=pids)

    assert judge_max_memory(told, takes_jobs=goes_on, log=()).outcome is word


@pytest.mark.parametrize(
    ("stamps", "ran_all", "shrank", "word"),
    [
        (("a started 0", "b started 0", "a finished 1", "b finished 1"), True, True, WORKS),
        (("a started 0", "b started 0", "a finished 1", "b finished 1"), True, False, BREAKS),
        (("a started 0", "a finished 1", "b started 1", "b finished 2"), True, False, IGNORED),
        (("a started 0", "a finished 1", "b started 1"), False, False, BREAKS),
    ],
)
def test_autoscale_grows_and_shrinks(
    *,
    stamps: tuple[str, ...],
    ran_all: bool,
    shrank: bool,
    word: Outcome,
) -> None:
    """One slot for ever is ignored; growing for ever is not what was asked."""
    found = judge_autoscale(story(*stamps), ran_all=ran_all, shrank=shrank, log=())

    assert found.outcome is word


SLOW = ("a started 0", "b started 2", "c started 4", "d started 6")


@pytest.mark.parametrize(
    ("seconds", "word"), [((0, 2.0, 4.0, 6.0), WORKS), ((0, 0.1, 0.1, 0.2), IGNORED)]
)
def test_a_rate_limit_is_seen_in_the_starts(seconds: tuple[float, ...], word: Outcome) -> None:
    """By the time between the first and the last of them."""
    starts = [f"{job} started {at}" for job, at in zip(JOBS, seconds, strict=True)]

    assert rate_limit(*starts, *FINISHES).outcome is word


def test_a_rate_limit_that_loses_or_doubles_jobs_breaks() -> None:
    """Slow is no excuse for either."""
    assert rate_limit(*SLOW).outcome is BREAKS
    assert rate_limit(*SLOW, *FINISHES, "a started 7").outcome is BREAKS


@pytest.mark.parametrize(
    ("waited_s", "without_s", "said"),
    [
        (3.5, 0.1, "with worker_prefetch_multiplier = 0 they began at once"),
        (3.5, 3.5, "with worker_prefetch_multiplier = 0 too"),
        (3.5, None, "with worker_prefetch_multiplier = 0 too"),
        (None, 0.1, "began at once"),
        (0.1, 3.5, "Only with worker_prefetch_multiplier = 0"),
    ],
)
def test_jobs_left_standing_beside_a_rate_limit_break(
    waited_s: float | None, without_s: float | None, said: str
) -> None:
    """The limited ones keep to their limit; others have a free slot and don't begin."""
    found = rate_limit(*SLOW, *FINISHES, waited_s=waited_s, without_s=without_s)

    assert found.outcome is BREAKS
    assert said in found.seen
    assert "began" in found.evidence[1] + found.evidence[2]


def rate_limit(
    *stamps: str, waited_s: float | None = 0.1, without_s: float | None = 0.1
) -> Finding:
    """Return the finding on four limited jobs and others that began after these times."""
    return judge_rate_limit(
        story(*stamps), limited=JOBS, waited_s=waited_s, without_prefetching_s=without_s
    )


def test_the_wait_of_jobs_is_that_of_the_last_to_begin() -> None:
    """None as long as one has not begun."""
    told = story("a started 3", "b started 5", "a finished 6")

    assert longest_wait_s(told, jobs=["a", "b"], since_ns=2_000_000_000) == 3.0
    assert longest_wait_s(told, jobs=["a", "b", "c"], since_ns=0) is None


@pytest.mark.parametrize(
    ("stamps", "word"),
    [
        (("later started 12.1",), WORKS),
        (("later started 11",), IGNORED),
        (("later started 19",), BREAKS),
        (("later started 12.1", "later started 13"), BREAKS),
        (("now started 10",), BREAKS),
    ],
)
def test_a_job_with_an_eta_starts_once_and_in_time(stamps: tuple[str, ...], word: Outcome) -> None:
    """Early is ignored; late, twice or never breaks."""
    assert judge_eta(story(*stamps), due_ns=12_000_000_000).outcome is word


@pytest.mark.parametrize(
    ("stamps", "total", "word"),
    [
        (("sum finished 1",), 10, WORKS),
        (("sum finished 1",), 9, BREAKS),
        (("sum finished 1", "sum finished 2"), 10, BREAKS),
        ((), 10, BREAKS),
    ],
)
def test_a_chord_ends_in_one_right_sum(stamps: tuple[str, ...], total: int, word: Outcome) -> None:
    """The callback runs once, with every part's result."""
    assert judge_chord(story(*stamps, total=total), log=()).outcome is word


@pytest.mark.parametrize(("gap_s", "word"), [(0.2, WORKS), (2.0, BREAKS)])
def test_a_blocked_neighbour_stands_still(gap_s: float, word: Outcome) -> None:
    """By the longest time between two of its wakes."""
    told = story("blocker finished 2", "a finished 4", "b finished 4", gap_s=gap_s)

    assert judge_blocking(told, beside=["a", "b"], log=()).outcome is word


def test_a_neighbour_that_never_finished_breaks() -> None:
    """Nothing can be said of its sleep, and it is not there."""
    told = story("blocker finished 2", "a finished 4", gap_s=0.1)

    assert judge_blocking(told, beside=["a", "b"], log=()).outcome is BREAKS
