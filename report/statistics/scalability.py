"""Fits the Universal Scalability Law to a sweep over slots. Pure.

    X(N) = gamma·N / (1 + sigma·(N - 1) + kappa·N·(N - 1))

X is the throughput of N slots, gamma that of one, sigma the contention (the share of a job that
only one slot at a time can do) and kappa the coherency (the cost of each slot to each other slot).
If kappa is above 0, the throughput has a peak at √((1 - sigma) / kappa) slots and decreases beyond
it. If kappa is 0, it has none (N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, and "A
General Theory of Computational Scalability Based on Rational Functions", arXiv:0808.1431).

N / X is linear in 1/gamma, sigma/gamma and kappa/gamma, so the fit is nonnegative least squares:
it has one solution and needs no starting point. Its residuals are relative, as the noise of a
throughput is. Intervals are the jackknife's: the law is fitted without each block in turn, and the
half-width is the standard error from these fits, times Student's t (J. W. Tukey, Annals of
Mathematical Statistics 29, 1958). Whole blocks are left out, because drift in a block affects all
of its sizes. In simulations about 95 of 100 such intervals contain the true value at 5, 7 and 10
blocks; those from a bootstrap's percentiles contained it in as few as 81.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from report.statistics import student_t
from report.statistics.ratios import CLAIM_BLOCKS, CONFIDENCE

#: Smallest number of sizes for a fit: one more than the law has unknowns.
MIN_SIZES = 4

#: Smallest ratio of the largest size to the smallest: a small range can't separate three terms.
MIN_SIZE_RATIO = 4

#: Figures are given up to this factor beyond the measured sizes.
MAX_EXTRAPOLATION = 2

#: The fit is refused if the curve misses the figure at a size by more than this share.
MISFIT_BOUND = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure of the law, with its interval."""

    value: float
    #: 95 % interval; None with fewer than `CLAIM_BLOCKS`, and beyond `MAX_EXTRAPOLATION`.
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The law that was fitted to one sweep."""

    #: gamma: throughput of one slot, jobs per second.
    one_slot_per_s: Estimate
    #: The contention: share of a job that only one slot at a time can do.
    sigma: Estimate
    #: The coherency: the cost of each slot to each other slot, as a share of a job.
    kappa: Estimate
    #: Slots at the peak; None if no peak was found.
    peak: Estimate | None
    #: The reason why there is no peak; empty if there is one.
    no_peak: str
    #: The measured sizes, ascending, and the number of blocks that have all of them.
    slots: tuple[int, ...]
    blocks: int
    #: The largest difference between curve and figure at a size, as a share of the figure.
    misfit: float

    def per_s(self, slots: float) -> float | None:
        """Return the throughput at ``slots``, in jobs/s; None beyond `MAX_EXTRAPOLATION`."""
        if not _is_known(slots, sizes=self.slots):
            return None
        terms = (self.one_slot_per_s.value, self.sigma.value, self.kappa.value)
        return _law(slots, terms=terms)


#: gamma, sigma and kappa of one fit.
_Terms = tuple[float, float, float]


def fit_scaling(per_s: Mapping[int, Mapping[int, float]]) -> Scaling | str:
    """Return the law of a sweep, or the reason why it can't be fitted, as text for a person.

    Args:
        per_s: slots → block → jobs per second. Blocks without all sizes are left out, because
            they would influence only some sizes.
    """
    sizes = sorted(per_s)
    blocks = sorted(set.intersection(*(set(per_s[size]) for size in sizes))) if sizes else []
    reason = _refuse(per_s, sizes=sizes, blocks=blocks)
    if reason:
        return reason
    logs = np.array([[math.log(per_s[size][block]) for size in sizes] for block in blocks])
    terms = _fit(sizes, logs=logs)
    if terms is None:
        return "the fit gives no throughput for one slot"
    misfit, worst = _misfit(sizes, logs=logs, terms=terms)
    if misfit > MISFIT_BOUND:
        return f"the law doesn't fit: it is off by {misfit:.0%} at {worst} slots"
    return _describe(sizes, logs=logs, terms=terms, misfit=misfit)


def _refuse(
    per_s: Mapping[int, Mapping[int, float]], *, sizes: Sequence[int], blocks: Sequence[int]
) -> str:
    """Return the reason why these data can't be fitted; empty if they can."""
    if len(sizes) < MIN_SIZES:
        return f"{len(sizes)} sizes were measured, and the law needs {MIN_SIZES}"
    if sizes[0] < 1:
        return f"a size of {sizes[0]} slots is invalid"
    if sizes[-1] < MIN_SIZE_RATIO * sizes[0]:
        return (
            f"the sizes range from {sizes[0]} to {sizes[-1]} slots, "
            f"and the law needs a factor of {MIN_SIZE_RATIO}"
        )
    if not blocks:
        return "no repetition has a figure at every size"
    if not all(
        math.isfinite(per_s[size][block]) and per_s[size][block] > 0
        for size in sizes
        for block in blocks
    ):
        return "the throughput at a size is not above 0"
    return ""


def _describe(sizes: Sequence[int], *, logs: np.ndarray, terms: _Terms, misfit: float) -> Scaling:
    """Return the law with its intervals and its peak."""
    without = _without_each(sizes, logs=logs)

    def estimate(of: Callable[[_Terms], float], *, is_log: bool) -> Estimate:
        return _estimate(of(terms), others=[of(one) for one in without], is_log=is_log)

    kappa = estimate(lambda one: one[2], is_log=False)
    no_peak = _no_peak(terms, kappa=kappa, sizes=sizes)
    peak = None if no_peak else _bounded(estimate(_peak, is_log=True), sizes=sizes)
    return Scaling(
        one_slot_per_s=estimate(lambda one: one[0], is_log=True),
        sigma=estimate(lambda one: one[1], is_log=False),
        kappa=kappa,
        peak=peak,
        no_peak=no_peak,
        slots=tuple(sizes),
        blocks=len(logs),
        misfit=misfit,
    )


def _fit(sizes: Sequence[int], *, logs: np.ndarray) -> _Terms | None:
    """Return the terms by least squares on the blocks' geometric means."""
    from scipy.optimize import nnls  # noqa: PLC0415 -- no command without a sweep waits for it

    slots = np.array(sizes, dtype=float)
    needed_s = slots / np.exp(logs.mean(axis=0))
    columns = np.stack([np.ones_like(slots), slots - 1, slots * (slots - 1)], axis=1)
    first, second, third = nnls(columns / needed_s[:, None], np.ones_like(slots))[0]
    if first <= 0:
        return None
    return float(1 / first), float(second / first), float(third / first)


def _without_each(sizes: Sequence[int], *, logs: np.ndarray) -> list[_Terms]:
    """Return the terms without each block in turn; empty with fewer than `CLAIM_BLOCKS` blocks."""
    if len(logs) < CLAIM_BLOCKS:
        return []
    fits = [_fit(sizes, logs=np.delete(logs, block, axis=0)) for block in range(len(logs))]
    found = [terms for terms in fits if terms is not None]
    return found if len(found) == len(logs) else []


def _estimate(value: float, *, others: Sequence[float], is_log: bool) -> Estimate:
    """Return a figure with the jackknife's interval, whose ends are never below 0."""
    if not others or (is_log and not all(0 < one < math.inf for one in others)):
        return Estimate(value=value, low=None, high=None)
    shown = [math.log(one) for one in others] if is_log else list(others)
    count = len(shown)
    error = (count - 1) / math.sqrt(count) * statistics.stdev(shown)
    reach = student_t.quantile((1 + CONFIDENCE) / 2, freedom=count - 1) * error
    if is_log:
        factor = math.exp(min(reach, 700.0))
        return Estimate(value=value, low=value / factor, high=value * factor)
    return Estimate(value=value, low=max(0.0, value - reach), high=value + reach)


def _law(slots: float, *, terms: _Terms) -> float:
    one_slot_per_s, sigma, kappa = terms
    return one_slot_per_s * slots / (1 + sigma * (slots - 1) + kappa * slots * (slots - 1))


def _peak(terms: _Terms) -> float:
    """Return the slots at the peak, at least 1; infinite without coherency."""
    _, sigma, kappa = terms
    return max(1.0, math.sqrt(max(0.0, 1 - sigma) / kappa)) if kappa > 0 else math.inf


def _misfit(sizes: Sequence[int], *, logs: np.ndarray, terms: _Terms) -> tuple[float, int]:
    """Return the largest relative residual, and its size."""
    figures = np.exp(logs.mean(axis=0))
    return max(
        (abs(_law(size, terms=terms) / float(figure) - 1), size)
        for size, figure in zip(sizes, figures, strict=True)
    )


def _no_peak(terms: _Terms, *, kappa: Estimate, sizes: Sequence[int]) -> str:
    peak = _peak(terms)
    if math.isinf(peak):
        return "no peak: the coherency is 0"
    if kappa.low == 0:
        return "no peak found: the interval of the coherency includes 0"
    if not _is_known(peak, sizes=sizes):
        return (
            f"no peak within the extrapolation limit: the sizes range from {sizes[0]} to "
            f"{sizes[-1]} slots, and the limit is a factor of {MAX_EXTRAPOLATION} beyond them"
        )
    return ""


def _bounded(peak: Estimate, *, sizes: Sequence[int]) -> Estimate:
    """Return the peak; an end of its interval beyond `MAX_EXTRAPOLATION` becomes None."""
    low, high = (
        end if end is not None and _is_known(end, sizes=sizes) else None
        for end in (peak.low, peak.high)
    )
    return Estimate(value=peak.value, low=low, high=high)


def _is_known(slots: float, *, sizes: Sequence[int]) -> bool:
    return sizes[0] / MAX_EXTRAPOLATION <= slots <= sizes[-1] * MAX_EXTRAPOLATION
