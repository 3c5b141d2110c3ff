"""Options become a submission, or every fault of them is told at once."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from poolbench.errors import UsageError
from poolbench.pools import available_pools
from producer.submission import Submission, Words, new_run_name, read_submission

GOOD = Words(pool="gevent", job="io.http")


def faults_of(words: Words) -> list[str]:
    """The faults of options, one text each."""
    with pytest.raises(UsageError) as caught:
        read_submission(words)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_send_a_burst_of_a_hundred() -> None:
    """Pool and job alone are enough."""
    submission = read_submission(GOOD)

    assert (submission.pools, submission.count) == (("gevent",), 100)
    assert str(submission.schedule) == "all at once"
    assert submission.parameters == {"delay_ms": 50.0, "size_bytes": 1_024}
    assert not submission.waits
    assert not submission.is_comparison


def test_a_rate_alone_means_constant_arrivals() -> None:
    """A rate needs no second option."""
    submission = read_submission(replace(GOOD, rate="12.5"))

    assert str(submission.schedule) == "12.5/s, constant"


@pytest.mark.parametrize(
    ("rate", "shape", "said", "count"),
    [
        ("50", {"to_rate_per_s": "200", "over_s": "30"}, "50/s to 200/s over 30 s, ramp", 3_750),
        ("0", {"to_rate_per_s": "50"}, "0/s to 50/s over 4 s, ramp", 100),
        ("0", {"rates_per_s": "5,0,10", "step_s": "2"}, "5, 0, 10/s for 2 s each, steps", 30),
        ("20", {"swing": "0.25"}, "20/s, swinging by 0.25 of it in 5 s, ebb", 100),
    ],
)
def test_what_a_shape_needs_names_its_arrivals(
    rate: str, shape: dict[str, str], said: str, count: int
) -> None:
    """--to-rate means a ramp, --rates steps, --swing a tide; the count follows, or the span."""
    submission = read_submission(replace(GOOD, rate=rate, shape=shape))

    assert str(submission.schedule) == said
    assert submission.count == len(submission.offsets_s()) == count


def test_a_plan_says_how_the_rate_moves_and_its_longest_gap() -> None:
    """So that a pause is no stall to the collector, and the command can be given again."""
    words = replace(GOOD, shape={"rates_per_s": "50,0,50", "step_s": "20"})
    submission = read_submission(words)

    plan = submission.plans({"gevent": 1}, calibration={})[0]

    assert (plan.arrivals, plan.count) == ("steps", 2_000)
    assert plan.rate_per_s == pytest.approx(2_000 / 60)
    assert plan.shape == {"rates_per_s": [50.0, 0.0, 50.0], "step_s": 20.0}
    assert 19 < plan.longest_gap_s < 22


def test_parameters_are_read_by_their_type() -> None:
    """Pairs of the command line become the job's arguments."""
    words = replace(GOOD, parameters=("delay_ms=7", "size_bytes=9"))

    assert read_submission(words).parameters == {"delay_ms": 7.0, "size_bytes": 9}


def test_all_waits_and_shuffles_by_the_seed() -> None:
    """Each pool once; the order hangs on the seed alone; waiting is implied."""
    names = {pool.name for pool in available_pools()}

    orders = [
        read_submission(replace(GOOD, pool="all", seed=str(seed))).pools for seed in range(40)
    ]

    assert all(set(order) == names and len(order) == len(names) for order in orders)
    assert len(set(orders)) > len(names)
    assert orders[3] == read_submission(replace(GOOD, pool="all", seed="3")).pools
    submission = read_submission(replace(GOOD, pool="all"))
    assert submission.waits
    assert submission.is_comparison


def test_plans_are_one_a_pool_with_what_its_workers_tell() -> None:
    """The run's hash holds what was meant."""
    submission = read_submission(replace(GOOD, pool="all", count="7", rate="5"))

    slots = {pool: len(pool) for pool in submission.pools}

    plans = submission.plans(slots, calibration={})

    assert [plan.trial for plan in plans] == list(range(len(plans)))
    assert tuple(plan.contender for plan in plans) == submission.pools
    assert all(plan.slots == len(plan.pool) and plan.count == 7 for plan in plans)
    assert {(plan.arrivals, plan.rate_per_s) for plan in plans} == {("constant", 5.0)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (replace(GOOD, pool=""), "--pool: missing; use one of prefork"),
        (replace(GOOD, pool="gevnt"), "--pool: unknown pool: gevnt; did you mean gevent?"),
        (replace(GOOD, pool="al"), "--pool: unknown pool: al; did you mean all?"),
        (replace(GOOD, pool="eventlet"), "--pool: unknown pool: eventlet; did you mean gevent?"),
        (replace(GOOD, job=""), "--job: missing; use one of cpu.primes"),
        (replace(GOOD, job="io.htp"), "--job: unknown job kind: io.htp; did you mean io.http?"),
        (replace(GOOD, count="0"), "--count: out of bounds: 0; it takes a whole number from 1"),
        (replace(GOOD, count="-3"), "--count: out of bounds: -3"),
        (replace(GOOD, count="10000001"), "--count: out of bounds: 10000001"),
        (replace(GOOD, count="1e3"), "--count: no whole number: '1e3'"),
        (replace(GOOD, rate="-1"), "--rate: out of bounds: -1"),
        (replace(GOOD, rate="nan"), "--rate: no number: 'nan'"),
        (replace(GOOD, rate="inf"), "--rate: out of bounds: inf"),
        (replace(GOOD, rate="1000001"), "--rate: out of bounds: 1e+06"),
        (replace(GOOD, rate="fast"), "--rate: no number: 'fast'; it takes jobs per second"),
        (replace(GOOD, count="9999999", rate="1"), "--rate: 9999999 jobs would take 2778 hours"),
        (replace(GOOD, arrivals="poison"), "--arrivals: unknown: poison; did you mean poisson?"),
        (replace(GOOD, arrivals="poisson"), "--rate: missing for poisson arrivals"),
        (replace(GOOD, arrivals="burst", rate="5"), "--rate: burst arrivals have none: 5"),
        (replace(GOOD, shape={"to_rate_per_s": "x"}), "--to-rate: no number: 'x'; it takes jobs"),
        (replace(GOOD, shape={"to_rate_per_s": "-1"}), "--to-rate: out of bounds: -1; it takes"),
        (replace(GOOD, shape={"over_s": "5"}), "--to-rate: missing for ramp arrivals"),
        (replace(GOOD, shape={"rates_per_s": "5,"}), "--rates: no number: ''; it takes jobs"),
        (replace(GOOD, shape={"rates_per_s": "5,0"}), "--rates: a pause at the edge"),
        (replace(GOOD, rate="9", shape={"rates_per_s": "5"}), "--rate: steps arrivals have none"),
        (replace(GOOD, rate="9", shape={"swing": "2"}), "--swing: out of bounds: 2; it takes 0"),
        (replace(GOOD, shape={"swing": "0.5"}), "--rate: missing for ebb arrivals"),
        (
            replace(GOOD, rate="9", arrivals="constant", shape={"period_s": "3"}),
            "--period: constant arrivals have none; leave it out, or take ebb",
        ),
        (replace(GOOD, parameters=("delay_ms",)), "--param: no pair: 'delay_ms'"),
        (replace(GOOD, parameters=("delay_ms=",)), "--param: no pair: 'delay_ms='"),
        (replace(GOOD, parameters=("delay=1",)), "unknown parameter of io.http: delay; did you"),
        (replace(GOOD, parameters=("delay_ms=x",)), "--param: io.http delay_ms: 'x'; it takes a"),
        (replace(GOOD, parameters=("delay_ms=-1",)), "--param: io.http delay_ms: -1; it takes 0"),
        (replace(GOOD, parameters=("delay_ms=1", "delay_ms=2")), "--param: given twice: delay_ms"),
        (replace(GOOD, seed="x"), "--seed: no whole number: 'x'"),
        (replace(GOOD, seed="-1"), "--seed: out of bounds: -1"),
        (replace(GOOD, run="../up"), "--run: impossible name of a run: '../up'"),
        (replace(GOOD, timeout="0"), "--timeout: out of bounds: 0"),
        (replace(GOOD, stall="never"), "--stall: no number: 'never'; it takes seconds"),
    ],
)
def test_a_fault_is_told_alone_with_what_would_be_right(words: Words, said: str) -> None:
    """One mistake makes one fault, which names the option, what was seen and the remedy."""
    faults = faults_of(words)

    assert len(faults) == 1
    assert said in faults[0]


def test_all_faults_come_at_once_in_the_order_of_the_help() -> None:
    """Nobody mends a command line one mistake at a time."""
    words = Words(
        pool="gevnt",
        job="io.http",
        count="-1",
        rate="x",
        parameters=("delay=1", "size_bytes=-1"),
        seed="x",
        run="A",
        timeout="0",
        stall="x",
    )

    options = [fault.partition(":")[0] for fault in faults_of(words)]

    assert options == [
        *("--pool", "--param", "--param", "--count", "--rate"),
        *("--seed", "--run", "--timeout", "--stall"),
    ]


def test_an_unread_rate_makes_no_second_fault() -> None:
    """What stands in for a faulty value is not judged."""
    assert len(faults_of(replace(GOOD, rate="x", arrivals="poisson"))) == 1


@pytest.mark.parametrize(
    ("job", "parameters", "job_s"),
    [
        ("io.sleep", ("delay_ms=250",), 0.25),
        ("cpu.primes", ("units=40",), 0.04),
    ],
)
def test_length_of_a_job_is_estimated(job: str, parameters: tuple[str, ...], job_s: float) -> None:
    """How long to wait for the next end hangs on how long a job takes."""
    submission: Submission = read_submission(Words(pool="solo", job=job, parameters=parameters))

    assert submission.job_s == job_s


def test_run_names_tell_the_time_and_do_not_repeat() -> None:
    """20261122-174501-ab12: sorts by time, and is a possible name."""
    names = {new_run_name() for _ in range(20)}

    assert len(names) == 20
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", name) for name in names)
    assert all(read_submission(replace(GOOD, run=name)).run == name for name in names)
