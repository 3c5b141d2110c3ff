"""The figures that runs are compared by and that thresholds name, each by one word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from report import format as fmt
from report.result import RowSummary
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
    is_more_better: bool
    #: Attributes that lead to it from a trial; empty for what has no ratio.
    trial_path: tuple[str, ...]
    #: The same from a row.
    row_path: tuple[str, ...]

    #: Of a percentile: what is timed, and which one.
    span: str = ""
    percentile: str = ""

    def of_trial(self, trial: TrialSummary) -> float | None:
        """Return a trial's figure; None if there is none."""
        return _follow(trial, self.trial_path)

    def of_row(self, row: RowSummary) -> float | None:
        """Return a row's figure; None if there is none."""
        return _follow(row, self.row_path)

    def show(self, value: float | None) -> str:
        """Return the figure as people read it, with its unit where the title doesn't tell."""
        if self.absolute.endswith("_bytes"):
            return fmt.size(value)
        if self.absolute.endswith("_s") and not self.absolute.endswith("_per_s"):
            return fmt.duration(value)
        return fmt.number(value)


def _span(span: str, *, percentile: str) -> Figure:
    path = (f"{span}_s", percentile)
    return Figure(
        name=f"{percentile}_{span}",
        absolute=f"{percentile}_{span}_s",
        title=f"{span} {percentile}",
        is_more_better=False,
        trial_path=path,
        row_path=path,
        span=span,
        percentile=percentile,
    )


_CATALOGUE = (
    Figure(
        name="throughput",
        absolute="throughput_per_s",
        title="jobs/s",
        is_more_better=True,
        trial_path=("throughput_per_s",),
        row_path=("throughput_per_s", "median"),
    ),
    Figure(
        name="cpu",
        absolute="cpu_s_per_1000_jobs",
        title="CPU-s /1,000",
        is_more_better=False,
        trial_path=("cpu_s_per_1000_jobs",),
        row_path=("cpu_s_per_1000_jobs",),
    ),
    Figure(
        name="pss",
        absolute="pss_bytes",
        title="PSS",
        is_more_better=False,
        trial_path=("pss_bytes",),
        row_path=("pss_bytes",),
    ),
    *(_span("wait", percentile=percentile) for percentile in ("p50", "p95", "p99")),
    *(_span("execution", percentile=percentile) for percentile in ("p50", "p95", "p99")),
)

#: What two runs are compared by, in the order of the tables.
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _CATALOGUE}

#: Jobs that ended, and not well: a count with a bound, and nothing to take a ratio of.
FAILED = Figure(
    name="failed",
    absolute="failed_jobs",
    title="failed",
    is_more_better=False,
    trial_path=(),
    row_path=("ledger", "failed"),
)

#: What a threshold may name as a number.
ABSOLUTE: Mapping[str, Figure] = {figure.absolute: figure for figure in (*_CATALOGUE, FAILED)}


def find_ratio(word: str) -> Figure | None:
    """Return the figure of which a ratio can be taken, by either of its names; None if unknown."""
    absolute = {figure.absolute: figure for figure in _CATALOGUE}
    return FIGURES.get(word) or absolute.get(word)


def _follow(found: object, path: tuple[str, ...]) -> float | None:
    for name in path:
        found = getattr(found, name, None)
    return float(found) if isinstance(found, (int, float)) and path else None
