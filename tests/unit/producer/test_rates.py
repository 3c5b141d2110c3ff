"""Moving rates: the jobs due, the moment they are due by, and the rate agree with each other."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from producer.rates import Curve, Ebb, Flat, Ramp, Steps, rescale

PER_S = st.floats(min_value=0.01, max_value=1e4)
SPANS_S = st.floats(min_value=0.01, max_value=1e4)
SHARES = st.floats(min_value=0.0, max_value=1.0)

FLATS = st.builds(Flat, mean_per_s=PER_S)
RAMPS = st.builds(Ramp, from_per_s=st.just(0.0) | PER_S, to_per_s=PER_S, over_s=SPANS_S)
STEPS = st.builds(
    lambda first, between, last, step_s: Steps(rates_per_s=(first, *between, last), step_s=step_s),
    *(PER_S, st.lists(st.just(0.0) | PER_S, max_size=5), PER_S, SPANS_S),
)
EBBS = st.builds(Ebb, mean_per_s=PER_S, swing=SHARES, period_s=SPANS_S)
CURVES: st.SearchStrategy[Curve] = st.one_of(FLATS, RAMPS, STEPS, EBBS)


@settings(deadline=None)
@given(curve=CURVES, jobs=st.floats(min_value=0.0, max_value=1e5))
@example(curve=Ramp(from_per_s=0.0, to_per_s=1.0, over_s=4.0), jobs=5e-324)
def test_moment_and_jobs_are_inverse(curve: Curve, jobs: float) -> None:
    """At the moment by which so many jobs are due, so many are.

    An ebb's moment is found to 1e-12 of its period, here at most 2e-4 of a job.
    """
    assert curve.jobs(curve.moment_s(jobs)) == pytest.approx(jobs, rel=1e-6, abs=1e-3)


@settings(deadline=None)
@given(curve=CURVES, at_s=SPANS_S, share=st.floats(min_value=1e-3, max_value=1.0))
def test_jobs_add_up_from_the_rate(curve: Curve, at_s: float, share: float) -> None:
    """Between two moments as many are due as the rate's sum over it says, in slices."""
    until_s, slices = at_s * (1 + share), 500
    width_s = (until_s - at_s) / slices
    summed = sum(curve.rate_per_s(at_s + (n + 0.5) * width_s) for n in range(slices)) * width_s

    top = max(curve.rate_per_s(at_s + n * width_s) for n in range(slices))
    bound = 12 * top * width_s + 1e-6 * curve.jobs(until_s)
    # a tide of many periods within one slice can't be counted so
    if not isinstance(curve, Ebb) or curve.period_s > 20 * width_s:
        assert curve.jobs(until_s) - curve.jobs(at_s) == pytest.approx(summed, abs=bound)


def test_no_moment_lies_in_a_pause() -> None:
    """What would be due in a step at rate 0 is due when the next step begins."""
    curve = Steps(rates_per_s=(10, 0, 10), step_s=1.0)

    assert curve.moment_s(9.999) == pytest.approx(0.9999)
    assert curve.moment_s(10) == 2.0
    assert curve.jobs(1.5) == 10


@pytest.mark.parametrize(
    "curve",
    [
        Ramp(from_per_s=0, to_per_s=80, over_s=50),
        Steps(rates_per_s=(10, 90), step_s=30),
        Ebb(mean_per_s=50, swing=1, period_s=7),
    ],
)
def test_rescaled_gaps_are_exponential(curve: Curve) -> None:
    """The theorem the other way round: counted in jobs due, the gaps are a Poisson process's.

    Kolmogorov and Smirnov's test finds no difference, with a fixed seed.
    """
    offsets_s = rescale(curve, count=2_000, source=random.Random(11))

    due = [curve.jobs(at_s) for at_s in offsets_s]
    gaps = [after - before for before, after in itertools.pairwise(due)]

    assert scipy_stats.kstest(gaps, "expon").pvalue > 0.05
