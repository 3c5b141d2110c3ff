"""The figures that runs are compared by and that thresholds name, each by one word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.result import RowSummary
from report.statistics.ratios import Median
from report.trials.trial import TrialSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One column of a comparison."""

    #: Its name as a ratio, which has no unit.
    name: str
    #: Its name as a number, with the unit.
    absolute: str
    #: What a table calls it.
    title: str
    #: The attributes that lead to it from a trial or a row.
    path: str
    is_more_better: bool = False

    #: Of a percentile: what is timed, and which one.
    span: str = ""
    percentile: str = ""

    def of(self, found: TrialSummary | RowSummary) -> float | None:
        """Return the figure of a trial, or the median of a row's; None if there is none."""
        value: Any = found
        for name in self.path.split("."):
            value = getattr(value, name, None)
        if isinstance(value, Median):
            value = value.median
        return None if value is None else float(value)

    def show(self, value: float | None) -> str:
        """Return the figure as people read it, with its unit where the title doesn't have it."""
        if self.absolute.endswith("_bytes"):
            return fmt.size(value)
        if self.absolute.endswith("_s") and not self.absolute.endswith("_per_s"):
            return fmt.duration(value)
        return fmt.number(value)


_CATALOGUE = (
    Figure(
        name="throughput",
        absolute="throughput_per_s",
        title="jobs/s",
        path="throughput_per_s",
        is_more_better=True,
    ),
    Figure(
        name="cpu",
        absolute="cpu_s_per_1000_jobs",
        title="CPU-s /1,000",
        path="cpu_s_per_1000_jobs",
    ),
    Figure(name="pss", absolute="pss_bytes", title="PSS", path="pss_bytes"),
    *(
        Figure(
            name=f"{percentile}_{span}",
            absolute=f"{percentile}_{span}_s",
            title=f"{span} {percentile}",
            path=f"{span}_s.{percentile}",
            span=span,
            percentile=percentile,
        )
        for span in ("wait", "execution")
        for percentile in ("p50", "p95", "p99")
    ),
)

#: What two runs are compared by, in the order of the tables.
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _CATALOGUE}

#: What a ratio may be taken of, by either of its names.
RATIOS: Mapping[str, Figure] = {
    **FIGURES,
    **{figure.absolute: figure for figure in _CATALOGUE},
}

#: Jobs that ended, and not well: a count with a bound, and nothing to take a ratio of.
_FAILED = Figure(name="failed", absolute="failed_jobs", title="failed", path="ledger.failed")

#: What a threshold may name as a number.
ABSOLUTE: Mapping[str, Figure] = {figure.absolute: figure for figure in (*_CATALOGUE, _FAILED)}
