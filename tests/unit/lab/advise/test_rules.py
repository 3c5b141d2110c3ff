"""Each rule with its inputs and its conclusion, and what it excludes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.advise import rules
from lab.advise.model import Limits, Setting
from tests.demands import FETCH, HARD_LIMIT, REPORT, THUMB, demand

NO_LIMITS = Limits()


def test_little_s_law_needs_slots_for_the_busy_ones_and_for_bursts() -> None:
    """12 jobs/s of 46 ms keep 0.55 slots busy; bursts need more than random arrivals."""
    calm = rules.littles_law(demand(), NO_LIMITS)
    bursts = rules.littles_law(demand(dispersion=9.0), NO_LIMITS)

    assert (calm.inputs.partition(";")[0], calm.least_slots) == (
        "12.0 jobs/s × 46.0 ms without contention = 0.552 slots busy",
        3,
    )
    assert bursts.least_slots == 6


def test_one_interpreter_needs_processes_if_its_gil_is_too_busy() -> None:
    """30 jobs a second of 50 ms with the GIL held take 1.5 interpreters, and some to spare."""
    held = replace(REPORT, per_s=30, held_s=0.05, unknown_s=0.0)
    released = replace(held, held_s=0.0, released_s=0.05)

    assert rules.one_interpreter(demand(held), NO_LIMITS).least_workers["threads"] == 2
    assert rules.one_interpreter(demand(released), NO_LIMITS).least_workers["threads"] == 1
    assert rules.one_interpreter(demand(released), NO_LIMITS).least_workers["gevent"] == 2


def test_unknown_computing_is_named() -> None:
    """A reader sees that the recording doesn't show who held the GIL."""
    assert "50.0 ms unknown" in rules.one_interpreter(demand(REPORT), NO_LIMITS).inputs


def test_cores_bound_the_throughput() -> None:
    """Two cores, 50 ms of computing and 1.2 ms of Celery's own: 39 jobs a second."""
    rule = rules.cores(demand(REPORT, recorded_cores=8), NO_LIMITS)

    assert rule.conclusion == "no pool does more than 39.1 jobs/s"
    assert "recorded on 8" in rule.inputs
    assert rule.most_workers["threads"] == 2


def test_memory_bounds_the_children_of_prefork() -> None:
    """27.5 MB a process at most: 300 MB are enough for ten, of which one is the parent."""
    rule = rules.memory(demand(), Limits(memory_bytes=300_000_000))

    assert rule.most_slots == {"prefork": 9}
    assert rule.most_workers["threads"] == 3
    assert not rule.excluded


def test_a_limit_below_one_process_excludes_pools() -> None:
    """50 MB hold no worker of 88 MB, and not two processes of prefork."""
    excluded = rules.memory(demand(), Limits(memory_bytes=50_000_000)).excluded

    assert "prefork" in excluded
    assert "threads" in excluded


def test_connections_bound_the_slots_of_every_pool() -> None:
    """1.65 a slot at most: 20 connections are enough for 12 slots."""
    rule = rules.connections(demand(), Limits(connections=20))

    assert set(rule.most_slots.values()) == {12}


@pytest.mark.parametrize("rule", [rules.memory, rules.connections])
def test_what_was_not_recorded_bounds_nothing(rule: rules.RuleOf) -> None:
    """Unknown memory or connections are named, and no setting is left out for them."""
    unknown = demand(process_bytes=None, child_bytes=None, connections_per_slot=None)
    found = rule(unknown, Limits(memory_bytes=300_000_000, connections=20))

    assert "recorded" in found.inputs
    assert not found.most_slots
    assert not found.excluded


def test_waits_that_do_not_yield_exclude_gevent() -> None:
    """Recorded as blocked, or in a driver that gevent can't interrupt."""
    blocked = demand(replace(FETCH, wait_s=0.0, blocking_s=0.048))
    driver = demand(FETCH, packages={"gevent": "26.9.0", "psycopg2": "2.9"})

    assert "gevent" in rules.blocking_waits(blocked, NO_LIMITS).excluded
    assert "psycopg2" in rules.blocking_waits(driver, NO_LIMITS).excluded["gevent"]
    assert not rules.blocking_waits(demand(), NO_LIMITS).excluded


def test_a_pool_that_ignores_what_jobs_used_is_excluded() -> None:
    """A job was timed out; where the limit is only set, the pool is named later and stays."""
    used = rules.relied_on(demand(features=(HARD_LIMIT,)), NO_LIMITS)
    only_set = replace(HARD_LIMIT, is_used=False)

    assert used.excluded["threads"] == "threads ignores hard time limit, which jobs used"
    assert not rules.relied_on(demand(features=(only_set,)), NO_LIMITS).excluded


def test_nobody_relies_on_what_todays_pool_does_not_do() -> None:
    """An app on threads has no time limits, whatever its tasks ask for."""
    today = Setting(pool="threads", slots=8)

    rule = rules.relied_on(demand(today=today, features=(HARD_LIMIT,)), NO_LIMITS)

    assert not rule.excluded
    assert rule.inputs == "used: nothing"


def test_short_jobs_beside_long_ones_are_prefetched_one_a_slot() -> None:
    """Gevent with acks_late stops fetching at 1 while a job runs, so it gets more."""
    long = replace(REPORT, p95_s=4.0)
    late = rules.prefetch(demand(FETCH, long, is_acked_late=True), NO_LIMITS)

    assert (late.prefetch["prefork"], late.prefetch["gevent"]) == (1, 4)
    assert not rules.prefetch(demand(FETCH, THUMB), NO_LIMITS).prefetch


def test_only_pools_that_can_run_the_app_are_candidates() -> None:
    """Gevent where it is installed; asyncio where the tasks are coroutines already."""
    assert "gevent" in rules.installed(demand(packages={}), NO_LIMITS).excluded
    assert set(rules.installed(demand(), NO_LIMITS).excluded) == {"asyncio", "solo"}


def test_every_rule_has_a_name_inputs_and_a_conclusion() -> None:
    """The output prints each of them."""
    found = rules.apply_rules(demand(), limits=NO_LIMITS)

    assert len({rule.name for rule in found}) == len(rules.RULES)
    assert all(rule.inputs and rule.conclusion for rule in found)
