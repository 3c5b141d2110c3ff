"""The settings that are measured, by the rules and the estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.advise.candidates import CANDIDATES, MOST_SLOTS, find_candidates, rank
from lab.advise.capacity import capacity_per_s, ceiling_per_s
from lab.advise.model import Limits, Setting, TaskDemand
from tests.demands import FETCH, HARD_LIMIT, REPORT, THUMB, demand

NO_LIMITS = Limits()


def pools(settings: tuple[Setting, ...]) -> set[str]:
    """Return the pools of some settings."""
    return {one.pool for one in settings}


def test_waits_lead_to_many_slots_and_computing_to_few() -> None:
    """A pool needs as many slots as jobs that wait at its highest rate."""
    waits = rank(demand(FETCH), limits=NO_LIMITS)
    computes = rank(demand(replace(REPORT, unknown_s=0, held_s=0.05)), limits=NO_LIMITS)

    assert min(one.slots for one in waits if one.pool == "threads") >= 20
    assert max(one.slots for one in computes if one.pool == "threads") <= 3


def test_an_excluded_pool_is_no_candidate() -> None:
    """Its reason is kept for the output."""
    found = find_candidates(demand(features=(HARD_LIMIT,)), limits=NO_LIMITS)

    assert "threads" not in pools(found.settings)
    assert "hard time limit" in found.excluded["threads"]


def test_todays_setting_is_not_measured_twice() -> None:
    """It is the baseline in any case."""
    best = rank(demand(), limits=NO_LIMITS)[0]

    assert best not in find_candidates(demand(today=best), limits=NO_LIMITS).settings


def test_unknown_use_of_the_gil_leads_to_candidates_for_both() -> None:
    """Threads are best if it is released, several processes if it is held."""
    found = find_candidates(demand(REPORT, packages={}), limits=NO_LIMITS).settings

    held = rank(demand(REPORT, packages={}).with_gil(is_held=True), limits=NO_LIMITS)
    released = rank(demand(REPORT, packages={}).with_gil(is_held=False), limits=NO_LIMITS)
    assert {held[0], released[0]} <= {*found}


@pytest.mark.parametrize("connections", [3, 20, 60])
def test_no_candidate_exceeds_the_limits(connections: int) -> None:
    """Slots are bounded by connections, and processes by memory."""
    limits = Limits(connections=connections, memory_bytes=400_000_000)
    found = find_candidates(demand(), limits=limits).settings

    assert all(one.total_slots * 1.65 <= connections for one in found)
    assert all(one.processes * 27.5e6 <= 400e6 for one in found if one.pool == "prefork")


def test_a_load_that_needs_more_slots_gets_them() -> None:
    """500 slots are busy on average: the bound on slots is for spare ones only."""
    busy = replace(FETCH, per_s=500, held_s=0.0001, wait_s=1.0)

    assert max(one.total_slots for one in rank(demand(busy), limits=NO_LIMITS)) > 5 * MOST_SLOTS


times = st.floats(min_value=0, max_value=2)


@given(held_s=times, released_s=times, wait_s=times, blocking_s=times, cores=st.integers(1, 64))
def test_candidates_are_possible_and_no_estimate_exceeds_its_ceiling(
    held_s: float, released_s: float, wait_s: float, blocking_s: float, cores: int
) -> None:
    """Whatever the jobs are: at most three, each with a slot and a worker."""
    task = TaskDemand(
        name="any",
        executions=99,
        per_s=3,
        held_s=held_s,
        released_s=released_s,
        wait_s=wait_s,
        blocking_s=blocking_s,
    )
    asked = demand(task, THUMB, cores=cores)
    found = find_candidates(asked, limits=NO_LIMITS).settings

    assert len(found) <= CANDIDATES
    for one in found:
        assert one.slots >= 1
        assert 1 <= one.workers <= max(1, cores)
        ceiling = ceiling_per_s(one.pool, asked, workers=one.workers)
        assert 0 < capacity_per_s(one, asked) <= ceiling
