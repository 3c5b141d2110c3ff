"""Due times: pure, sorted, from 0, and the same for the same seed."""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from poolbench.errors import UsageError
from producer.arrivals import (
    ARRIVALS,
    MAX_COUNT,
    MAX_RATE_PER_S,
    Constant,
    Ebb,
    Poisson,
    Ramp,
    Schedule,
    Steps,
    read_schedule,
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

PER_S = st.floats(min_value=0.01, max_value=1e4)
SPANS_S = st.floats(min_value=0.01, max_value=1e4)
RAMPS = st.builds(Ramp, rate_per_s=st.just(0.0) | PER_S, to_rate_per_s=PER_S, over_s=SPANS_S)
STEPS = st.builds(
    lambda first, between, last, step_s: Steps(rates_per_s=[first, *between, last], step_s=step_s),
    *(PER_S, st.lists(st.just(0.0) | PER_S, max_size=5), PER_S, SPANS_S),
)
EBBS = st.builds(
    Ebb, rate_per_s=PER_S, swing=st.floats(min_value=0.0, max_value=1.0), period_s=SPANS_S
)
CHANGING: st.SearchStrategy[Schedule] = st.one_of(RAMPS, STEPS, EBBS)


def table_of(name: str, *, count: int, rate_per_s: float) -> dict[str, Any]:
    """Return a table with the rate that these arrivals may have."""
    rate = {"rate_per_s": rate_per_s} if "rate_per_s" in ARRIVALS[name].model_fields else {}
    return {"how": name, "count": count, **rate, **SHAPES.get(name, {})}


def offsets_of(name: str, *, count: int, rate_per_s: float, seed: int) -> list[float]:
    """Draw with the rate that these arrivals may have."""
    return list(read_schedule(table_of(name, count=count, rate_per_s=rate_per_s)).draw(seed))


def draw(how: str, *, seed: int, **table: Any) -> Sequence[float]:
    """Draw from a table."""
    return read_schedule({"how": how, **table}).draw(seed)


def due_by(schedule: Schedule, at_s: float) -> float:
    """Return how many jobs are due by a moment in the mean: the integral of the rate."""
    if isinstance(schedule, Ramp):
        within_s = min(at_s, schedule.over_s)
        slope = (schedule.to_rate_per_s - schedule.rate_per_s) / schedule.over_s
        rising = schedule.rate_per_s * within_s + slope * within_s**2 / 2
        return rising + schedule.to_rate_per_s * (at_s - within_s)
    if isinstance(schedule, Steps):
        ends_s = [schedule.step_s * (n + 1) for n in range(len(schedule.rates_per_s))]
        ends_s[-1] = math.inf
        return sum(
            rate_per_s * max(0.0, min(at_s, end_s) - schedule.step_s * n)
            for n, (rate_per_s, end_s) in enumerate(zip(schedule.rates_per_s, ends_s, strict=True))
        )
    if isinstance(schedule, Ebb):
        swung = (1 - math.cos(math.tau * at_s / schedule.period_s)) * schedule.period_s / math.tau
        return schedule.rate_per_s * (at_s + schedule.swing * swung)
    assert isinstance(schedule, Constant)
    return schedule.rate_per_s * at_s


@given(name=NAMES, count=COUNTS, more=st.just(0) | COUNTS, rate_per_s=RATES_PER_S, seed=SEEDS)
def test_a_draw_is_sorted_from_zero_and_begins_a_longer_one(
    name: str, count: int, more: int, rate_per_s: float, seed: int
) -> None:
    """A finite offset a job; drawn again, or with more jobs behind them, they are the same."""
    offsets_s = offsets_of(name, count=count, rate_per_s=rate_per_s, seed=seed)
    longer_s = offsets_of(name, count=count + more, rate_per_s=rate_per_s, seed=seed)

    assert len(offsets_s) == count
    assert offsets_s[0] == 0.0
    assert offsets_s == sorted(offsets_s)
    assert all(math.isfinite(offset_s) for offset_s in offsets_s)
    assert longer_s[:count] == offsets_s


@given(count=COUNTS)
def test_burst_is_due_at_once(count: int) -> None:
    """A burst has no rate: everything is due at 0."""
    assert set(draw("burst", count=count, seed=1)) == {0.0}


@given(count=COUNTS, rate_per_s=RATES_PER_S)
def test_constant_keeps_its_rate_exactly(count: int, rate_per_s: float) -> None:
    """No rounding adds up: the offset of job n is n over the rate."""
    offsets_s = draw("constant", count=count, rate_per_s=rate_per_s, seed=1)

    assert offsets_s[count - 1] == (count - 1) / rate_per_s


@pytest.mark.parametrize("name", [name for name, way in ARRIVALS.items() if way.is_random])
def test_seeds_draw_different_arrivals(name: str) -> None:
    """The seed matters where chance does."""
    first = offsets_of(name, count=10, rate_per_s=1.0, seed=1)

    assert first != offsets_of(name, count=10, rate_per_s=1.0, seed=2)


@given(schedule=CHANGING, jobs=st.floats(min_value=0.0, max_value=1e5))
@example(schedule=Ramp(rate_per_s=0.0, to_rate_per_s=1.0, over_s=4.0), jobs=5e-324)
def test_at_the_moment_of_so_many_jobs_so_many_are_due(schedule: Schedule, jobs: float) -> None:
    """The integral of the rate up to that moment is the number of jobs.

    An ebb's moment is found to 1e-12 of its period, here at most 2e-4 of a job.
    """
    assert due_by(schedule, schedule.moment_s(jobs)) == pytest.approx(jobs, rel=1e-6, abs=1e-3)


def test_no_moment_lies_in_a_pause() -> None:
    """What would be due in a step at rate 0 is due when the next step begins."""
    schedule = Steps(rates_per_s=[10, 0, 10], step_s=1.0)

    assert schedule.moment_s(9.999) == pytest.approx(0.9999)
    assert schedule.moment_s(10) == 2.0


@pytest.mark.parametrize(
    "schedule",
    [
        Poisson(count=2_000, rate_per_s=100),
        Ramp(count=2_000, rate_per_s=0, to_rate_per_s=80, over_s=50),
        Steps(count=2_000, rates_per_s=[10, 90], step_s=30),
        Ebb(count=2_000, rate_per_s=50, swing=1, period_s=7),
    ],
    ids=lambda schedule: schedule.how,
)
def test_rescaled_gaps_are_exponential(schedule: Schedule) -> None:
    """Each rate is kept at each moment: counted in jobs due, the gaps are a Poisson process's.

    Kolmogorov and Smirnov's test finds no difference, with a fixed seed.
    """
    due = [due_by(schedule, at_s) for at_s in schedule.draw(11)]
    gaps = [after - before for before, after in itertools.pairwise(due)]

    assert scipy_stats.kstest(gaps, "expon").pvalue > 0.05


def per_s_within(offsets_s: Sequence[float], *, from_s: float, to_s: float) -> float:
    """The arrivals between two moments, per second."""
    return (bisect_left(offsets_s, to_s) - bisect_left(offsets_s, from_s)) / (to_s - from_s)


def test_an_ebb_swings_and_keeps_its_mean() -> None:
    """At 200/s ± 0.8: the high quarter of each tide has the sine's mean there, the low one too."""
    offsets_s = draw("ebb", count=60_000, rate_per_s=200, swing=0.8, period_s=40, seed=5)
    away = 0.8 * math.sin(math.pi / 4) / (math.pi / 4)

    highs = [per_s_within(offsets_s, from_s=40 * n + 5, to_s=40 * n + 15) for n in range(7)]
    lows = [per_s_within(offsets_s, from_s=40 * n + 25, to_s=40 * n + 35) for n in range(7)]

    assert statistics.fmean(highs) == pytest.approx(200 * (1 + away), rel=0.03)
    assert statistics.fmean(lows) == pytest.approx(200 * (1 - away), rel=0.05)
    assert per_s_within(offsets_s, from_s=0, to_s=280) == pytest.approx(200, rel=0.02)


@pytest.mark.parametrize(
    ("name", "shape", "count", "span_s"),
    [
        ("ramp", {"rate_per_s": 50, "to_rate_per_s": 200, "over_s": 30}, 3_750, 30),
        ("ramp", {"to_rate_per_s": 10, "over_s": 4}, 20, 4),
        ("steps", {"rates_per_s": [5, 0, 10], "step_s": 2}, 30, 6),
        ("ebb", {"rate_per_s": 8, "period_s": 5}, 40, 5),
    ],
)
def test_count_and_span_follow_from_each_other(
    name: str, shape: dict[str, Any], count: int, span_s: float
) -> None:
    """The shape once has as many jobs as are due in it; so many jobs take as long as it."""
    by_span = read_schedule({"how": name, **shape})
    without = {key: value for key, value in shape.items() if key != ARRIVALS[name].span_key}
    by_count = read_schedule({"how": name, "count": count, **without})

    assert by_span == by_count
    assert by_span.count == count
    assert by_count.span_s == pytest.approx(span_s)
    assert by_count.mean_per_s == pytest.approx(count / span_s)


@given(name=NAMES, count=COUNTS, rate_per_s=RATES_PER_S)
def test_a_schedule_and_its_table_are_the_same(name: str, count: int, rate_per_s: float) -> None:
    """What stands in a manifest, or a file, makes the same draw again."""
    made = read_schedule(table_of(name, count=count, rate_per_s=rate_per_s))

    assert read_schedule(made.as_table()) == made


@pytest.mark.parametrize(
    ("table", "count", "span_s"),
    [
        ({"how": "poisson", "rate_per_s": 50}, 200, 4.0),
        ({"how": "constant", "rate_per_s": 0.1}, 1, 10.0),
        ({"how": "constant", "rate_per_s": 50, "count": 9}, 9, 0.18),
        ({"how": "ramp", "rate_per_s": 5, "to_rate_per_s": 9}, 28, 4.0),
        ({"how": "ramp", "rate_per_s": 5, "to_rate_per_s": 9, "over_s": 2}, 14, 2.0),
        ({"how": "ramp", "rate_per_s": 5, "to_rate_per_s": 9, "count": 7}, 7, 1.0),
        # jobs beyond the shape continue at its last rate
        ({"how": "ramp", "to_rate_per_s": 100, "over_s": 2, "count": 1_100}, 1_100, 12.0),
        ({"how": "steps", "rates_per_s": [1, 9]}, 20, 4.0),
        ({"how": "steps", "rates_per_s": [1, 9], "step_s": 1}, 10, 2.0),
        ({"how": "ebb", "rate_per_s": 10}, 40, 4.0),
        ({"how": "ebb", "rate_per_s": 10, "period_s": 2}, 40, 4.0),
        ({"how": "ebb", "rate_per_s": 10, "period_s": 8}, 80, 8.0),
    ],
)
def test_a_span_is_what_jobs_last_for_that_have_none(
    table: dict[str, Any], count: int, span_s: float
) -> None:
    """Unless the table says how many jobs come, or for how long."""
    made = read_schedule(table, span_s=4.0)

    assert made.count == count
    assert made.span_s == pytest.approx(span_s)


def test_a_tables_faults_name_its_keys() -> None:
    """All at once, by the words of the file, whatever the types in it."""
    table = {"how": "ramp", "count": "x", "rate_per_s": True, "to_rate_per_s": [1], "over": 3}

    with pytest.raises(UsageError) as caught:
        read_schedule(table)

    assert [fault.field for fault in caught.value.faults] == [
        *("count", "rate_per_s", "to_rate_per_s", "over"),
    ]
    assert "Did you mean over_s?" in str(caught.value)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("poison", {"count": 1}, "Did you mean poisson?"),
    ("burst", {}, "count is invalid: burst arrivals need it. Give the number of jobs"),
    ("burst", {"count": 0}, "count = 0 is invalid: must be at least 1 (a number of jobs)"),
    ("burst", {"count": MAX_COUNT + 1}, "at most 10,000,000"),
    ("burst", {"count": 1.5}, "count = 1.5 is invalid: must be a whole number"),
    (
        "burst",
        {"count": 1, "rate_per_s": 10},
        "burst arrivals have none. Leave it out, or",
    ),
    ("constant", {"count": 1, "rate_per_s": -1}, "rate_per_s = -1 is invalid: must be above 0"),
    (
        "constant",
        {"count": 1, "rate_per_s": math.nan},
        "rate_per_s = nan is invalid: must be a finite number",
    ),
    ("constant", {"count": 1, "rate_per_s": math.inf}, "rate_per_s = inf is invalid"),
    ("constant", {"count": 1, "rate_per_s": MAX_RATE_PER_S * 2}, "at most 1,000,000"),
    ("constant", {"count": 1, "rate_per_s": 0.0}, "rate_per_s = 0 is invalid"),
    ("constant", {"count": 1}, "rate_per_s is invalid: constant arrivals need it"),
    ("constant", {"rate_per_s": 2.0}, "count is invalid: constant arrivals need it"),
    ("constant", {"count": 1_000_000, "rate_per_s": 0.01}, "arrivals must be due within a day"),
    ("constant", {"rate_per_s": 2.0, "over_s": 3}, "Leave it out, or take ramp."),
    ("poisson", {"count": 10, "rate_per_s": 5e-324}, "arrivals must be due within a day"),
    ("ramp", {"count": 10}, "to_rate_per_s is invalid: ramp arrivals need it"),
    ("ramp", {"to_rate_per_s": 0}, "to_rate_per_s = 0 is invalid: must be at least 0.001"),
    ("ramp", {"to_rate_per_s": "x"}, "to_rate_per_s = x is invalid: must be a number"),
    ("ramp", {"to_rate_per_s": 5, "over_s": 1e9}, "over_s = 1e+09 is invalid"),
    (
        "ramp",
        {"to_rate_per_s": 5, "swing": 1},
        "swing is invalid: ramp arrivals have none. Leave",
    ),
    ("steps", {"count": 10}, "rates_per_s is invalid: steps arrivals need it"),
    ("steps", {"rates_per_s": []}, "must be a list of 1 to 1000 numbers"),
    (
        "steps",
        {"rates_per_s": "50"},
        "rates_per_s = 50 is invalid: must be a list of 1 to 1000 numbers",
    ),
    ("steps", {"rates_per_s": [5, -1, 5]}, "rates_per_s = -1 is invalid"),
    ("steps", {"rates_per_s": [5, math.nan, 5]}, "rates_per_s = nan is invalid"),
    (
        "steps",
        {"rates_per_s": [5, 0]},
        "rates_per_s = 5, 0 is invalid: must be without a pause at the edge",
    ),
    ("steps", {"rates_per_s": [0, 5]}, "a pause at the edge"),
    (
        "steps",
        {"rates_per_s": [1e6], "step_s": 60},
        "count = 60000000 is invalid: must be at most 10,000,000",
    ),
    ("ebb", {"rate_per_s": 2.0}, "count is invalid: ebb arrivals need it. Give it, or period_s"),
    ("ebb", {"rate_per_s": 2, "swing": 1.5}, "swing = 1.5 is invalid: must be at most 1"),
    ("ebb", {"count": 10, "rate_per_s": 5e-324}, "arrivals must be due within a day"),
]


@pytest.mark.parametrize(("name", "table", "text"), REFUSED)
def test_impossible_arrivals_are_refused(name: str, table: dict[str, Any], text: str) -> None:
    """One fault, which contains what was seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        read_schedule({"how": name, **table})

    assert len(caught.value.faults) == 1
    assert text in str(caught.value)
