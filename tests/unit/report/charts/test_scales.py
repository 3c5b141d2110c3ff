"""Axes: where values lie, how far they reach, and which ticks are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.charts.lanes import Lane, Layout, Mark, Panel, draw_lanes
from report.charts.scales import (
    SECONDS,
    SHORT,
    Axis,
    from_zero,
    log_ticks,
    logarithmic,
    reaching,
    to_round,
)


def test_values_lie_where_the_axis_says() -> None:
    """Ends at the ends, the middle in the middle: of values or of their logarithms."""
    linear = Axis(title="", low=0.0, high=10.0)
    log = Axis(title="", low=1.0, high=100.0, is_log=True)

    assert [linear.share(value) for value in (0, 5, 10)] == [0.0, 0.5, 1.0]
    assert [log.share(value) for value in (1, 10, 100)] == pytest.approx([0.0, 0.5, 1.0])


def test_what_is_beyond_the_axis_stays_at_its_end() -> None:
    """A lag of 0 on a logarithmic axis is drawn, at the low end."""
    log = Axis(title="", low=1.0, high=100.0, is_log=True)

    assert (log.share(0.0), log.share(1e6)) == (0.0, 1.0)


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
        (0.1, 0.12, 4, []),
    ],
)
def test_log_ticks_are_as_fine_as_there_is_room(
    low: float, high: float, most: float, ticks: list[float]
) -> None:
    """Powers of ten, or 1-2-5, or every other power; within a narrow range Vega's own."""
    assert log_ticks(low, high=high, most=most) == pytest.approx(ticks)


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


def test_an_axis_is_logarithmic_where_its_ends_lie_far_apart() -> None:
    """And says so."""
    assert reaching([1.0, 32.0], title="slots").title == "slots (logarithmic)"
    assert not reaching([1.0, 4.0], title="slots").is_log
    assert not reaching([0.0, 1.0], title="share").is_log


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis(title="", low=0.0, high=1.0, show=SHORT), ["0", "0.5", "1"]),
        (Axis(title="", low=0.0, high=4_000.0, show=SHORT), ["1k", "2k"]),
        (Axis(title="", low=1e-4, high=20.0, show=SECONDS, is_log=True), ["1 ms", "1 s", "10 s"]),
    ],
)
def test_ticks_are_short(axis: Axis, texts: list[str]) -> None:
    """Thousands by their letter; seconds in the unit that reads best."""
    lane = Lane(name="solo", shade="solo", marks=(Mark(sort="dot", at=axis.high),))
    drawn = draw_lanes([Panel(title="", lanes=(lane,))], axis=axis, layout=Layout(width=600))

    assert all(f">{text}<" in drawn for text in texts)
