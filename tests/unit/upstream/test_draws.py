"""Delays with a tail, and the meter of what a request costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

import pytest

from poolbench.jobs import JOB_KINDS, ideal_wait_s
from upstream.cost_meter import WINDOW_REQUESTS, WINDOW_S, CostMeter
from upstream.draws import STRATA, Draw, draw


def draws(*, tail_sigma: float = 0.0, failure_share: float = 0.0, seed: int = 1) -> Iterator[Draw]:
    """Return draws around a median of 0.1 s."""
    return draw(median_s=0.1, tail_sigma=tail_sigma, failure_share=failure_share, seed=seed)


def delays_s(source: Iterator[Draw], *, count: int) -> list[float]:
    """Return the next delays."""
    return [next(source).delay_s for _ in range(count)]


def test_without_a_tail_every_delay_is_the_median() -> None:
    """Sigma 0 is a fixed delay."""
    assert set(delays_s(draws(), count=250)) == {0.1}


def test_a_seed_decides_the_order() -> None:
    """The same seed draws the same again; another seed another order."""
    first, again, other = (
        delays_s(draws(tail_sigma=1, seed=seed), count=300) for seed in (4, 4, 5)
    )

    assert first == again
    assert first != other
    assert sorted(first) != sorted(other)


@pytest.mark.parametrize("tail_sigma", [0.5, 1.0])
def test_the_tail_is_lognormal(tail_sigma: float) -> None:
    """Logarithms around that of the median, with the deviation asked for."""
    logs = [math.log(delay_s) for delay_s in delays_s(draws(tail_sigma=tail_sigma), count=5_000)]

    assert statistics.fmean(logs) == pytest.approx(math.log(0.1), abs=0.01)
    assert statistics.stdev(logs) == pytest.approx(tail_sigma, rel=0.02)


def test_the_mean_of_the_tail_is_what_the_ceiling_counts_with() -> None:
    """`ideal_wait_s` knows the mean of the delays that upstream draws."""
    mean_s = statistics.fmean(delays_s(draws(tail_sigma=1.0), count=20_000))
    parameters = {"delay_ms": 100.0, "size_bytes": 1, "tail_sigma": 1.0}

    assert ideal_wait_s(JOB_KINDS["io.http"], parameters) == pytest.approx(mean_s, rel=0.03)


def test_every_hundred_draws_are_nearly_the_same_work() -> None:
    """No trial gets a luckier stretch of the tail than the next."""
    source = draws(tail_sigma=1.0)
    medians_s = [statistics.median(delays_s(source, count=STRATA)) for _ in range(30)]

    assert max(medians_s) / min(medians_s) < 1.1


@pytest.mark.parametrize(
    ("cpu_s", "took_s", "ceiling_per_s"),
    [(WINDOW_REQUESTS * 0.00025, 1.0, 4_000), (1.0, WINDOW_S + 1, None)],
    ids=["busy", "idle"],
)
def test_a_ceiling_is_one_by_the_cpu_time_of_a_request(
    cpu_s: float, took_s: float, ceiling_per_s: float | None
) -> None:
    """A quarter of a millisecond each: 4,000 a second; whoever waited was idle, not slow."""
    meter = CostMeter(cpu_s=iter([1.0, 1.0 + cpu_s]).__next__, now_s=iter([0.0, took_s]).__next__)

    for _ in range(WINDOW_REQUESTS):
        meter.count()

    assert meter.requests == WINDOW_REQUESTS
    assert meter.ceiling_per_s == (pytest.approx(ceiling_per_s) if ceiling_per_s else None)
