"""Questions of several comparisons: a claim's direction, its interval, and how often it errs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.statistics.block_model import Estimate, fit_blocks
from report.statistics.ratios import Ratio
from report.statistics.significance import (
    POWER,
    Finding,
    Why,
    compare_all,
    compare_planned,
    compare_planned_figures,
    detectable_difference,
    find_best,
    holm,
)
from tests.summaries import known

P_VALUES = st.dictionaries(st.integers(), st.floats(min_value=0, max_value=1), max_size=12)


def estimates(**log_means: float) -> dict[str, Estimate]:
    """Contenders with these means and an error of 1 % each."""
    return {
        name: Estimate(log_mean=log_mean, squared_error=0.01**2, freedom=4, blocks=5)
        for name, log_mean in log_means.items()
    }


def drawn(
    rng: np.random.Generator, *, means: Mapping[str, float], noise: float = 0.05, blocks: int = 5
) -> dict[str, Estimate]:
    """What a run finds of contenders with these true means."""
    common = rng.normal(0, 0.05, blocks)
    return fit_blocks(
        {
            name: dict(enumerate(np.exp(mean + common + rng.normal(0, noise, blocks)).tolist()))
            for name, mean in means.items()
        }
    )


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


def test_a_claim_has_its_direction_and_an_interval_that_agrees() -> None:
    """More, less and no difference, each beside the baseline; the interval leaves out 1 or not."""
    found = compare_planned(
        estimates(up=0.7, down=-0.7, same=0.01, solo=0.0),
        pairs=[("up", "solo"), ("down", "solo"), ("same", "solo")],
    )

    shown = {ours: one.decision.finding for (ours, _), one in found.items()}
    assert shown == {"up": Finding.MORE, "down": Finding.LESS, "same": Finding.NO_DIFFERENCE}
    assert found["up", "solo"].ratio.low > 1
    assert found["down", "solo"].ratio.high < 1
    same = found["same", "solo"]
    assert same.ratio.low < 1 < same.ratio.high
    assert same.decision.why is Why.INTERVAL


def test_the_error_of_a_pair_is_welchs() -> None:
    """0.01² + 0.01², and 8 degrees of freedom where both are equally noisy."""
    ratio = compare_planned(estimates(a=0.1, b=0.0), pairs=[("a", "b")])["a", "b"].ratio

    assert ratio.log_error == pytest.approx(math.sqrt(2) * 0.01)
    assert ratio.freedom == pytest.approx(8)
    assert ratio.value == pytest.approx(math.exp(0.1))
    # Student's t of 95 % at 8 degrees of freedom
    assert math.log(ratio.high / ratio.value) == pytest.approx(
        2.306 * math.sqrt(2) * 0.01, rel=1e-3
    )


def test_those_proved_behind_leave_and_the_rest_is_judged_anew() -> None:
    """A lead that is no difference among four is one between the last two.

    Its interval keeps the width of all comparisons made, and ends at 1.
    """
    close = {"a": 0.0, "b": -0.0345}
    alone = find_best(estimates(**close), among=close)["a", "b"]
    behind = estimates(**close, c=-2.0, d=-2.0)

    found = find_best(behind, among=behind)
    one_step = compare_all(behind)["a", "b"]

    assert one_step.decision.finding is Finding.NO_DIFFERENCE
    assert found["a", "b"].decision.finding is alone.decision.finding is Finding.MORE
    assert found["a", "b"].ratio.low == 1.0
    assert alone.ratio.low > 1.0
    assert found["a", "b"].decision.detectable == alone.decision.detectable
    assert [theirs for _, theirs in found] == ["b", "c", "d"]


def test_an_unasked_question_claims_nothing() -> None:
    """Where no contender differs from the baseline, none is proved the best of the others."""
    found = find_best(estimates(a=1.0, b=0.0), among="ab", is_asked=False)["a", "b"]

    assert (found.decision.finding, found.decision.why) == (Finding.NO_DIFFERENCE, Why.UNASKED)
    assert found.decision.detectable is None, "it depends on the question before"
    assert found.ratio.low > 1


def test_equal_contenders_rarely_show_a_difference() -> None:
    """Of runs that compare six equals with a seventh, 95 of 100 find nothing at all."""
    rng = np.random.default_rng(3)
    runs, names = 600, "abcdefg"
    pairs = [(name, "g") for name in names[:-1]]
    claims = alone = 0
    for _ in range(runs):
        found = drawn(rng, means=dict.fromkeys(names, 0.0))
        claims += any(
            one.decision.is_difference for one in compare_planned(found, pairs=pairs).values()
        )
        alone += any(
            one.decision.is_difference
            for pair in pairs
            for one in compare_planned(found, pairs=[pair]).values()
        )

    assert claims / runs <= 0.07
    assert alone / runs >= 0.12


def test_a_detectable_difference_is_found_as_often_as_promised() -> None:
    """Where the truth is as large as what could be detected, four runs of five detect it."""
    rng = np.random.default_rng(4)
    runs, blocks, noise = 1_000, 7, 0.04
    error = noise * math.sqrt(2 / blocks)
    ideal = Ratio(value=1, low=0.9, high=1.1, blocks=blocks, log_error=error, freedom=blocks - 1)
    true = math.log1p(known(detectable_difference(ideal, critical=2.447)))

    seen = 0
    for _ in range(runs):
        found = drawn(rng, means={"a": true, "b": 0.0}, noise=noise, blocks=blocks)
        answer = compare_planned(found, pairs=[("a", "b")])["a", "b"]
        seen += answer.decision.finding is Finding.MORE

    assert seen / runs == pytest.approx(POWER, abs=0.05)


def test_too_few_blocks_decide_nothing_and_count_for_nothing() -> None:
    """Their comparison has the range, and is no member of the question."""
    figures = {
        "few": {0: 2.0, 1: 2.2},
        "many": dict(enumerate((1.01, 1.04, 1.005, 1.05, 1.02))),
        "solo": dict.fromkeys(range(5), 1.0),
    }

    found = compare_planned_figures(figures, pairs=[("few", "solo"), ("many", "solo")])
    alone = compare_planned_figures(figures, pairs=[("many", "solo")])

    few = found["few", "solo"]
    assert few.decision.finding is Finding.TOO_FEW
    assert few.decision.detectable is None
    assert (few.ratio.low, few.ratio.high) == pytest.approx((2.0, 2.2))
    assert found["many", "solo"] == alone["many", "solo"]


def test_contenders_without_noise_are_judged_by_their_figures() -> None:
    """An error of 0 is no division by 0: equal is equal, and anything else differs."""
    exact = {name: dict.fromkeys(range(5), value) for name, value in (("a", 2.0), ("b", 2.0))}
    exact["c"] = dict.fromkeys(range(5), 1.0)

    found = compare_planned_figures(exact, pairs=[("a", "b"), ("a", "c")])

    assert found["a", "b"].decision.finding is Finding.NO_DIFFERENCE
    assert found["a", "c"].decision.finding is Finding.MORE


@pytest.mark.parametrize(("contenders", "blocks"), [(4, 7), (5, 10), (7, 10)])
def test_the_same_figures_are_no_difference(contenders: int, blocks: int) -> None:
    """What rounding leaves of an error and of a difference is nothing."""
    names = "abcdefg"[:contenders]
    figures = {name: {block: 3_000.1 + block for block in range(blocks)} for name in names}

    found = compare_planned_figures(figures, pairs=[(name, "a") for name in names[1:]])

    assert {one.decision.finding for one in found.values()} == {Finding.NO_DIFFERENCE}
    assert {one.decision.detectable for one in found.values()} == {None}
