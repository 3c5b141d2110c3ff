"""Repetitions that go one way: what makes a row `~`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from report.statistics.stability import DRIFT_LEVEL, find_drift
from tests.summaries import known


def per_block(*figures: float) -> dict[int, float]:
    """Figures of one block after the other."""
    return dict(enumerate(figures))


@pytest.mark.parametrize(
    ("figures", "is_drift"),
    [
        # a few per cent of noise are no news
        ((100, 103, 98, 101, 99), False),
        # 5 % less from block to block, nearly without noise: 19 % from first to last
        ((100, 95.5, 90, 86, 81), True),
        ((100, 100, 100, 100, 100), False),
    ],
    ids=["calm", "drift", "equal"],
)
def test_a_machine_that_gets_slower_drifts(figures: tuple[float, ...], *, is_drift: bool) -> None:
    """Blocks that agree or are equal do not."""
    assert known(find_drift(per_block(*figures))).is_drift is is_drift


def test_drift_is_a_share_of_the_blocks_that_there_are() -> None:
    """A block that was lost leaves a gap, not a step."""
    slower = known(find_drift(per_block(100, 95.5, 90, 86, 81)))
    whole = known(find_drift({block: 100 * 1.05**block for block in range(8)}))
    gapped = known(find_drift({block: 100 * 1.05**block for block in (0, 1, 4, 6, 7)}))

    assert slower.change == pytest.approx(-0.19, abs=0.01)
    assert whole.change == pytest.approx(gapped.change) == pytest.approx(1.05**7 - 1)


def test_a_certain_but_small_trend_is_no_drift() -> None:
    """1 % a block, without noise: 4 % in all stay within the bound."""
    found = known(find_drift(per_block(*(100 * 1.01**n for n in range(5)))))

    assert found.p_value < DRIFT_LEVEL
    assert not found.is_drift


def test_its_p_value_is_that_of_the_regression() -> None:
    """What scipy says of the logarithms."""
    figures = [100, 96, 97, 91, 92, 88]
    expected = scipy_stats.linregress(range(6), np.log(figures)).pvalue

    found = known(find_drift(per_block(*figures)))

    assert found.p_value == pytest.approx(expected)


def test_noise_alone_rarely_drifts() -> None:
    """At 10 % of noise, five blocks seem to drift in at most one run of a hundred."""
    rng = np.random.default_rng(5)
    runs = [find_drift(per_block(*(100 * np.exp(rng.normal(0, 0.1, 5))))) for _ in range(1_000)]

    assert sum(run is not None and run.is_drift for run in runs) / 1_000 <= 0.015


def test_too_few_blocks_have_no_trend() -> None:
    """Four points lie on some line; equal ones make no division by a spread of nothing."""
    assert find_drift(per_block(100, 90, 80, 70)) is None
    assert known(find_drift(per_block(*[100] * 5))).p_value == 1
