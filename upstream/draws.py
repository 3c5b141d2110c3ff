"""Draws each answer's delay and whether it fails: from a seed, in an order of its own."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist

#: So many draws in a row hold one from each equal part of the distribution, shuffled. Independent
#: draws with a long tail would give one trial a tenth more to wait than the next; these don't.
STRATA = 100

#: No draw lies nearer than this to the distribution's ends, where its quantile is infinite.
_EDGE = 1e-9

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What becomes of one request."""

    delay_s: float
    is_failure: bool


class Draws:
    """Delays with a lognormal tail and failures by chance; the same for the same seed and order.

    ``median_s`` is the distribution's median, ``tail_sigma`` the standard deviation of the delay's
    logarithm: at 0 every delay is the median, at 1 one in a hundred is ten times as long.
    """

    def __init__(
        self, *, median_s: float, tail_sigma: float, failure_share: float, seed: int
    ) -> None:
        self._median_s = median_s
        self._tail_sigma = tail_sigma
        self._failure_share = failure_share
        self._rng = random.Random(seed)
        self._ahead: list[Draw] = []

    def next(self) -> Draw:
        """Return the next draw."""
        if not self._ahead:
            self._ahead = [
                Draw(delay_s=self._delay_s(tail), is_failure=chance < self._failure_share)
                for tail, chance in zip(self._strata(), self._strata(), strict=True)
            ]
        return self._ahead.pop()

    def _strata(self) -> list[float]:
        """Return numbers between 0 and 1, one from each hundredth, in random order."""
        numbers = [(place + self._rng.random()) / STRATA for place in range(STRATA)]
        self._rng.shuffle(numbers)
        return numbers

    def _delay_s(self, share: float) -> float:
        """Return the delay that ``share`` of all delays don't exceed."""
        if not self._tail_sigma:
            return self._median_s
        deviations = _NORMAL.inv_cdf(min(max(share, _EDGE), 1 - _EDGE))
        return self._median_s * math.exp(self._tail_sigma * deviations)
