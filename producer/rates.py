"""Rates that move over time: how many jobs are due by a moment, and when so many are due.

Arrivals at a moving rate come by rescaling time. Let Λ(t) be the mean number of jobs due by t, and
s₁ < s₂ < … a Poisson process of rate 1; then the moments Λ⁻¹(sᵢ) are a Poisson process whose rate
is the slope of Λ (E. Çinlar, Introduction to Stochastic Processes, 1975, chapter 4, on
non-stationary Poisson processes; the "time-rescaling theorem" of E. N. Brown et al., Neural
Computation 14(2), 2002).
"""

from __future__ import annotations

import itertools
import math
import random
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: A moment of `Ebb` is found to this share of its period, far finer than a job can be sent.
_EBB_PRECISION = 1e-12


class Curve(Protocol):
    """A rate over time."""

    def rate_per_s(self, at_s: float) -> float:
        """Return the rate at a moment, jobs per second."""

    def jobs(self, by_s: float) -> float:
        """Return how many jobs are due by a moment in the mean: Λ."""

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean: Λ⁻¹."""


def rescale(curve: Curve, *, count: int, source: random.Random) -> array[float]:
    """Return when jobs that come at random at a curve's rate are due: sorted, the first at 0."""
    offsets_s, jobs, latest_s = array("d", [0.0]), 0.0, 0.0
    for _ in range(count - 1):
        jobs += source.expovariate(1.0)
        # roundings must not put a job before the one that precedes it
        latest_s = max(latest_s, curve.moment_s(jobs))
        offsets_s.append(latest_s)
    return offsets_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """One rate throughout."""

    mean_per_s: float

    def rate_per_s(self, _at_s: float) -> float:
        """Return the rate at a moment, jobs per second."""
        return self.mean_per_s

    def jobs(self, by_s: float) -> float:
        """Return how many jobs are due by a moment in the mean."""
        return self.mean_per_s * by_s

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean."""
        return jobs / self.mean_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A straight line from one rate to another, which then goes on."""

    from_per_s: float
    to_per_s: float
    over_s: float

    def rate_per_s(self, at_s: float) -> float:
        """Return the rate at a moment, jobs per second."""
        return self.from_per_s + self._slope * min(at_s, self.over_s)

    def jobs(self, by_s: float) -> float:
        """Return how many jobs are due by a moment in the mean."""
        within_s = min(by_s, self.over_s)
        rising = within_s * (self.from_per_s + self._slope * within_s / 2)
        return rising + self.to_per_s * (by_s - within_s)

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean."""
        whole = self.jobs(self.over_s)
        if jobs >= whole:
            return self.over_s + (jobs - whole) / self.to_per_s
        if jobs <= 0:
            return 0.0
        # the root of from·t + slope·t²/2 = jobs, in the form that subtracts nothing
        rate_per_s = math.sqrt(max(0.0, self.from_per_s**2 + 2 * self._slope * jobs))
        speed_per_s = self.from_per_s + rate_per_s
        # from nothing, the root of the smallest numbers is 0
        return 2 * jobs / speed_per_s if speed_per_s else 0.0

    @property
    def _slope(self) -> float:
        return (self.to_per_s - self.from_per_s) / self.over_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One rate after the other, each for as long; the last goes on. 0 is a pause."""

    rates_per_s: Sequence[float]
    step_s: float
    #: Jobs due in the mean before each step begins.
    _before: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        due = (rate_per_s * self.step_s for rate_per_s in self.rates_per_s[:-1])
        object.__setattr__(self, "_before", tuple(itertools.accumulate(due, initial=0.0)))

    def rate_per_s(self, at_s: float) -> float:
        """Return the rate at a moment, jobs per second."""
        return self.rates_per_s[self._step(at_s)]

    def jobs(self, by_s: float) -> float:
        """Return how many jobs are due by a moment in the mean."""
        step = self._step(by_s)
        return self._before[step] + self.rates_per_s[step] * (by_s - step * self.step_s)

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean; never within a pause."""
        step = bisect_right(self._before, max(0.0, jobs)) - 1
        return step * self.step_s + (jobs - self._before[step]) / self.rates_per_s[step]

    def _step(self, at_s: float) -> int:
        return min(int(at_s / self.step_s), len(self.rates_per_s) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ebb:
    """A rate that swings around its mean as a sine does, rising first."""

    mean_per_s: float
    #: How far it swings, as a share of the mean: 0 to 1.
    swing: float
    period_s: float

    def rate_per_s(self, at_s: float) -> float:
        """Return the rate at a moment, jobs per second."""
        return self.mean_per_s * (1 + self.swing * math.sin(math.tau * at_s / self.period_s))

    def jobs(self, by_s: float) -> float:
        """Return how many jobs are due by a moment in the mean."""
        return self.mean_per_s * self.period_s * self._periods_due(by_s / self.period_s)

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean.

        Newton's steps, held within a bracket that halves where a step would leave it: where the
        rate touches 0, Newton alone would leap away.
        """
        whole, wanted = divmod(jobs / (self.mean_per_s * self.period_s), 1.0)
        low, high, phase = 0.0, 1.0, wanted
        while high - low > _EBB_PRECISION:
            missing = wanted - self._periods_due(phase)
            low, high = (phase, high) if missing > 0 else (low, phase)
            slope = 1 + self.swing * math.sin(math.tau * phase)
            step = missing / slope if slope > 0 else math.inf
            if abs(step) < _EBB_PRECISION:
                break
            phase = phase + step if low < phase + step < high else (low + high) / 2
        return (whole + phase) * self.period_s

    def _periods_due(self, periods: float) -> float:
        """Return how many periods' worth of jobs are due by so many periods."""
        return periods + self.swing / math.tau * (1 - math.cos(math.tau * periods))
