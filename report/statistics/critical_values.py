"""Critical values for several comparisons at once, in standard errors of a difference.

``python -m report.statistics.critical_values`` prints the table of the studentized range, the CSV
file next to this module: scipy takes 89 ms to compute one of its values.
"""

from __future__ import annotations

import csv
import math
import sys
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from report.statistics import student_t
from report.statistics.ratios import CONFIDENCE

_TABLE = Path(__file__).with_name("studentized_range.csv")

#: Numbers of means and degrees of freedom in the table. Between them the value's logarithm is
#: interpolated, linearly in log(means) and in 1 / freedom: within 0.5 % of scipy's.
_MEANS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30, 40, 60, 100)
_FREEDOMS = (
    *(1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0),
    *(6.0, 8.0, 10.0, 13.0, 17.0, 22.0, 30.0, 45.0, 90.0, 1e5),
)


def of_comparisons(count: int, *, freedom: float) -> float:
    """Return Student's t for ``count`` two-sided comparisons, by Šidák's level.

    The level is exact for independent comparisons, and dependent ones err less often (Z. Šidák,
    Journal of the American Statistical Association 62, 1967).
    """
    level = CONFIDENCE ** (1 / max(1, count))
    return student_t.quantile((1 + level) / 2, freedom=freedom)


def of_range(means: int, *, freedom: float) -> float:
    """Return the studentized range of ``means`` equals ÷ √2, for all their pairs at once.

    Args:
        means: at least 2. Beyond the table, the value of `of_comparisons` for all pairs is given,
            which is larger.
        freedom: degrees of freedom of the error; fewer than 1 count as 1.
    """
    if means > _MEANS[-1]:
        return of_comparisons(math.comb(means, 2), freedom=freedom)
    places = [1 / each for each in reversed(_FREEDOMS)]
    log_value = np.interp(1 / max(freedom, _FREEDOMS[0]), places, _log_values(means))
    return math.exp(float(log_value)) / math.sqrt(2)


@cache
def _log_values(means: int) -> npt.NDArray[np.float64]:
    """Return the logarithms of the range for a number of means, by descending freedom."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    logs = np.log(np.array(rows, dtype=float)[::-1, 1:])
    return np.array([np.interp(math.log(means), np.log(_MEANS), row) for row in logs])


def _print_table() -> None:
    from scipy.stats import studentized_range  # noqa: PLC0415 -- slow, and for the table alone

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["freedom", *_MEANS])
    for freedom in _FREEDOMS:
        found = [studentized_range.ppf(CONFIDENCE, means, freedom) for means in _MEANS]
        out.writerow([f"{freedom:g}", *(f"{value:.6g}" for value in found)])


if __name__ == "__main__":
    _print_table()
