"""Draws the delay and the failure of each answer, from a seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

#: This number of consecutive draws has one from each equal part of the distribution, shuffled. With
#: independent draws from a long tail, one trial could wait 10 % longer than the next.
STRATA = 100

#: Least distance of a draw from 0 and 1, where the quantile is infinite.
_EDGE = 1e-9

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The delay of one request, and whether it fails."""

    delay_s: float
    is_failure: bool


def draw(*, median_s: float, tail_sigma: float, failure_share: float, seed: int) -> Iterator[Draw]:
    """Yield delays with a lognormal tail and random failures, without end.

    ``median_s`` is the distribution's median, ``tail_sigma`` the standard deviation of the delay's
    logarithm: at 0 every delay is the median, at 1 one in a hundred is ten times as long. The same
    seed yields the same draws in the same order.
    """
    if not (tail_sigma or failure_share):
        yield from itertools.repeat(Draw(delay_s=median_s, is_failure=False))
    rng = random.Random(seed)
    while True:
        for share, chance in zip(_strata(rng), _strata(rng), strict=True):
            deviations = _NORMAL.inv_cdf(min(max(share, _EDGE), 1 - _EDGE))
            delay_s = median_s * math.exp(tail_sigma * deviations)
            yield Draw(delay_s=delay_s, is_failure=chance < failure_share)


def _strata(rng: random.Random) -> Iterator[float]:
    """Yield numbers between 0 and 1, one from each of `STRATA` parts, in random order."""
    numbers = [(place + rng.random()) / STRATA for place in range(STRATA)]
    rng.shuffle(numbers)
    return reversed(numbers)
