"""Axes: where values lie, and which ticks are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.scales import (
    Axis,
    from_zero,
    linear_ticks,
    log_ticks,
    logarithmic,
    reaching,
    round_up,
    seconds,
    short,
    to_round,
)


def test_values_lie_where_the_axis_says() -> None:
    """Ends at the ends, the middle in the middle: of values or of their logarithms."""
    linear = Axis(title="", low=0.0, high=10.0, show=short).on(100, end=200)
    log = Axis(title="", low=1.0, high=100.0, show=short, is_log=True).on(100, end=200)

    assert [linear.place(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert [log.place(value) for value in (1, 10, 100)] == pytest.approx([100, 150, 200])


def test_an_upright_axis_runs_the_other_way() -> None:
    """Pixels grow downwards, values upwards."""
    up = Axis(title="", low=0.0, high=10.0, show=short).on(200, end=100)

    assert up.place(10) < up.place(0)


def test_what_is_beyond_the_axis_stays_at_its_end() -> None:
    """A lag of 0 on a logarithmic axis is drawn, at the left."""
    log = Axis(title="", low=1.0, high=100.0, show=short, is_log=True).on(0, end=100)

    assert log.place(0.0) == 0
    assert log.place(1e6) == 100


@settings(deadline=None)
@given(
    low=st.floats(0, 1e6, allow_subnormal=False),
    reach=st.floats(1e-6, 1e6),
    most=st.floats(1, 30),
)
def test_linear_ticks_are_round_within_and_not_too_many(
    low: float, reach: float, most: float
) -> None:
    """Multiples of one step, no more than asked for and one."""
    high = low + reach
    if high - low < 1e-9 * high:
        return
    ticks = linear_ticks(low, high=high, most=most)

    assert len(ticks) <= most + 1.01
    slack = 1e-6 * (high - low) + 1e-9 * high
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert ticks == sorted(ticks)


@settings(deadline=None)
@given(low=st.floats(1e-6, 1e3), reach=st.floats(1.01, 1e9), most=st.floats(2, 30))
def test_log_ticks_lie_within_ascending(low: float, reach: float, most: float) -> None:
    """Never outside, never twice."""
    ticks = log_ticks(low, high=low * reach, most=most)

    assert all(low * 0.99 <= tick <= low * reach * 1.01 for tick in ticks)
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (1.0, 1_000.0, 4, [1, 10, 100, 1_000]),
        (1.0, 100.0, 8, [1, 2, 5, 10, 20, 50, 100]),
        (1e-6, 1e3, 5, [1e-6, 1e-4, 1e-2, 1, 100]),
        (0.1, 0.12, 4, [0.1, 0.105, 0.11, 0.115, 0.12]),
    ],
)
def test_log_ticks_are_as_fine_as_there_is_room(
    low: float, high: float, most: float, ticks: list[float]
) -> None:
    """Powers of ten, or 1-2-5, or every other power; within a narrow range, even steps."""
    assert log_ticks(low, high=high, most=most) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "up"), [(1.0, 1.0), (1.1, 2.0), (3, 5.0), (0.06, 0.1), (7e5, 1e6)]
)
def test_a_step_is_rounded_up(value: float, up: float) -> None:
    """To 1, 2 or 5 × a power of ten."""
    assert round_up(value) == pytest.approx(up)


def test_axes_fit_their_values() -> None:
    """From 0 to above the largest; to a round end; around all on a logarithmic axis."""
    assert from_zero([1.0, None, 100.0], title="").high > 100
    assert to_round([1.0, None, 320.0], title="").high == pytest.approx(400)
    axis = logarithmic([0.0, None, 2.0, 8.0], title="")
    assert axis.low < 2
    assert axis.high > 8


def test_axes_without_values_are_axes() -> None:
    """An empty run is drawn too."""
    for axis in (
        from_zero([], title=""),
        to_round([None], title=""),
        logarithmic([], title=""),
        reaching([], title=""),
        reaching([4.0], title=""),
    ):
        assert axis.low < axis.high
        assert axis.on(0, end=300).ticks()


def test_an_axis_is_logarithmic_where_its_ends_lie_far_apart() -> None:
    """And says so."""
    assert reaching([1.0, 32.0], title="slots").title == "slots (logarithmic)"
    assert not reaching([1.0, 4.0], title="slots").is_log
    assert not reaching([0.0, 1.0], title="share").is_log


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (20, "20"), (1_500, "1.5k"), (2e6, "2M"), (0, "0")]
)
def test_ticks_are_short(value: float, text: str) -> None:
    """Thousands and millions by their letter."""
    assert short(value) == text


@pytest.mark.parametrize(
    ("value_s", "text"), [(2, "2 s"), (0.05, "50 ms"), (3e-4, "300 µs"), (0, "0 s")]
)
def test_seconds_have_the_unit_that_reads_best(value_s: float, text: str) -> None:
    """Seconds, milliseconds, microseconds."""
    assert seconds(value_s) == text
