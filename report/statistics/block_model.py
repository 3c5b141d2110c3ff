"""Estimates each contender's mean in a blocked experiment, with an error of its own. Pure.

    log y = contender + block + noise

Blocks are the repetitions: what a block has in common, such as a busy machine, is removed. The
noise is each contender's own. Contenders differ in it ten-fold, so a pooled variance claims too
much of the noisy ones (in up to 36 % of simulated runs of equals; `python -m benchmarks.coverage`
has the figures of this model).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Decimals of a mean: the rest is that of a sum, and must not decide which of two equals is ahead.
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A contender's mean logarithm, all block effects removed."""

    #: Mean of the natural logarithms; comparable within one fit only.
    log_mean: float
    #: Squared standard error of that mean.
    squared_error: float
    #: Degrees of freedom of that error.
    freedom: float
    #: Blocks that have a figure of the contender.
    blocks: int


def fit_blocks(figures: Mapping[str, Mapping[int, float]]) -> dict[str, Estimate]:
    """Return the estimate of each contender, by least squares; none without two contenders.

    With k contenders in n whole blocks, contender i has v_i = (squared residuals) / f_i with
    f_i = (n - 1)(k - 1) / k, and the error² v_i / n. Where figures are missing, f_i is the sum of
    1 - leverage over its figures, which is the same for whole blocks. For k = 2 all of it is the
    paired t test.

    Args:
        figures: contender → block → a positive figure. Blocks that have one contender alone are
            left out, and so are contenders with fewer than two blocks.
    """
    kept = _comparable(figures)
    if len(kept) < 2:
        return {}
    blocks = sorted({block for found in kept.values() for block in found})
    present = tuple(tuple(block in found for block in blocks) for found in kept.values())
    logs = np.array([math.log(found[block]) for found in kept.values() for block in sorted(found)])
    solve, freedom = _design(present)
    residuals, means = logs - solve.fitted @ logs, solve.means @ logs
    estimates, start = {}, 0
    for index, (name, found) in enumerate(kept.items()):
        own = residuals[start : start + len(found)]
        start += len(found)
        variance = float(own @ own) / freedom[index]
        estimates[name] = Estimate(
            log_mean=round(float(means[index]), _DIGITS),
            squared_error=variance / len(found),
            freedom=freedom[index],
            blocks=len(found),
        )
    return estimates


@dataclass(frozen=True, slots=True)
class _Solution:
    """What turns the figures of a layout, contender by contender, into a fit."""

    #: (figures, figures): gives the fitted values.
    fitted: Floats
    #: (contenders, figures): gives each contender's mean over all blocks.
    means: Floats


@lru_cache(maxsize=64)
def _design(present: Sequence[Sequence[bool]]) -> tuple[_Solution, tuple[float, ...]]:
    """Return how a layout is solved, and the degrees of freedom of each contender's variance."""
    layout = np.array(present)
    contenders, blocks = layout.shape
    who, where = np.nonzero(layout)
    matrix = np.zeros((len(who), contenders + blocks))
    matrix[np.arange(len(who)), who] = 1
    matrix[np.arange(len(who)), contenders + where] = 1
    # the least squares of minimum norm; the mean over all blocks doesn't depend on that choice
    inverse = np.linalg.pinv(matrix)
    fitted = matrix @ inverse
    means = inverse[:contenders] + inverse[contenders:].mean(axis=0)
    free = 1 - np.diag(fitted)
    freedom = tuple(float(free[who == index].sum()) for index in range(contenders))
    return _Solution(fitted, means), freedom


def _comparable(figures: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    """Return the figures that the fit can use; leaving out one may leave others alone."""
    kept = {
        name: {block: value for block, value in found.items() if value > 0}
        for name, found in figures.items()
    }
    while True:
        counts: dict[int, int] = {}
        for found in kept.values():
            for block in found:
                counts[block] = counts.get(block, 0) + 1
        fewer = {
            name: {block: value for block, value in found.items() if counts[block] > 1}
            for name, found in kept.items()
        }
        fewer = {name: found for name, found in fewer.items() if len(found) > 1}
        if fewer == kept:
            return _connected(kept)
        kept = fewer


def _connected(figures: Mapping[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Return the largest group of contenders that blocks connect: only these can be compared."""
    groups: list[set[str]] = []
    for name, found in figures.items():
        linked = [
            group for group in groups if any(found.keys() & figures[one].keys() for one in group)
        ]
        groups = [group for group in groups if group not in linked]
        groups.append({name}.union(*linked))
    largest = max(groups, key=len, default=set())
    return {name: found for name, found in figures.items() if name in largest}
