"""The judges of all promises, on observations made by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lab.conformance.finding import Finding, Outcome
from lab.conformance.observation import JobFates, Observation
from lab.conformance.promises.broker import judge_redelivery, judge_restart
from lab.conformance.promises.faulty_jobs import judge_blocking, judge_crash
from lab.conformance.promises.prefetch import (
    LateJobs,
    judge_acks_late,
    judge_disable_prefetch,
)
from lab.conformance.promises.recycling import judge_autoscale, judge_max_memory, judge_max_tasks
from lab.conformance.promises.remote_control import (
    judge_counts,
    judge_ping,
    judge_revoke,
    judge_terminate,
)
from lab.conformance.promises.shutdown import Shutdown, judge_cold, judge_soft, judge_warm
from lab.conformance.promises.time_limits import judge_hard_limit, judge_soft_limit
from lab.conformance.promises.timing import judge_chord, judge_eta, judge_rate_limit
from lab.conformance.stamps import Stamps
from tests.conformance import BREAKS, IGNORED, WORKS, stamps


def fates(**jobs: str) -> JobFates:
    """Return fates; the jobs of each are given as one string of words."""
    return JobFates(**{name: frozenset(words.split()) for name, words in jobs.items()})


def seen(*moments: str, pids: dict[str, int] | None = None, **fields: Any) -> Observation:
    """Return an observation of these stamps; see `stamps`. ``fields`` are the observation's."""
    known = {name: fields.pop(name) for name in ("gap_s", "total") if name in fields}
    return Observation(stamps=stamps(*moments, pids=pids, **known), **fields)


def ended(*moments: str, exit_code: int | None = 0, **jobs: str) -> Shutdown:
    """Return the end of a worker three seconds after the signal, which came one second in."""
    observation = seen(*moments, fates=fates(**jobs), exit_code=exit_code)
    return Shutdown(seen=observation, signalled_ns=1_000_000_000, took_s=3.1)


def fetching(*, done: int = 16, twice: bool = False) -> Stamps:
    """Return the stamps of sixteen jobs, of which some are done."""
    names = tuple(f"job-{number}" for number in range(16))
    moments = [f"{name} started 0" for name in (*names, *names[: int(twice)])]
    moments += [f"{name} finished 1" for name in names[:done]]
    return stamps(*moments)


FAILED, SUCCEEDED = {"long": "FAILURE"}, {"long": "SUCCESS"}
BEGUN = "long started 0"
RAISED = (BEGUN, "long SoftTimeLimitExceeded 1")
ENDED = (BEGUN, "long SystemExit 1")
RAN_ON = (BEGUN, "long finished 4")

STARTED = ("target started 0", "beside started 0")
CUT, SPARED = "target SystemExit 1", "beside finished 2"
REVOKED = {"target": "REVOKED"}

JOBS = ["a", "b", "c", "d"]
STARTS = tuple(f"{job} started {number * 2}" for number, job in enumerate(JOBS))
FINISHES = tuple(f"{job} finished {number * 2 + 1}" for number, job in enumerate(JOBS))
AT_ONCE = tuple(f"{job} started 0.{number}" for number, job in enumerate(JOBS))
GROWN = ("a started 0", "b started 0", "a finished 1", "b finished 1")
IN_TURN = ("a started 0", "a finished 1", "b started 1", "b finished 2")

judge_answer = partial(judge_revoke, revoked=["no-1", "no-2"], kept=["yes"], answer={"ok": ""})
judge_silence = partial(judge_revoke, revoked=["no-1"], kept=["yes"], answer=None)
judge_target = partial(judge_terminate, beside=["beside"], answer=None)
judge_grown = partial(judge_autoscale, jobs=["a", "b"], has_shrunk=False)
judge_shrunk = partial(judge_autoscale, jobs=["a", "b"], has_shrunk=True)
judge_children = partial(judge_max_tasks, jobs=JOBS)
judge_rate = partial(judge_rate_limit, limited=JOBS, waits_s=(0.1, 0.1))
judge_due = partial(judge_eta, due_ns=12_000_000_000)
judge_beside = partial(judge_blocking, beside=["a", "b"])
judge_again = partial(judge_redelivery, after_s=4.2)
ask_busy = partial(judge_ping, was_busy=True, answers_later=True, slots=2)
ask_free = partial(judge_ping, was_busy=False, answers_later=True, slots=2)
ask_dead = partial(judge_ping, was_busy=True, answers_later=False, slots=2)

fetch_none, fetch_one, fetch_six, fetch_slowly = (
    partial(judge_disable_prefetch, slots=2, idle_fetched=idle_fetched, took_s=took_s)
    for idle_fetched, took_s in ((0, 4.2), (1, 4.2), (6, 4.2), (0, 6.0))
)

BLOCKED = ("blocker finished 2", "a finished 4", "b finished 4")
DONE_AGAIN: dict[str, Any] = {"fates": fates(done="job")}
CRASHED: dict[str, Any] = {"states": {"crash": "FAILURE"}}


@pytest.mark.parametrize(
    ("judge", "observed", "outcome"),
    [
        # another exception than the soft limit's is another end; the worker has to survive
        (judge_soft_limit, seen(*RAISED), WORKS),
        (judge_soft_limit, seen(*RAISED, "long finished 2"), WORKS),
        (judge_soft_limit, seen(*RAN_ON), IGNORED),
        (judge_soft_limit, seen(*ENDED), BREAKS),
        (judge_soft_limit, seen(BEGUN), BREAKS),
        (judge_soft_limit, seen(*RAISED, takes_jobs=False), BREAKS),
        (judge_hard_limit, seen(*ENDED, states=FAILED), WORKS),
        (judge_hard_limit, seen(BEGUN, states=FAILED), WORKS),
        (judge_hard_limit, seen(*RAN_ON, states=SUCCEEDED), IGNORED),
        (judge_hard_limit, seen(*ENDED), BREAKS),
        (judge_hard_limit, seen(*ENDED, states=FAILED, takes_jobs=False), BREAKS),
        # one revoked job that runs is one too many; without an answer the rest is luck
        (judge_answer, seen("yes finished 2"), WORKS),
        (judge_answer, seen("yes finished 2", "no-1 started 1"), IGNORED),
        (judge_answer, seen("yes finished 2", "no-1 started 1", "no-2 started 1"), IGNORED),
        (judge_silence, seen("yes finished 2"), IGNORED),
        (judge_answer, seen(), BREAKS),
        (judge_target, seen(*STARTED, CUT, SPARED, states=REVOKED), WORKS),
        (judge_target, seen(*STARTED, SPARED, states=REVOKED), WORKS),
        (judge_target, seen(*STARTED, "target finished 6", SPARED), IGNORED),
        (judge_target, seen(*STARTED, CUT, SPARED), BREAKS),
        (judge_target, seen(*STARTED, CUT, "beside SystemExit 1", states=REVOKED), BREAKS),
        (judge_target, seen(*STARTED, CUT, SPARED, states=REVOKED, takes_jobs=False), BREAKS),
        # an empty list of jobs is an answer too
        (ask_busy, [{"ok": "pong"}, []], WORKS),
        (ask_busy, [{"ok": "pong"}, None], IGNORED),
        (ask_free, [{"ok": "pong"}, []], IGNORED),
        (ask_busy, [None, None], IGNORED),
        (ask_dead, [None, None], BREAKS),
        # by the processes that stamped
        (judge_children, seen(*STARTS, *FINISHES, pids={"c": 2, "d": 2}), WORKS),
        (judge_children, seen(*STARTS, *FINISHES, pids={"d": 2}), IGNORED),
        (judge_children, seen(*STARTS, *FINISHES, "d started 9", pids={"c": 2, "d": 2}), BREAKS),
        (judge_children, seen(*STARTS, *FINISHES[:3], pids={"c": 2, "d": 2}), BREAKS),
        (judge_max_memory, seen("large finished 1", "after finished 2", pids={"after": 2}), WORKS),
        (judge_max_memory, seen("large finished 1", "after finished 2"), IGNORED),
        (judge_max_memory, seen("large finished 1", takes_jobs=False), BREAKS),
        (judge_shrunk, seen(*GROWN), WORKS),
        (judge_grown, seen(*GROWN), BREAKS),
        (judge_grown, seen(*IN_TURN), IGNORED),
        (judge_grown, seen(*IN_TURN[:3]), BREAKS),
        # by the time between the first start and the last
        (judge_rate, seen(*STARTS, *FINISHES), WORKS),
        (judge_rate, seen(*AT_ONCE, *FINISHES), IGNORED),
        (judge_rate, seen(*STARTS), BREAKS),
        (judge_rate, seen(*STARTS, *FINISHES, "a started 7"), BREAKS),
        (judge_due, seen("later started 12.1"), WORKS),
        (judge_due, seen("later started 11"), IGNORED),
        (judge_due, seen("later started 19"), BREAKS),
        (judge_due, seen("later started 12.1", "later started 13"), BREAKS),
        (judge_due, seen("now started 10"), BREAKS),
        (judge_chord, seen("sum finished 1", total=10), WORKS),
        (judge_chord, seen("sum finished 1", total=9), BREAKS),
        (judge_chord, seen("sum finished 1", "sum finished 2", total=10), BREAKS),
        (judge_chord, seen(), BREAKS),
        (judge_beside, seen(*BLOCKED, gap_s=0.2), WORKS),
        (judge_beside, seen(*BLOCKED, gap_s=2.0), BREAKS),
        (judge_beside, seen(*BLOCKED[:2], gap_s=0.1), BREAKS),
        # the worker and all other jobs survive, and the failure is stored
        (judge_crash, seen(fates=fates(done="a b", lost="crash"), **CRASHED), WORKS),
        (judge_crash, seen(fates=fates(done="a b", lost="crash")), BREAKS),
        (judge_crash, seen(fates=fates(done="a", lost="b crash"), **CRASHED), BREAKS),
        (judge_crash, seen(fates=fates(done="a b", unacked="crash"), exit_code=-9), BREAKS),
        (judge_again, seen("job started 0", "job started 4", **DONE_AGAIN), WORKS),
        (judge_again, seen("job started 0", fates=fates(unacked="job")), BREAKS),
        (judge_again, seen("job started 0", "job started 4", fates=fates(doubled="job")), BREAKS),
        (judge_again, seen(*(f"job started {at}" for at in (0, 4, 5)), **DONE_AGAIN), BREAKS),
        # idle slots beside waiting jobs are worse than jobs fetched ahead
        (fetch_none, fetching(), WORKS),
        (fetch_one, fetching(), WORKS),
        (fetch_six, fetching(), IGNORED),
        (fetch_slowly, fetching(), BREAKS),
        (fetch_none, fetching(done=15), BREAKS),
        (fetch_none, fetching(twice=True), BREAKS),
        # done or in the queue again; all promises judge the exit code alike, in `worker_exit`
        (judge_warm, ended(done="a b"), WORKS),
        (judge_warm, ended(done="a b", queued="c"), WORKS),
        (judge_warm, ended("late started 2", done="a late"), WORKS),
        (judge_warm, ended(done="a b", exit_code=None), BREAKS),
        (judge_warm, ended(done="a", lost="b"), BREAKS),
        (judge_warm, ended(done="a", unacked="b"), BREAKS),
        (judge_warm, ended(done="a", doubled="b"), BREAKS),
        (judge_warm, ended("b started 0", done="a", queued="b"), BREAKS),
        (judge_cold, ended(queued="a b"), WORKS),
        (judge_cold, ended(queued="a b", exit_code=1), WORKS),
        (judge_cold, ended(done="a b", exit_code=1), IGNORED),
        (judge_cold, ended("late started 2", queued="short late"), IGNORED),
        (judge_cold, ended(queued="a", lost="b"), BREAKS),
        (judge_cold, ended(unacked="a b", exit_code=-9), BREAKS),
        (judge_cold, ended(queued="a b", exit_code=None), BREAKS),
        (judge_soft, ended(done="short", queued="long"), WORKS),
        (judge_soft, ended(done="short"), WORKS),
        (judge_soft, ended(queued="short long"), IGNORED),
        (judge_soft, ended(done="short long"), IGNORED),
        (judge_soft, ended("late started 2", done="short", queued="late"), IGNORED),
        (judge_soft, ended(done="short", lost="long"), BREAKS),
        (judge_soft, ended("late started 2", done="short", lost="late"), BREAKS),
        (judge_soft, ended(lost="short"), BREAKS),
    ],
)
def test_the_outcome_follows_from_the_observation(
    judge: Callable[[Any], Finding], observed: object, outcome: Outcome
) -> None:
    """Each rule of each judge, and which of two rules comes first."""
    assert judge(observed).outcome is outcome


@pytest.mark.parametrize(
    ("found", "evidence"),
    [
        (judge_soft_limit(seen(*RAISED)), "stamps: long started 0.0 s, long Soft"),
        (judge_hard_limit(seen(*ENDED, log=("log: so",))), "log: so"),
        (judge_answer(seen("yes finished 2", "no-1 started 1")), "1 of 2 revoked jobs ran"),
        (judge_crash(seen(fates=fates(lost="b crash", unacked="a"))), "were harmed: a, b"),
        (judge_warm(ended(done="a", lost="b")), "jobs: 1 done, 1 lost"),
        (judge_warm(ended("x started 2", done="a")), "1 job(s) started after the signal: x"),
        (judge_warm(ended(exit_code=None)), "none: it had to be killed, 3 s after the signal"),
    ],
)
def test_the_evidence_shows_it(found: Finding, evidence: str) -> None:
    """Stamps, log lines, counts, names of jobs and exit codes."""
    assert evidence in "\n".join(found.evidence)


@pytest.mark.parametrize(
    ("reported", "named"),
    [((2, 20), ""), ((1, 20), "active"), ((2, None), "total"), ((0, 19), "active, total")],
)
def test_a_wrong_count_breaks_and_is_named(reported: tuple[int | None, ...], named: str) -> None:
    """A user would act on it."""
    counts = [
        (name, number, "stamped", actual)
        for name, number, actual in zip(("active", "total"), reported, (2, 20), strict=True)
    ]

    found = judge_counts(*counts)

    assert found.outcome is (BREAKS if named else WORKS)
    assert found.seen.endswith(f": {named}." if named else "as it is.")
    assert found.evidence[0] == f"inspect active: {reported[0]}; stamped: 2"


@pytest.mark.parametrize(
    ("waits_s", "said"),
    [
        ((3.5, 0.1), "with worker_prefetch_multiplier = 0 they started at once"),
        ((3.5, 3.5), "with worker_prefetch_multiplier = 0 too"),
        ((3.5, None), "with worker_prefetch_multiplier = 0 too"),
        ((None, 0.1), "started at once"),
        ((0.1, 3.5), "only with worker_prefetch_multiplier = 0"),
    ],
)
def test_jobs_left_waiting_beside_a_rate_limit_break(
    waits_s: tuple[float | None, float | None], said: str
) -> None:
    """The limited ones keep their limit; others have a free slot and don't start."""
    found = judge_rate_limit(seen(*STARTS, *FINISHES), limited=JOBS, waits_s=waits_s)

    assert found.outcome is BREAKS
    assert said in found.seen


@pytest.mark.parametrize(
    ("bad", "harm"),
    [
        (fates(done="a", doubled="b"), "1 job(s) run twice or about to be"),
        (fates(doubled="a", lost="b"), "1 job(s) lost; 1 job(s) run twice or about to be"),
        (fates(unacked="b"), "1 job(s) left in unacked until the visibility timeout"),
        (fates(queued="a b"), "2 job(s) left in the queue"),
    ],
)
def test_late_acknowledgements_arrive_whenever_jobs_end(bad: JobFates, harm: str) -> None:
    """Every harm is named, and whether it needs ends at the same moment."""
    right = LateJobs(fates=fates(done="a b"), refused=0)
    wrong = LateJobs(fates=bad, refused=3)

    found = [
        judge_acks_late(spread=spread, aligned=aligned, slots=40, log=())
        for spread, aligned in ((right, wrong), (wrong, right), (wrong, wrong), (right, right))
    ]

    assert [one.outcome for one in found] == [BREAKS, BREAKS, BREAKS, WORKS]
    assert [one.seen for one in found[:3]] == [
        f"Only where jobs end together: {harm}.",
        f"Only where ends are spread out: {harm}.",
        f"Where ends are spread out: {harm}. Where jobs end together: {harm}.",
    ]
    assert "3 acknowledgement(s) failed" in found[0].evidence[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "every job was run once."),
        ({"exit_code": 1}, "The worker died of it, with exit code 1."),
        ({"stamps": stamps()}, "It never took a job again."),
        ({"fates": fates(doubled="a")}, "1 job(s) ran twice or will."),
        ({"stamps": stamps(*("a started 0", "a started 1", "fresh finished 2"))}, "1 job(s) ran"),
        ({"fates": fates(lost="a b")}, "2 job(s) lost."),
        ({"fates": fates(unacked="a")}, "left in unacked until the visibility timeout."),
    ],
)
def test_the_effect_of_a_restart_is_named(changes: dict[str, Any], said: str) -> None:
    """Anything but a worker that continues without harm to a job is a break."""
    plain = {"fates": fates(done="a fresh"), "stamps": stamps("fresh finished 2")}

    found = judge_restart(Observation(**{**plain, **changes}), fresh=["fresh"])

    assert found.outcome is (BREAKS if changes else WORKS)
    assert said in found.seen
