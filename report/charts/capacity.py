"""Charts of throughput and cost: ratios to the baseline, throughput, costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collector.reasons import Severity
from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Spec, marked, median_fields, of_row
from report.charts.style import linear, logarithmic
from report.result import WORKER_VERDICTS, RowSummary, Summary, Verdict
from report.statistics.ratios import Ratio
from report.trials.trial import TrialSummary

#: Most rings that all charts of throughput have together, for the page's size.
_MOST_RINGS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One of the costs of a job."""

    name: str
    title: str
    #: Title of the axis, with the unit.
    unit: str
    of: Callable[[RowSummary], float | None]
    show: Callable[[float | None], str]


COSTS = (
    Cost(
        name="cpu",
        title="CPU per 1,000 jobs",
        unit="CPU-seconds per 1,000 jobs",
        of=lambda row: row.cpu_s_per_1000_jobs,
        show=fmt.number,
    ),
    Cost(
        name="memory",
        title="Memory after the last job",
        unit="PSS, bytes",
        of=lambda row: row.pss_bytes,
        show=fmt.size,
    ),
    Cost(
        name="redis-commands",
        title="Redis commands per job",
        unit="commands per job",
        of=lambda row: row.redis_commands_per_job,
        show=fmt.number,
    ),
    Cost(
        name="redis-bytes",
        title="Bytes to and from Redis per job",
        unit="bytes per job",
        of=lambda row: row.redis_bytes_per_job,
        show=fmt.size,
    ),
)


def advantage(summary: Summary) -> Chart:
    """Return the chart of all workloads' throughput, as ratios to the baseline."""
    verdicts = [one for one in summary.verdicts if one.figure not in WORKER_VERDICTS.values()]
    rows = [
        _ratio_row(row, verdict=verdict)
        for verdict in verdicts
        for row in summary.of_workload(verdict.workload)
    ]
    baselines = sorted({verdict.baseline for verdict in verdicts if verdict.baseline})
    against = fmt.listed(baselines) or "the baseline"
    is_claim = any(verdict.smallest_difference is not None for verdict in verdicts)
    reach = "95 % interval, for all comparisons at once" if is_claim else "range of the repetitions"
    caption = f"Dot: ratio of the geometric means. Line: {reach}."
    behind = [lanes.guide(1.0, text=f"as many jobs as {against}")]
    return lanes.lane_chart(
        rows,
        name="advantage",
        title=f"How many times the throughput of {against}?",
        caption=caption,
        titles={"panel": "workload", "figure": f"× {against}", "reach": reach},
        x=logarithmic(
            f"× {against}",
            rows=rows,
            fields=["value", "low", "high"],
            also=[0.8, 1.5],
            beyond=1.05,
        ),
        layers=[
            lanes.line("one", "value", width=3, opacity=0.3),
            lanes.line("low", "high"),
            lanes.dot("value"),
        ],
        behind=behind,
        columns=2,
    )


def throughput(summary: Summary, *, workload: str) -> Chart:
    """Return the chart of a workload's throughput: median, range, repetitions and ceiling."""
    found = {row.contender: row for row in summary.of_workload(workload)}
    trials = [
        trial
        for trial in summary.trials
        if trial.workload == workload and trial.contender in found
        if trial.is_shown and not trial.is_pilot
    ]
    most = max(1, _MOST_RINGS // len(summary.workloads))
    rows = [_throughput_row(row) for row in found.values()]
    rows += [_repetition(found[trial.contender], trial=trial) for trial in trials[-most:]]
    last = f"the last {most:,} of {len(trials):,} " if len(trials) > most else ""
    return lanes.lane_chart(
        rows,
        name=f"throughput-{workload}",
        title="Throughput",
        caption=(
            f"Bar and figure: median. Line: range. Rings: {last}repetitions; a cross is an invalid "
            "one. Dark tick: ceiling, what the workload allows without Celery."
        ),
        titles={"figure": "jobs/s", "reach": "range", "most": "ceiling"},
        x=linear("jobs per second", rows=rows, fields=["high", "ceiling", "single"]),
        layers=[
            *lanes.median_layers(),
            lanes.tick("ceiling", height=0.85, ink="var(--ink)"),
            lanes.rings("single", titles={"single_text": "jobs/s", "which": "repetition"}),
        ],
    )


def cost(summary: Summary, *, workload: str, cost: Cost) -> Chart:
    """Return the chart of one cost in a workload."""
    rows = [
        of_row(row, value=cost.of(row), figure=marked(cost.show(cost.of(row)), mark=row.mark))
        for row in summary.of_workload(workload)
    ]
    return lanes.lane_chart(
        rows,
        name=f"{cost.name}-{workload}",
        title=cost.title,
        caption="Median of the repetitions.",
        titles={"figure": cost.title},
        x=linear(cost.unit, rows=rows, fields=["value"]),
        layers=[lanes.bar("value")],
    )


def _ratio_row(row: RowSummary, *, verdict: Verdict) -> Spec:
    """Return a contender's ratio to the baseline.

    The A/A control is not compared with the baseline. Its ratio is its original's, times the ratio
    of the two, so that its interval shows the noise.
    """
    ends = _ends(row.contender, verdict=verdict)
    pair = verdict.equal_pair
    if pair and pair.ratio and row.contender == pair.twin:
        original = _ends(pair.contender, verdict=verdict)
        ends = tuple(end * original[0] for end in _around(pair.ratio)) if original else ()
    value, low, high = ends or (None, None, None)
    text = "invalid" if row.mark is Severity.INVALID else fmt.times(value)
    return of_row(
        row,
        panel=verdict.workload,
        one=1.0,
        value=value,
        low=low,
        high=high,
        figure=marked(text, mark=row.mark),
        reach=fmt.NOTHING if low is None or high is None else fmt.times_range(low, high=high),
    )


def _ends(contender: str, *, verdict: Verdict) -> tuple[float, ...]:
    """Return a ratio to the baseline with its low and high end; empty if it is unknown."""
    if contender == verdict.baseline:
        return 1.0, 1.0, 1.0
    found = verdict.to_baseline.get(contender)
    return _around(found) if found else ()


def _around(ratio: Ratio) -> tuple[float, ...]:
    return ratio.value, ratio.low, ratio.high


def _throughput_row(row: RowSummary) -> Spec:
    per_s = row.throughput_per_s
    sign = f" {Severity.LIMITED}" if row.is_near_limit else ""
    return of_row(
        row,
        **median_fields(per_s),
        ceiling=row.ceiling_per_s,
        figure=marked(f"{fmt.number(per_s.median if per_s else None)}{sign}", mark=row.mark),
        most=fmt.number(row.ceiling_per_s),
    )


def _repetition(row: RowSummary, *, trial: TrialSummary) -> Spec:
    is_invalid = trial.mark is Severity.INVALID
    return of_row(
        row,
        single=trial.throughput_per_s,
        is_invalid=is_invalid,
        single_text=fmt.number(trial.throughput_per_s),
        which=f"{trial.block + 1}{', invalid' if is_invalid else ''}",
    )
