"""The figures of comparisons between runs and of thresholds, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.result import PartSummary, RowSummary
from report.statistics.ratios import Median
from report.trials.trial import PartTimes, TrialSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One column of a comparison."""

    #: Name as a ratio, without a unit.
    name: str
    #: Name as a number, with the unit.
    absolute: str
    #: Title in tables.
    title: str
    #: Attribute path from a trial or a row to the figure.
    path: str
    is_more_better: bool = False

    #: Span and name of a percentile; empty for other figures.
    span: str = ""
    percentile: str = ""

    def of(self, found: TrialSummary | RowSummary | PartTimes | PartSummary) -> float | None:
        """Return the figure of a trial or a part; of a row, the median. None if there is none."""
        value: Any = found
        for name in self.path.split("."):
            value = getattr(value, name, None)
        if isinstance(value, Median):
            value = value.median
        return None if value is None else float(value)

    def show(self, value: float | None) -> str:
        """Return the figure as text, with its unit if the title doesn't contain it."""
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

#: The figures of a comparison between two runs, in the order of the tables.
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _CATALOGUE}

#: The figures that have a ratio, by both of their names.
RATIOS: Mapping[str, Figure] = {
    **FIGURES,
    **{figure.absolute: figure for figure in _CATALOGUE},
}

#: Number of failed jobs: thresholds can bound it, but it has no ratio.
_FAILED = Figure(name="failed", absolute="failed_jobs", title="failed", path="ledger.failed")

#: The figures that a threshold can use as a number.
ABSOLUTE: Mapping[str, Figure] = {figure.absolute: figure for figure in (*_CATALOGUE, _FAILED)}
