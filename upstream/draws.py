"""Draws each answer's delay and whether it fails: from a seed, in an order of its own."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
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


def draw(*, median_s: float, tail_sigma: float, failure_share: float, seed: int) -> Iterator[Draw]:
    """Yield delays with a lognormal tail and failures by chance, without end.

    ``median_s`` is the distribution's median, ``tail_sigma`` the standard deviation of the delay's
    logarithm: at 0 every delay is the median, at 1 one in a hundred is ten times as long. The same
    seed yields the same, in the same order.
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
    """Return numbers between 0 and 1, one from each hundredth, in random order."""
    numbers = [(place + rng.random()) / STRATA for place in range(STRATA)]
    rng.shuffle(numbers)
    return reversed(numbers)
