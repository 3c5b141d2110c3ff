"""The scalability law: known terms are found again, and where there is nothing, that is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.statistics.scalability import MAX_EXTRAPOLATION, Scaling, fit_scaling
from tests.summaries import known

SIZES = (1, 2, 4, 8, 16, 32)
SIGMAS = st.floats(min_value=0.0, max_value=0.6)
KAPPAS = st.floats(min_value=1e-3, max_value=0.03)
ONES_PER_S = st.floats(min_value=0.1, max_value=1e4)
SEEDS = st.integers(min_value=0, max_value=2**32)


def sweep(
    *,
    one_slot_per_s: float = 100.0,
    sigma: float = 0.05,
    kappa: float = 0.002,
    blocks: int = 5,
    noise: float = 0.0,
    seed: int = 1,
    sizes: tuple[int, ...] = SIZES,
) -> dict[int, dict[int, float]]:
    """Figures that follow the law, on a machine that is up to half as fast in some blocks."""
    rng = np.random.default_rng(seed)
    machine = np.exp(rng.uniform(-0.3, 0.3, blocks)) if noise else np.ones(blocks)
    return {
        size: {
            block: float(
                machine[block]
                * math.exp(rng.normal(0, noise))
                * one_slot_per_s
                * size
                / (1 + sigma * (size - 1) + kappa * size * (size - 1))
            )
            for block in range(blocks)
        }
        for size in sizes
    }


def fitted(per_s: dict[int, dict[int, float]]) -> Scaling:
    """The law of figures that have one."""
    found = fit_scaling(per_s)
    assert isinstance(found, Scaling), found
    return found


@given(one_slot_per_s=ONES_PER_S, sigma=SIGMAS, kappa=KAPPAS)
def test_exact_figures_give_their_terms_back(
    one_slot_per_s: float, sigma: float, kappa: float
) -> None:
    """Without noise the fit is the law that made the figures."""
    found = fitted(sweep(one_slot_per_s=one_slot_per_s, sigma=sigma, kappa=kappa))

    assert found.one_slot_per_s.value == pytest.approx(one_slot_per_s, rel=1e-6)
    assert found.sigma.value == pytest.approx(sigma, abs=1e-6)
    assert found.kappa.value == pytest.approx(kappa, rel=1e-5)
    assert found.misfit < 1e-6


@settings(max_examples=40, deadline=None)
@given(sigma=SIGMAS, kappa=KAPPAS, seed=SEEDS)
def test_noisy_figures_give_them_nearly(sigma: float, kappa: float, seed: int) -> None:
    """With 2 % of noise and a machine that changes: near, and the curve is nearer still."""
    found = fitted(sweep(sigma=sigma, kappa=kappa, noise=0.02, blocks=7, seed=seed))

    assert found.sigma.value == pytest.approx(sigma, abs=0.05 + 0.1 * sigma)
    assert found.kappa.value == pytest.approx(kappa, abs=0.001 + 0.15 * kappa)
    assert found.misfit < 0.06


@pytest.mark.parametrize("blocks", [5, 7, 10])
def test_intervals_hold_the_truth_as_often_as_they_say(blocks: int) -> None:
    """About 95 of 100 for each term and for the peak."""
    held = dict.fromkeys(("sigma", "kappa", "peak"), 0)
    for seed in range(200):
        found = fitted(sweep(sigma=0.2, kappa=0.005, noise=0.03, blocks=blocks, seed=seed))
        true = {"sigma": 0.2, "kappa": 0.005, "peak": math.sqrt(0.8 / 0.005)}
        for name, value in true.items():
            estimate = getattr(found, name)
            held[name] += (estimate.low or 0) <= value <= (estimate.high or math.inf)

    assert all(0.90 <= count / 200 <= 0.995 for count in held.values()), held


@pytest.mark.parametrize(
    ("sigma", "peak"), [(0.1, math.sqrt(0.9 / 0.01)), (1.2, 1.0)], ids=["within", "at-one-slot"]
)
def test_a_peak_is_where_the_law_says(sigma: float, peak: float) -> None:
    """√((1 - sigma) / kappa), or one slot; both of its sides do less."""
    found = fitted(sweep(sigma=sigma, kappa=0.01, noise=0.001))
    slots = known(found.peak).value

    assert found.no_peak == ""
    assert slots == pytest.approx(peak, rel=0.05)
    top = known(found.per_s(slots))
    assert all((found.per_s(other) or 0) < top for other in (1, 5, 15, 32) if other != slots)


@given(sigma=SIGMAS, one_slot_per_s=ONES_PER_S)
def test_without_coherency_there_is_no_peak(sigma: float, one_slot_per_s: float) -> None:
    """More slots never do less, so no number of slots is best."""
    found = fitted(sweep(one_slot_per_s=one_slot_per_s, sigma=sigma, kappa=0.0))

    assert found.kappa.value == pytest.approx(0, abs=1e-9)
    assert found.peak is None
    assert found.no_peak


def test_noise_alone_makes_a_peak_in_few_runs() -> None:
    """Without coherency and with 3 % of noise, at most one run in twenty shows one."""
    found = [fitted(sweep(sigma=0.1, kappa=0.0, noise=0.03, seed=seed)) for seed in range(200)]

    assert sum(one.peak is not None for one in found) <= 10
    assert any("includes 0" in one.no_peak for one in found)


def test_nothing_is_said_past_twice_the_data() -> None:
    """A peak at 100 slots is not claimed from 32, and neither is a figure."""
    found = fitted(sweep(sigma=0.0, kappa=1e-4))

    assert found.peak is None
    assert "factor of 2" in found.no_peak
    assert found.per_s(32 * MAX_EXTRAPOLATION) is not None
    assert found.per_s(32 * MAX_EXTRAPOLATION + 1) is None
    assert found.per_s(0.4) is None


def test_too_few_blocks_have_no_interval() -> None:
    """Three blocks: the curve, and nothing claimed."""
    found = fitted(sweep(blocks=3, noise=0.02))

    assert (found.sigma.low, found.sigma.high) == (None, None)
    assert found.blocks == 3


def test_blocks_that_lack_a_size_are_left_out() -> None:
    """A slow block that lost its largest size must not lift the others."""
    per_s = sweep(blocks=6)
    for size in SIZES:
        per_s[size][5] /= 2
    del per_s[32][5]

    found = fitted(per_s)

    assert found.blocks == 5
    assert found.one_slot_per_s.value == pytest.approx(100)


@pytest.mark.parametrize(
    ("per_s", "said"),
    [
        ({}, "0 sizes were measured, and the law needs 4"),
        (sweep(sizes=(1, 2, 4)), "3 sizes were measured"),
        (sweep(sizes=(8, 10, 12, 14)), "the sizes range from 8 to 14 slots"),
        (sweep(sizes=(0, 1, 2, 4)), "a size of 0 slots is invalid"),
        ({size: {size: 1.0} for size in SIZES}, "no repetition has a figure at every size"),
        ({size: {} for size in SIZES}, "no repetition has a figure at every size"),
        (sweep() | {8: dict.fromkeys(range(5), 0.0)}, "not above 0"),
        (sweep() | {8: dict.fromkeys(range(5), math.nan)}, "not above 0"),
        ({size: {0: size**2.0} for size in SIZES}, "the law doesn't fit: it is off by"),
        (
            {size: {0: 1.0 + 50 * (size == 4)} for size in SIZES},
            "gives no throughput for one slot",
        ),
    ],
)
def test_figures_without_a_law_say_why(per_s: dict[int, dict[int, float]], said: str) -> None:
    """A clear reason instead of a number."""
    found = fit_scaling(per_s)

    assert isinstance(found, str)
    assert said in found
