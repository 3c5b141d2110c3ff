"""Due times: pure, sorted, from 0, and the same for the same seed."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.errors import UsageError
from producer.arrivals import ARRIVALS, MAX_COUNT, MAX_RATE_PER_S, check, draw

COUNTS = st.integers(min_value=1, max_value=300)
RATES_PER_S = st.floats(min_value=0.1, max_value=MAX_RATE_PER_S)
SEEDS = st.integers(min_value=0, max_value=2**63)
NAMES = st.sampled_from(sorted(ARRIVALS))


def offsets_of(name: str, *, count: int, rate_per_s: float, seed: int) -> list[float]:
    """Draw with the rate that these arrivals may have."""
    rate_per_s = rate_per_s if ARRIVALS[name].has_rate else 0.0
    return list(draw(name, count=count, rate_per_s=rate_per_s, seed=seed))


@settings(deadline=None)
@given(name=NAMES, count=COUNTS, rate_per_s=RATES_PER_S, seed=SEEDS)
def test_offsets_are_counted_sorted_and_from_zero(
    name: str, count: int, rate_per_s: float, seed: int
) -> None:
    """Every process gives one finite offset a job, in order, the first at 0."""
    offsets_s = offsets_of(name, count=count, rate_per_s=rate_per_s, seed=seed)

    assert len(offsets_s) == count
    assert offsets_s[0] == 0.0
    assert offsets_s == sorted(offsets_s)
    assert all(math.isfinite(offset_s) for offset_s in offsets_s)


@settings(deadline=None)
@given(name=NAMES, count=COUNTS, rate_per_s=RATES_PER_S, seed=SEEDS)
def test_same_seed_draws_the_same(name: str, count: int, rate_per_s: float, seed: int) -> None:
    """A run can be repeated."""
    first = offsets_of(name, count=count, rate_per_s=rate_per_s, seed=seed)
    again = offsets_of(name, count=count, rate_per_s=rate_per_s, seed=seed)

    assert first == again


@settings(deadline=None)
@given(count=COUNTS, more=COUNTS, rate_per_s=RATES_PER_S, seed=SEEDS, name=NAMES)
def test_a_longer_draw_begins_with_the_shorter(
    name: str, count: int, more: int, rate_per_s: float, seed: int
) -> None:
    """Sending more jobs does not move those before them."""
    short = offsets_of(name, count=count, rate_per_s=rate_per_s, seed=seed)
    long = offsets_of(name, count=count + more, rate_per_s=rate_per_s, seed=seed)

    assert long[:count] == short


@settings(deadline=None)
@given(count=COUNTS)
def test_burst_is_due_at_once(count: int) -> None:
    """A burst has no rate: everything is due at 0."""
    assert set(draw("burst", count=count, rate_per_s=0.0, seed=1)) == {0.0}


@settings(deadline=None)
@given(count=COUNTS, rate_per_s=RATES_PER_S)
def test_constant_keeps_its_rate_exactly(count: int, rate_per_s: float) -> None:
    """No rounding adds up: the offset of job n is n over the rate."""
    offsets_s = draw("constant", count=count, rate_per_s=rate_per_s, seed=1)

    assert offsets_s[count - 1] == (count - 1) / rate_per_s


def test_poisson_has_the_mean_and_spread_of_its_process() -> None:
    """Gaps are exponential: their mean is 1/rate, and so is their standard deviation."""
    offsets_s = draw("poisson", count=50_001, rate_per_s=100.0, seed=7)
    gaps_s = [after - before for before, after in itertools.pairwise(offsets_s)]

    mean_s = sum(gaps_s) / len(gaps_s)
    deviation_s = math.sqrt(sum((gap_s - mean_s) ** 2 for gap_s in gaps_s) / len(gaps_s))

    assert mean_s == pytest.approx(0.01, rel=0.02)
    assert deviation_s == pytest.approx(0.01, rel=0.02)


def test_seeds_draw_different_poisson_arrivals() -> None:
    """The seed matters where chance does."""
    first = draw("poisson", count=10, rate_per_s=1.0, seed=1)

    assert list(first) != list(draw("poisson", count=10, rate_per_s=1.0, seed=2))


@pytest.mark.parametrize(
    ("arrivals", "count", "rate_per_s", "said"),
    [
        ("poison", 1, 1.0, "did you mean poisson?"),
        ("burst", 0, 0.0, "count: out of bounds: 0"),
        ("burst", -5, 0.0, "count: out of bounds: -5"),
        ("burst", MAX_COUNT + 1, 0.0, "1 to 10000000"),
        ("constant", 1, -1.0, "rate: out of bounds: -1"),
        ("constant", 1, math.nan, "rate: out of bounds: nan"),
        ("constant", 1, math.inf, "rate: out of bounds: inf"),
        ("constant", 1, MAX_RATE_PER_S * 2, "rate: out of bounds"),
        ("constant", 1, 0.0, "rate: missing for constant arrivals"),
        ("burst", 1, 10.0, "rate: burst arrivals have none: 10"),
        ("poisson", 10, 5e-324, "a day is the limit"),
        ("constant", 1_000_000, 0.01, "a day is the limit"),
    ],
)
def test_impossible_arrivals_are_refused(
    arrivals: str, count: int, rate_per_s: float, said: str
) -> None:
    """Each fault says what was seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        draw(arrivals, count=count, rate_per_s=rate_per_s, seed=1)

    assert said in str(caught.value)


def test_all_faults_come_at_once() -> None:
    """Three mistakes make three faults, not one after the other."""
    faults = check("brust", count=-1, rate_per_s=-1.0)

    assert [fault.where for fault in faults] == ["arrivals", "count", "rate"]
