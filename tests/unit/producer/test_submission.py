"""Options become a submission; one that can't is told with what would be right."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from poolbench.jobs import JOB_KINDS
from poolbench.keys import check_name, new_run_name
from poolbench.pools import available_pools
from producer.cli import main
from producer.submission import Submission, ordered_pools, schedule_of

GOOD = ("--pool", "gevent", "--job", "io.http")
SUBMISSION = Submission(
    run="r1",
    pools=("gevent",),
    kind=JOB_KINDS["io.http"],
    parameters={},
    schedule=schedule_of({}),
)


def test_pool_and_job_alone_are_enough() -> None:
    """A burst of a hundred; a rate alone means constant arrivals."""
    schedule = schedule_of({})

    assert (schedule.count, str(schedule)) == (100, "all at once")
    assert str(schedule_of({"rate_per_s": 12.5})) == "12.5/s, constant"


@pytest.mark.parametrize(
    ("options", "text", "count"),
    [
        (
            {"rate_per_s": 50, "to_rate_per_s": 200, "over_s": 30},
            "50/s to 200/s over 30 s, ramp",
            3_750,
        ),
        ({"to_rate_per_s": 50}, "0/s to 50/s over 4 s, ramp", 100),
        ({"rates_per_s": [5, 0, 10], "step_s": 2}, "5, 0, 10/s for 2 s each, steps", 30),
        ({"rate_per_s": 20, "swing": 0.25}, "20/s, swinging by 0.25 of it in 5 s, ebb", 100),
    ],
)
def test_what_a_shape_needs_names_its_arrivals(
    options: dict[str, Any], text: str, count: int
) -> None:
    """--to-rate means a ramp, --rates steps, --swing a tide; the count follows, or the span."""
    schedule = schedule_of(options)

    assert str(schedule) == text
    assert schedule.count == len(schedule.draw(1)) == count


def test_a_plan_says_how_the_rate_moves_and_its_longest_gap() -> None:
    """So that a pause is no stall to the collector, and the command can be given again."""
    schedule = schedule_of({"rates_per_s": [50, 0, 50], "step_s": 20})

    plan = replace(SUBMISSION, schedule=schedule).plans({"gevent": 1}, calibration={})[0]

    assert (plan.arrivals, plan.count) == ("steps", 2_000)
    assert plan.rate_per_s == pytest.approx(2_000 / 60)
    assert plan.shape == {"rates_per_s": [50.0, 0.0, 50.0], "step_s": 20.0}
    assert 19 < plan.longest_gap_s < 22


def test_all_is_each_pool_once_in_an_order_of_the_seed() -> None:
    """The order hangs on the seed alone."""
    names = {pool.name for pool in available_pools()}

    orders = [ordered_pools("all", seed=seed) for seed in range(40)]

    assert all(set(order) == names and len(order) == len(names) for order in orders)
    assert len(set(orders)) > len(names)
    assert orders[3] == ordered_pools("all", seed=3)
    assert ordered_pools("solo", seed=3) == ("solo",)


def test_plans_are_one_a_pool_with_what_its_workers_tell() -> None:
    """The run's hash holds what was meant."""
    submission = replace(
        SUBMISSION,
        pools=ordered_pools("all", seed=1),
        schedule=schedule_of({"count": 7, "rate_per_s": 5}),
    )
    slots = {pool: len(pool) for pool in submission.pools}

    plans = submission.plans(slots, calibration={})

    assert [plan.trial for plan in plans] == list(range(len(plans)))
    assert tuple(plan.contender for plan in plans) == submission.pools
    assert all(plan.slots == len(plan.pool) and plan.count == 7 for plan in plans)
    assert {(plan.arrivals, plan.rate_per_s) for plan in plans} == {("constant", 5.0)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--pool and --job are required. Give both, or --look."),
        (("--pool", "gevnt"), "--pool = gevnt is invalid: must be one of 'prefork'"),
        (("--job", "io.htp"), "--job = io.htp is invalid: unknown job kind. Did you mean io.http?"),
        ((*GOOD, "--count", "0"), "--count = 0 is invalid: must be at least 1 (a number of jobs)"),
        ((*GOOD, "--count", "1e3"), "--count = 1e3 is invalid: must be a whole number."),
        ((*GOOD, "--rate", "nan"), "--rate = nan is invalid: must be a finite number"),
        ((*GOOD, "--rate", "fast"), "--rate = fast is invalid: must be a number."),
        ((*GOOD, "--arrivals", "poison"), "--arrivals = poison is invalid: must be one of"),
        ((*GOOD, "--arrivals", "poisson"), "--rate is invalid: poisson arrivals need it"),
        ((*GOOD, "--over", "5"), "--to-rate is invalid: ramp arrivals need it"),
        ((*GOOD, "--rates", "5,"), "--rates = 5, is invalid: must be numbers"),
        ((*GOOD, "--rates", "5,0"), "--rates = 5, 0 is invalid: must be without a pause"),
        ((*GOOD, "--param", "delay_ms"), "delay_ms = '' is invalid: must be a number"),
        (
            (*GOOD, "--param", "delay=1"),
            "delay = 1 is invalid: unknown parameter of io.http.",
        ),
        ((*GOOD, "--seed", "-1"), "--seed = -1 is invalid: must be at least 0."),
        (("--pol", "solo"), "no such option: --pol"),
        (("stray",), "got unexpected extra argument(s) (stray). See --help."),
        ((*GOOD, "--run", "../up"), "--run = '../up' is invalid"),
        ((*GOOD, "--timeout", "0"), "--timeout = 0 is invalid: must be at least 0.001."),
        ((*GOOD, "--stall", "never"), "--stall = never is invalid: must be a number."),
        (("--look", "R 1"), "--look = 'R 1' is invalid"),
        (("--look", "r1", "--pool", "solo"), "--look is invalid: sends no jobs. Leave out"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 2 before anything is reached; the message names the option and the remedy."""
    monkeypatch.setattr(sys, "argv", ["producer", "--seed", "1", *words])

    with pytest.raises(SystemExit) as caught:
        sys.exit(main())

    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_run_names_tell_the_time_and_do_not_repeat() -> None:
    """20261122-174501-ab12: sorts by time, and is a possible name."""
    names = {new_run_name() for _ in range(20)}

    assert len(names) == 20
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", name) for name in names)
    assert all(check_name(name, what="name of a run") == name for name in names)
