"""More, less or no difference: corrected for how many are compared, and beyond the noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.statistics.ratios import Ratio
from report.statistics.significance import (
    POWER,
    Finding,
    Why,
    decide,
    detectable_difference,
    holm,
    noise_floor_of,
)
from tests.entries import ratio_of
from tests.summaries import known

P_VALUES = st.dictionaries(st.integers(), st.floats(min_value=0, max_value=1), max_size=12)


def drawn(rng: np.random.Generator, *, true: float, blocks: int, spread: float) -> Ratio:
    """The ratio that a run of so many blocks finds."""
    return ratio_of(*(true * np.exp(rng.normal(0, spread, blocks))))


def test_holm_multiplies_from_the_smallest_on() -> None:
    """The example of three: 0.01 × 3, 0.02 × 2 and 0.04, never smaller than the one before."""
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.02, "d": 1.0})

    assert adjusted == pytest.approx({"a": 0.08, "b": 0.04, "c": 0.06, "d": 1.0})


@given(P_VALUES)
def test_holm_lies_between_none_and_bonferroni(p_values: dict[int, float]) -> None:
    """No p-value shrinks, none grows beyond m times, and the order stays."""
    adjusted = holm(p_values)

    assert list(adjusted) == list(p_values)
    for key, p_value in p_values.items():
        assert p_value <= adjusted[key] <= min(1.0, len(p_values) * p_value)
    by_p = sorted(p_values, key=lambda key: p_values[key])
    assert [adjusted[key] for key in by_p] == sorted(adjusted.values())


def test_equal_contenders_rarely_show_a_difference() -> None:
    """Of runs that compare six equals with a seventh, 95 of 100 find nothing at all.

    Uncorrected, one run in six would find something.
    """
    rng = np.random.default_rng(3)
    corrected = plain = 0
    for _ in range(600):
        figures = np.exp(rng.normal(0, 0.05, (7, 5)))
        ratios = {n: ratio_of(*(figures[n] / figures[6])) for n in range(6)}
        found = decide(ratios)
        corrected += any(one.finding is not Finding.NO_DIFFERENCE for one in found.values())
        plain += any(not ratio.is_no_difference for ratio in ratios.values())

    assert corrected / 600 <= 0.07
    assert plain / 600 >= 0.12


@pytest.mark.parametrize("blocks", [5, 7, 10])
def test_a_detectable_difference_is_found_as_often_as_promised(blocks: int) -> None:
    """Where the truth is as large as what could be seen, four runs of five see it."""
    rng = np.random.default_rng(blocks)
    spread, error = 0.04, 0.04 / math.sqrt(blocks)
    ideal = Ratio(value=1, low=0.9, high=1.1, blocks=blocks, log_error=error, freedom=blocks - 1)
    true = 1 + (detectable_difference(ideal) or 0)

    seen = sum(drawn(rng, true=true, blocks=blocks, spread=spread).low > 1 for _ in range(1_000))

    assert seen / 1_000 == pytest.approx(POWER, abs=0.04)


def test_more_comparisons_see_less() -> None:
    """What could be seen grows with their number, and shrinks with the blocks."""
    five, ten = ratio_of(1.0, 1.1, 0.9, 1.05, 0.95), ratio_of(*[1.0, 1.1, 0.9, 1.05, 0.95] * 2)

    alone, longer = known(detectable_difference(five)), known(detectable_difference(ten))

    assert longer < alone < known(detectable_difference(five, comparisons=6))


def test_a_clear_difference_is_said_with_its_direction() -> None:
    """Far from 1, beyond the noise, and enough blocks."""
    found = decide({"up": ratio_of(1.9, 2, 2.1, 2, 2), "down": ratio_of(0.5, 0.52, 0.49, 0.5, 0.5)})

    assert (found["up"].finding, found["down"].finding) == (Finding.MORE, Finding.LESS)
    assert found["up"].why is Why.NOTHING


def test_what_equal_contenders_differ_by_counts_for_nothing() -> None:
    """A ratio of 1.03 with a narrow interval is none where two equals differ by 4 %."""
    faster = ratio_of(1.03, 1.031, 1.029, 1.03, 1.03)
    assert decide({"b": faster})["b"].finding is Finding.MORE

    for ratio in (faster, faster.inverse()):
        found = decide({"b": ratio}, noise_floor=0.04)["b"]
        assert (found.finding, found.why) == (Finding.NO_DIFFERENCE, Why.NOISE)
        assert found.detectable == 0.04


def test_noise_floor_is_the_far_end_of_the_equal_pairs_interval() -> None:
    """Either side counts; too few blocks tell nothing."""
    pair = ratio_of(0.97, 1.01, 0.98, 0.99, 1.0)

    assert noise_floor_of(pair) == pytest.approx(1 / pair.low - 1)
    assert noise_floor_of(pair) == pytest.approx(noise_floor_of(pair.inverse()))
    assert noise_floor_of(ratio_of(1.0, 1.1)) is None


def test_correction_alone_can_take_a_difference_back() -> None:
    """An interval just beside 1 is a difference alone, and none among eight."""
    edge = ratio_of(1.01, 1.04, 1.005, 1.05, 1.02)
    others = {n: ratio_of(0.9, 1.1, 1.0, 1.05, 0.96) for n in range(7)}

    alone, among = decide({"edge": edge})["edge"], decide({**others, "edge": edge})["edge"]

    assert alone.finding is Finding.MORE
    assert (among.finding, among.why) == (Finding.NO_DIFFERENCE, Why.CORRECTION)


def test_too_few_blocks_decide_nothing_and_count_for_nothing() -> None:
    """A comparison without a claim is no member of the family."""
    found = decide({"few": ratio_of(2.0, 2.0), "many": ratio_of(1.01, 1.04, 1.005, 1.05, 1.02)})

    assert (found["few"].finding, found["few"].p_value) == (Finding.TOO_FEW, None)
    assert found["few"].detectable is None
    assert found["many"].finding is Finding.MORE
