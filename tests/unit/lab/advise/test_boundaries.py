"""What would change the advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.advise.boundaries import Boundary, find_boundaries
from lab.advise.candidates import rank
from lab.advise.model import Demand, Limits, Setting
from tests.demands import FETCH, HARD_LIMIT, THUMB, demand

NO_LIMITS = Limits()


def boundaries(asked: Demand, *, limits: Limits = NO_LIMITS) -> list[Boundary]:
    """Return those of the setting that the estimate prefers."""
    best = rank(asked, limits=limits)[0]
    return find_boundaries(asked, limits=limits, advised=best, corrections={})


def test_a_boundary_is_where_another_pool_begins_to_lead() -> None:
    """Two workers of 88 MB need 176 MB; with less, gevent has one thread, and prefork leads."""
    limits = Limits(memory_bytes=200_000_000)
    found = boundaries(demand(THUMB, features=(HARD_LIMIT,)), limits=limits)

    (memory,) = (one for one in found if "memory" in one.change)
    assert memory.change == "the memory limit were under 175 MB"
    assert memory.setting.pool == "prefork"


def test_they_name_the_task_with_its_time_now() -> None:
    """A person can compare it with what they know of the task."""
    changes = [one.change for one in boundaries(demand(features=(HARD_LIMIT,)))]

    assert any(one.startswith("shop.thumb computed ") and "(now 34.0 ms)" in one for one in changes)


def test_a_feature_that_excludes_the_better_pool_is_named() -> None:
    """Without the time limit, threads would do."""
    waits = replace(FETCH, held_s=0.0002)
    found = boundaries(demand(waits, features=(HARD_LIMIT,), packages={}))

    assert [one.setting.pool for one in found if "hard time limit" in one.change] == ["threads"]


def test_the_nearest_come_first() -> None:
    """By their factor."""
    factors = [one.factor for one in boundaries(demand(), limits=Limits(memory_bytes=400_000_000))]

    assert factors == sorted(factors)


def test_there_may_be_none() -> None:
    """If only one pool can run, nothing leads to another."""
    excluded = replace(HARD_LIMIT, lost_in=dict.fromkeys(("threads", "gevent"), "ignored"))
    found = boundaries(demand(FETCH, features=(excluded,)))

    assert all("hard time limit" in one.change for one in found)


def test_a_measured_lead_is_kept_without_a_change() -> None:
    """Prefork did what the estimate says, and threads a tenth: the estimate alone would not do."""
    advised = Setting(pool="prefork", slots=11)
    measured = {"prefork": 1.0, "threads": 0.1, "gevent": 0.1}

    found = find_boundaries(
        demand(FETCH, THUMB), limits=NO_LIMITS, advised=advised, corrections=measured
    )

    assert all(one.factor > 1.01 for one in found)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_the_share_of_the_gil_is_an_input(share: float) -> None:
    """Computing moves between held and released; the boundary is a share from 0 to 1."""
    asked = demand(
        replace(THUMB, held_s=0.034 * share, released_s=0.034 * (1 - share)), packages={}
    )
    found = [one for one in boundaries(asked) if "held the GIL" in one.change]

    assert all("%" in one.change for one in found)
