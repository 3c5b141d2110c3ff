"""The page below its first screen: overviews, and a section per workload. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collector.run_manifest import Workload
from collector.worker_figures import JOBLESS_MEASURES, WORKER_MEASURES
from poolbench.jobs import JOB_KINDS
from report.charts import capacity, load, scaling, timeline, waits, worker
from report.charts.chart import Chart, Series, of_row, series_of
from report.legend import describe_jobs
from report.page.lead_chart import choose_lead
from report.page.row_table import (
    Table,
    groups_of,
    levels_of,
    parts_of,
    ratios_of,
    table_of,
    targets_of,
)
from report.result import RowSummary, Summary, Verdict
from report.rows.reasons import SharedReason, share_reasons

#: Alias of the first chart's name.
LEAD = "lead"

#: What is measured of a workload without jobs of the user's.
_ABOUT = {
    "start": "Fresh workers start, with jobs already in the queue.",
    "idle": "Ready workers without a job.",
}

#: Measures that search for a rate: their throughput is this rate, which has its own chart.
_SEARCHES = ("sustain", "curve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A chart of several workloads."""

    chart: Chart
    title: str
    text: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The section of one workload."""

    name: str
    kind: str
    about: str
    work_class: str
    parameters: str
    verdict: Verdict
    rows: list[RowSummary]
    table: Table
    #: Latencies by part of a mix; bounds of an SLO; other figures as multiples of the baseline's.
    parts: Table
    targets: Table
    #: Figures of each group of a contender with groups.
    groups: Table
    ratios: Table
    #: Levels over time; without columns if there is no finding about them.
    levels: Table
    series: tuple[Series, ...]
    #: Charts of the page's full width; the timeline comes last, below the table.
    charts: list[Chart]
    #: Charts side by side.
    costs: list[Chart]
    timeline: Chart | None
    reasons: list[SharedReason]

    @property
    def figures(self) -> list[Chart]:
        """All of its charts."""
        return [*self.charts, *self.costs, *([self.timeline] if self.timeline else [])]


def overviews(summary: Summary) -> list[Overview]:
    """Return the charts of several workloads."""
    crossovers = [
        Overview(
            chart=scaling.crossover(summary, found=one, number=number),
            title=f"{one.kind}: which pool for which share of computing?",
            text=one.text,
            mark=one.mark,
        )
        for number, one in enumerate(summary.crossovers, start=1)
    ]
    charts = [scaling.sweep(summary, group=group) for group in scaling.sweep_groups(summary)]
    if any(row.sustained_per_s for row in summary.rows):
        charts.append(load.sustained(summary))
    has_capacity = any(
        row.is_backlog and row.throughput_per_s and row.measure not in WORKER_MEASURES
        for row in summary.rows
    )
    if has_capacity and len(summary.contenders) > 1:
        charts.append(capacity.advantage(summary))
    return [*crossovers, *(Overview(chart=chart, title=chart.title) for chart in charts)]


def _about(summary: Summary, *, workload: Workload) -> str:
    """Return a sentence on jobs that are of no kind of Poolbench's."""
    is_task = len(workload.mix) == 1 and workload.mix[0].call is not None
    if is_task and summary.app is not None:
        return f"A task of the app {summary.app.module}."
    return _ABOUT.get(workload.measure, "")


def section_of(summary: Summary, *, verdict: Verdict) -> Section:
    """Return the section of a verdict's workload."""
    name = verdict.workload
    workload = next(one for one in summary.workloads if one.name == name)
    rows = summary.of_workload(name)
    sorts = workload.sorts
    name_of_kind = sorts[0].kind if len(sorts) == 1 else workload.kind
    kind = JOB_KINDS.get(name_of_kind)
    return Section(
        name=name,
        kind=name_of_kind or name,
        about=kind.summary if kind else _about(summary, workload=workload),
        work_class=str(kind.work_class) if kind else "",
        parameters=describe_jobs(workload),
        verdict=verdict,
        rows=rows,
        table=table_of(rows),
        parts=parts_of(rows, fairness=[one for one in summary.fairness if one.workload == name]),
        targets=targets_of(rows),
        groups=groups_of(rows),
        ratios=ratios_of(rows, verdict=verdict),
        levels=levels_of(rows),
        series=series_of(of_row(row) for row in rows),
        charts=list(_charts(summary, workload=name)),
        costs=list(_costs(summary, workload=name)),
        timeline=timeline.timeline(summary, workload=name),
        reasons=share_reasons((row.contender, row.reasons) for row in rows),
    )


def charts_of(summary: Summary) -> dict[str, Chart]:
    """Return the charts of a page by name; ``lead`` is the first one."""
    lead = choose_lead(summary).chart
    sections = [section_of(summary, verdict=verdict) for verdict in summary.verdicts]
    charts = [
        lead,
        *(overview.chart for overview in overviews(summary)),
        *(chart for one in sections for chart in one.figures),
    ]
    return {LEAD: lead, **{chart.name: chart for chart in charts}}


def _charts(summary: Summary, *, workload: str) -> Iterator[Chart]:
    measures = {row.measure for row in summary.of_workload(workload)}
    if measures <= {*WORKER_MEASURES}:
        yield worker.lead(summary, workload=workload)
    if measures <= {*JOBLESS_MEASURES}:
        return
    if any(row.measure not in _SEARCHES for row in summary.of_workload(workload)):
        yield capacity.throughput(summary, workload=workload)
    if _has_curve(summary, workload=workload):
        yield load.load_curve(summary, workload=workload)
    if any(one.workload == workload for one in summary.fairness):
        yield load.fairness(summary, workload=workload)
    if causes := waits.causes(summary, workload=workload):
        yield causes
    yield waits.split(summary, workload=workload)
    if lag := waits.lag_histogram(summary, workload=workload):
        yield lag


def _costs(summary: Summary, *, workload: str) -> Iterator[Chart]:
    if all(row.measure in JOBLESS_MEASURES for row in summary.of_workload(workload)):
        return
    for cost in capacity.COSTS:
        if any(map(cost.of, summary.of_workload(workload))):
            yield capacity.cost(summary, workload=workload, cost=cost)
    if _has_curve(summary, workload=workload):
        for percentile in ("p50", "p99"):
            yield load.load_curve(summary, workload=workload, percentile=percentile)


def _has_curve(summary: Summary, *, workload: str) -> bool:
    return any(one.workload == workload for one in summary.curves)
