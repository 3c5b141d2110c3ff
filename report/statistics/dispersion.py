"""Measures how bursty arrivals are, by their counts in equal windows. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from report.statistics.ratios import CONFIDENCE

#: Mean number of arrivals in a window, and fewest windows: with fewer, the figure is mostly noise.
PER_WINDOW = 10
LEAST_WINDOWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """The index of dispersion of arrivals."""

    #: Variance ÷ mean of the counts: 1 for random arrivals (Poisson), more for bursts, less for
    #: regular ones (D. R. Cox and P. A. W. Lewis, The Statistical Analysis of Series of Events,
    #: 1966).
    index: float
    #: The index of so many random arrivals is above this one time in forty.
    limit: float


def dispersion(times_ns: npt.NDArray[np.int64], *, begin_ns: int, end_ns: int) -> Dispersion | None:
    """Return the index of dispersion between two moments; None for fewer than 100 arrivals."""
    windows = int(((begin_ns <= times_ns) & (times_ns <= end_ns)).sum()) // PER_WINDOW
    if windows < LEAST_WINDOWS or begin_ns >= end_ns:
        return None
    # scipy is loaded here, since it takes longer than all other figures of a profile
    from scipy.special import chdtri  # noqa: PLC0415 -- see above

    counts, _ = np.histogram(times_ns, bins=windows, range=(begin_ns, end_ns))
    freedom = windows - 1
    return Dispersion(
        index=float(counts.var(ddof=1) / counts.mean()),
        limit=float(chdtri(freedom, (1 - CONFIDENCE) / 2) / freedom),
    )
