"""The search for the highest sustained rate, against servers whose capacity is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.run.rate_search import LEAST_PER_S, MAX_STEPS, Search, begin_search
from report.trials.slo import RESOLUTION

rates_per_s = st.floats(min_value=1.0, max_value=5_000.0)


def carry_out(search: Search, *, is_sustained: Callable[[float], bool]) -> Search:
    """Let a search run against a server that sustains some rates."""
    while not search.is_over:
        rate_per_s = search.next_per_s()
        search.record(rate_per_s, is_sustained=is_sustained(rate_per_s), spent_s=1.0)
    return search


@settings(max_examples=60, deadline=None)
@given(capacity_per_s=rates_per_s, error=st.floats(min_value=1 / 20, max_value=20.0))
def test_it_finds_the_capacity_within_its_resolution(capacity_per_s: float, error: float) -> None:
    """From a start up to twenty times off, in a bounded number of steps; the rate is sustained."""
    search = Search(start_per_s=capacity_per_s * error)

    carry_out(search, is_sustained=lambda rate_per_s: rate_per_s <= capacity_per_s)

    assert search.steps <= MAX_STEPS
    assert search.sustained_per_s is not None
    assert (
        search.sustained_per_s
        <= capacity_per_s
        < search.sustained_per_s * (1 + RESOLUTION) * 1.000001
    )


def begin(**changes: Any) -> Search:
    """Begin a search whose trials take a second."""
    plain = {"pilot_per_s": 1.0, "earlier_per_s": None, "most_per_s": math.inf, "seed": "1"}
    return begin_search(**{**plain, **changes}, trial_s=1.0)


@settings(max_examples=60, deadline=None)
@given(pilot_per_s=rates_per_s, share=st.floats(min_value=0.8, max_value=1.2))
def test_a_search_from_a_good_pilot_is_short(pilot_per_s: float, share: float) -> None:
    """If the pilot is right within 20 %, the search takes at most seven steps."""
    search = begin(pilot_per_s=pilot_per_s)

    carry_out(search, is_sustained=lambda rate_per_s: rate_per_s <= pilot_per_s * share)

    assert search.steps <= 7


@settings(max_examples=60, deadline=None)
@given(found_per_s=rates_per_s, block=st.integers(min_value=1, max_value=50))
def test_a_search_after_an_earlier_block_is_shorter(found_per_s: float, block: int) -> None:
    """It starts within half its resolution of the earlier rate and takes at most five steps."""
    search = begin(earlier_per_s=found_per_s, seed=f"1:{block}")
    assert abs(math.log(search.start_per_s / found_per_s)) <= math.log(1 + RESOLUTION) / 2 + 1e-9

    carry_out(search, is_sustained=lambda rate_per_s: rate_per_s <= found_per_s * 1.03)

    assert search.steps <= 5


def test_searches_of_equal_contenders_start_at_different_rates() -> None:
    """Equal rates would make repetitions agree more closely than their precision allows."""
    seeds = ("1:1:w:a", "1:2:w:a", "1:1:w:b")

    starts_per_s = {begin(earlier_per_s=100.0, seed=seed).start_per_s for seed in seeds}

    assert len(starts_per_s) == 3


def test_a_server_that_sustains_nothing_or_everything_ends_it() -> None:
    """It goes down to the lowest rate, or up to the one that the producer can send."""
    down = carry_out(Search(start_per_s=1_000.0), is_sustained=lambda _: False)
    up = carry_out(Search(start_per_s=10.0, most_per_s=2_000.0), is_sustained=lambda _: True)

    assert (down.sustained_per_s, down.missed_per_s) == (None, LEAST_PER_S)
    assert not down.is_resolved
    assert (up.sustained_per_s, up.missed_per_s) == (2_000.0, None)
    assert max(down.steps, up.steps) <= MAX_STEPS


def test_a_search_ends_when_its_time_is_over() -> None:
    """The rate found so far is kept, and is not resolved."""
    search = Search(start_per_s=10.0, left_s=2.0)

    carry_out(search, is_sustained=lambda rate_per_s: rate_per_s <= 100.0)

    assert (search.steps, search.is_resolved) == (2, False)
    assert search.sustained_per_s == pytest.approx(12.5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), capacity_per_s=rates_per_s)
def test_a_search_with_noise_ends(seed: int, capacity_per_s: float) -> None:
    """If the capacity varies, steps are bounded and the sustained rate is below the missed one."""
    source = random.Random(seed)
    search = Search(start_per_s=capacity_per_s)

    carry_out(search, is_sustained=lambda rate: rate <= capacity_per_s * source.uniform(0.8, 1.2))

    assert search.steps <= MAX_STEPS
    if search.sustained_per_s is not None and search.missed_per_s is not None:
        assert search.sustained_per_s < search.missed_per_s
