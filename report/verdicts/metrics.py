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

    #: The only measure whose rows have it; empty for all.
    measure: str = ""

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

_OF_WORKERS = tuple(
    Figure(name=name, absolute=absolute, title=title, path=path, measure=path.split(".")[0])
    for name, absolute, title, path in (
        ("first_job", "first_job_s", "first job", "start.first_job_s"),
        ("all_slots", "all_slots_s", "all slots", "start.all_slots_s"),
        ("commands", "commands_per_s", "commands/s", "idle.commands_per_s"),
        ("idle_cpu", "cpu_ms_per_minute", "CPU-ms/min", "idle.cpu_ms_per_minute"),
        ("p50_ping", "p50_ping_s", "ping p50", "ping.p50_s"),
        ("p95_ping", "p95_ping_s", "ping p95", "ping.p95_s"),
    )
)

#: The figures of a comparison between two runs, in the order of the tables.
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _CATALOGUE}

#: All figures that contenders are compared by, with those of workers themselves.
COMPARED: Mapping[str, Figure] = {
    **FIGURES,
    **{figure.name: figure for figure in _OF_WORKERS},
}

#: The figures that have a ratio, by both of their names.
RATIOS: Mapping[str, Figure] = {
    **COMPARED,
    **{figure.absolute: figure for figure in COMPARED.values()},
}

#: Number of failed jobs: thresholds can bound it, but it has no ratio.
_FAILED = Figure(name="failed", absolute="failed_jobs", title="failed", path="ledger.failed")

#: The figures that a threshold can use as a number.
ABSOLUTE: Mapping[str, Figure] = {
    figure.absolute: figure for figure in (*COMPARED.values(), _FAILED)
}
