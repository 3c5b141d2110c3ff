"""What is drawn for trials whose jobs come at a rate: pure, and fair to every contender."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.experiment.arrivals import (
    MAX_JOBS,
    MIN_JOBS,
    SEARCH_ARRIVALS,
    Load,
    draw_seed,
    paced_count,
    paced_load,
)
from producer.arrivals import read_schedule

ways = st.sampled_from(SEARCH_ARRIVALS)
rates_per_s = st.floats(min_value=0.5, max_value=3_000.0)
seeds = st.integers(min_value=0, max_value=2**32)


def paced(how: str, rate_per_s: float, *, seed: int = 1, trial_s: float = 2.0) -> Load:
    """Return a step of a search."""
    return paced_load(
        how, rate_per_s=rate_per_s, trial_s=trial_s, seed=seed, measure="sustain", step=0
    )


@settings(max_examples=60)
@given(how=ways, rate_per_s=rates_per_s, seed=seeds)
def test_a_paced_load_has_just_its_rate(how: str, rate_per_s: float, seed: int) -> None:
    """Sorted, from 0 on, and so many jobs in so long a time that the mean is the rate."""
    offsets_s = paced(how, rate_per_s, seed=seed).offsets_s

    assert offsets_s[0] == 0
    assert all(before <= after for before, after in pairwise(offsets_s))
    assert (len(offsets_s) - 1) / offsets_s[-1] == pytest.approx(rate_per_s)


@settings(max_examples=60)
@given(seed=seeds, slow_per_s=st.floats(min_value=60.0, max_value=500.0))
def test_contenders_at_unlike_rates_meet_the_same_draw(seed: int, slow_per_s: float) -> None:
    """What one rate draws is the other's, faster: the same bursts at the same places."""
    slow_s, fast_s = (paced("poisson", n * slow_per_s, seed=seed).offsets_s for n in (1, 2))

    gaps = [after - before for before, after in pairwise(slow_s)]
    others = [after - before for before, after in pairwise(fast_s[: len(slow_s)])]
    ratio = sum(gaps) / sum(others)
    assert [gap / ratio for gap in gaps] == pytest.approx(others, rel=1e-6, abs=1e-9)


@settings(max_examples=60)
@given(seed=seeds, block=st.integers(min_value=0, max_value=99))
def test_a_draw_knows_block_and_workload_alone(seed: int, block: int) -> None:
    """Another block or workload is another draw; asked again, it is the same."""
    one = draw_seed(seed, block=block, workload="io.http")

    assert one == draw_seed(seed, block=block, workload="io.http")
    assert one != draw_seed(seed, block=block + 1, workload="io.http")
    assert one != draw_seed(seed, block=block, workload="io.sleep")


@pytest.mark.parametrize(
    ("rate_per_s", "trial_s", "count"),
    [
        (100.0, 3.0, 300),
        (10.0, 3.0, 90),
        (30.0, 3.0, MIN_JOBS),
        (0.1, 1.0, 2),
        (1e9, 1.0, MAX_JOBS),
    ],
)
def test_a_step_lasts_a_trial_and_longer_for_few_jobs(
    rate_per_s: float, trial_s: float, count: int
) -> None:
    """Up to three times as long, so that one burst does not decide; never absurdly many jobs."""
    assert paced_count(rate_per_s, trial_s=trial_s) == count


def test_only_a_step_of_a_search_is_given_up() -> None:
    """Half of its jobs under way are a backlog that grows; a rate that was asked for goes on."""
    assert paced("constant", 400.0, trial_s=2.0).max_in_flight_jobs == 400
    assert paced("constant", 10.0).max_in_flight_jobs == MIN_JOBS
    schedule = read_schedule({"how": "constant", "rate_per_s": 50, "count": 200})
    assert Load(schedule=schedule, offsets_s=schedule.draw(1)).max_in_flight_jobs is None
