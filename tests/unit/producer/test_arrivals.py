"""Due times: pure, sorted, from 0, and the same for the same seed."""

from __future__ import annotations

import itertools
import math
import statistics
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.errors import UsageError
from producer.arrivals import (
    ARRIVALS,
    MAX_COUNT,
    MAX_RATE_PER_S,
    check,
    draw,
    read_schedule,
    schedule,
)

COUNTS = st.integers(min_value=1, max_value=300)
RATES_PER_S = st.floats(min_value=0.1, max_value=MAX_RATE_PER_S)
SEEDS = st.integers(min_value=0, max_value=2**63)
NAMES = st.sampled_from(sorted(ARRIVALS))

SHAPES: dict[str, dict[str, Any]] = {
    "ramp": {"to_rate_per_s": 500, "over_s": 2},
    "steps": {"rates_per_s": [50, 0, 1_000], "step_s": 0.5},
    "ebb": {"swing": 1, "period_s": 3},
}


def offsets_of(name: str, *, count: int, rate_per_s: float, seed: int) -> list[float]:
    """Draw with the rate that these arrivals may have."""
    rate_per_s = rate_per_s if ARRIVALS[name].has_rate else 0.0
    return list(draw(name, count=count, rate_per_s=rate_per_s, seed=seed, shape=SHAPES.get(name)))


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


@pytest.mark.parametrize("name", [name for name, way in ARRIVALS.items() if way.is_random])
def test_seeds_draw_different_arrivals(name: str) -> None:
    """The seed matters where chance does."""
    first = offsets_of(name, count=10, rate_per_s=1.0, seed=1)

    assert first != offsets_of(name, count=10, rate_per_s=1.0, seed=2)


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(["poisson", "ramp", "steps", "ebb"]),
    rate_per_s=st.floats(min_value=1.0, max_value=1_000.0),
    seed=SEEDS,
)
def test_the_last_job_comes_when_the_mean_says(name: str, rate_per_s: float, seed: int) -> None:
    """The jobs due by the last offset are gamma distributed: within 6 deviations of the count."""
    count = 2_000
    way = ARRIVALS[name]
    rate_per_s = rate_per_s if way.has_rate else 0.0
    made = schedule(name, count=count, rate_per_s=rate_per_s, shape=SHAPES.get(name))

    last_s = made.draw(seed)[-1]

    assert way.curve is not None
    due = way.curve(made.rate_per_s, made.shape).jobs(last_s)
    assert abs(due - count) < 6 * math.sqrt(count)


def per_s_within(offsets_s: Sequence[float], *, from_s: float, to_s: float) -> float:
    """The arrivals between two moments, per second."""
    return (bisect_left(offsets_s, to_s) - bisect_left(offsets_s, from_s)) / (to_s - from_s)


@pytest.mark.parametrize(("from_s", "per_s"), [(0, 60), (45, 150), (90, 240), (105, 250)])
def test_a_ramp_has_its_rate_at_each_moment(from_s: float, per_s: float) -> None:
    """From 50 to 250 a second in 100 s, and on: within 4 deviations of the line, each 10 s."""
    shape = {"to_rate_per_s": 250, "over_s": 100}

    offsets_s = draw("ramp", count=20_000, rate_per_s=50, seed=5, shape=shape)

    found = per_s_within(offsets_s, from_s=from_s, to_s=from_s + 10)
    assert found == pytest.approx(per_s, abs=4 * math.sqrt(per_s / 10))


@pytest.mark.parametrize(("from_s", "per_s"), [(0, 50), (20, 0), (40, 400), (60, 100), (80, 100)])
def test_steps_have_their_rates_and_the_last_goes_on(from_s: float, per_s: float) -> None:
    """20 s at 50, a pause, 400, then 100 a second: within 4 deviations, and nothing in a pause."""
    shape = {"rates_per_s": [50, 0, 400, 100], "step_s": 20}

    offsets_s = draw("steps", count=14_000, rate_per_s=0.0, seed=5, shape=shape)

    found = per_s_within(offsets_s, from_s=from_s, to_s=from_s + 20)
    assert found == pytest.approx(per_s, abs=4 * math.sqrt(per_s / 20))


def test_an_ebb_swings_and_keeps_its_mean() -> None:
    """At 200/s ± 0.8: the high quarter of each tide has the sine's mean there, the low one too."""
    offsets_s = draw(
        "ebb", count=60_000, rate_per_s=200.0, seed=5, shape={"swing": 0.8, "period_s": 40}
    )
    away = 0.8 * math.sin(math.pi / 4) / (math.pi / 4)

    highs = [per_s_within(offsets_s, from_s=40 * n + 5, to_s=40 * n + 15) for n in range(7)]
    lows = [per_s_within(offsets_s, from_s=40 * n + 25, to_s=40 * n + 35) for n in range(7)]

    assert statistics.fmean(highs) == pytest.approx(200 * (1 + away), rel=0.03)
    assert statistics.fmean(lows) == pytest.approx(200 * (1 - away), rel=0.05)
    assert per_s_within(offsets_s, from_s=0, to_s=280) == pytest.approx(200, rel=0.02)


def test_a_tide_that_ebbs_to_nothing_still_has_its_moments() -> None:
    """At a swing of 1 the rate touches 0, where a careless root finder would leap away."""
    offsets_s = draw(
        "ebb", count=50_000, rate_per_s=1_000, seed=3, shape={"swing": 1, "period_s": 10}
    )

    assert per_s_within(offsets_s, from_s=7.4, to_s=7.6) < 10
    assert list(offsets_s) == sorted(offsets_s)


@pytest.mark.parametrize(
    ("name", "rate_per_s", "shape", "count", "span_s"),
    [
        ("ramp", 50, {"to_rate_per_s": 200, "over_s": 30}, 3_750, 30),
        ("ramp", 0, {"to_rate_per_s": 10, "over_s": 4}, 20, 4),
        ("steps", 0, {"rates_per_s": [5, 0, 10], "step_s": 2}, 30, 6),
        ("ebb", 8, {"period_s": 5}, 40, 5),
    ],
)
def test_count_and_span_follow_from_each_other(
    name: str, rate_per_s: float, shape: dict[str, Any], count: int, span_s: float
) -> None:
    """The shape once has as many jobs as are due in it; so many jobs take as long as it."""
    by_span = schedule(name, rate_per_s=rate_per_s, shape=shape)
    without = {key: value for key, value in shape.items() if key != ARRIVALS[name].span}
    by_count = schedule(name, count=count, rate_per_s=rate_per_s, shape=without)

    assert by_span == by_count
    assert by_span.count == count
    assert by_count.span_s == pytest.approx(span_s)
    assert by_count.mean_per_s == pytest.approx(count / span_s)


def test_jobs_beyond_a_shape_go_on_at_its_last_rate() -> None:
    """A warm-up ramp of 2 s, then 100 a second until the count is reached."""
    made = schedule("ramp", count=1_100, shape={"to_rate_per_s": 100, "over_s": 2})

    assert made.span_s == pytest.approx(2 + 1_000 / 100)


@settings(deadline=None)
@given(name=NAMES, count=COUNTS, rate_per_s=RATES_PER_S)
def test_a_schedule_and_its_table_are_the_same(name: str, count: int, rate_per_s: float) -> None:
    """What stands in a manifest, or a file, makes the same draw again."""
    rate_per_s = rate_per_s if ARRIVALS[name].has_rate else 0.0
    made = schedule(name, count=count, rate_per_s=rate_per_s, shape=SHAPES.get(name))

    assert read_schedule(made.as_table()) == made


def test_a_table_of_toml_is_read() -> None:
    """The form that an experiment has."""
    text = 'arrivals = { how = "steps", rates_per_s = [50, 100, 200], step_s = 5 }'

    made = read_schedule(tomllib.loads(text)["arrivals"])

    assert (made.count, made.span_s) == (1_750, 15.0)
    assert str(made) == "50, 100, 200/s for 5 s each, steps"


def test_a_tables_faults_name_its_keys() -> None:
    """All at once, by the words of the file, whatever the types in it."""
    table = {"how": "ramp", "count": "x", "rate_per_s": True, "to_rate_per_s": [1], "over": 3}

    with pytest.raises(UsageError) as caught:
        read_schedule(table)

    assert [fault.where for fault in caught.value.faults] == [
        *("count", "rate_per_s", "over", "to_rate_per_s"),
    ]
    assert "did you mean over_s?" in str(caught.value)


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
        ("ramp", 10, 1.0, "to_rate_per_s: missing for ramp arrivals"),
        ("steps", 10, 0.0, "rates_per_s: missing for steps arrivals"),
        ("ebb", 10, 0.0, "rate: missing for ebb arrivals"),
        ("ebb", 10, 5e-324, "a day is the limit"),
    ],
)
def test_impossible_arrivals_are_refused(
    arrivals: str, count: int, rate_per_s: float, said: str
) -> None:
    """Each fault says what was seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        draw(arrivals, count=count, rate_per_s=rate_per_s, seed=1)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("ramp", {"to_rate_per_s": 0}, "to_rate_per_s: out of bounds: 0; it takes 0.001 to"),
        ("ramp", {"to_rate_per_s": "x"}, "to_rate_per_s: no number: x"),
        ("ramp", {"to_rate_per_s": 5, "over_s": 1e9}, "over_s: out of bounds: 1e+09"),
        ("ramp", {"to_rate_per_s": 5, "swing": 1}, "swing: ramp arrivals have none; leave it out"),
        ("steps", {"rates_per_s": []}, "rates_per_s: no list of 1 to 1000 numbers"),
        ("steps", {"rates_per_s": "50"}, "rates_per_s: no list of 1 to 1000 numbers: 50"),
        ("steps", {"rates_per_s": [5, -1, 5]}, "rates_per_s: out of bounds: -1"),
        ("steps", {"rates_per_s": [5, math.nan, 5]}, "rates_per_s: out of bounds: nan"),
        ("steps", {"rates_per_s": [5, 0]}, "a pause at the edge, not between two steps: 5, 0"),
        ("steps", {"rates_per_s": [0, 5]}, "a pause at the edge"),
        ("steps", {"rates_per_s": [1e6], "step_s": 60}, "too many jobs due: 60000000"),
        ("ebb", {"swing": 1.5}, "swing: out of bounds: 1.5; it takes 0 to 1"),
        ("ebb", {}, "count: missing for ebb arrivals; give it, or period_s"),
        ("constant", {}, "count: missing for constant arrivals; give the number of jobs"),
        (
            "constant",
            {"over_s": 3},
            "over_s: constant arrivals have none; leave it out, or take ramp",
        ),
    ],
)
def test_impossible_shapes_are_refused(name: str, shape: dict[str, Any], said: str) -> None:
    """One fault, that says what was seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        schedule(name, rate_per_s=2.0 if ARRIVALS[name].has_rate else 0.0, shape=shape)

    assert len(caught.value.faults) == 1
    assert said in str(caught.value)


def test_all_faults_come_at_once() -> None:
    """Three mistakes make three faults, not one after the other."""
    faults = check("brust", count=-1, rate_per_s=-1.0)

    assert [fault.where for fault in faults] == ["arrivals", "count", "rate"]
