"""The simulation behind the analysis, in a short form: `python -m benchmarks.coverage` is whole."""

from __future__ import annotations

import pytest

from benchmarks.coverage import NOISES, simulate

#: A share of 5 % is known to ± 4.4 % (two standard deviations); the worst of five is compared.
RUNS = 100
LARGEST = 0.12


@pytest.mark.parametrize("noise", NOISES)
def test_questions_err_as_rarely_as_promised(noise: str) -> None:
    """Equal, partly tied and spread contenders, with every kind of noise."""
    line = simulate(noise, contenders=7, blocks=7, runs=RUNS)

    assert max(line.false) <= LARGEST
    assert max(line.missed) <= LARGEST
    assert line.power[-1] >= 0.9


def test_more_is_detected_than_before() -> None:
    """Ten contenders whose repetitions spread by 14 %, five repetitions: a lead of 74 %."""
    line = simulate("equal 14 %", contenders=10, blocks=5, runs=RUNS)

    assert line.power[-1] > 0.7
    assert line.power_before[-1] < 0.5
