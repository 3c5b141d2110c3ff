"""Charts of contenders under load: sustained rates, latency against load, fairness."""

from __future__ import annotations

import statistics

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Spec, marked, median_fields, of_row, row_of
from report.charts.curves import curve_chart
from report.charts.style import SECONDS, linear, logarithmic, reaching
from report.charts.waits import (
    DRAWN,
    PERCENTILE_TITLES,
    READING,
    percentile_fields,
    percentile_layers,
)
from report.result import LoadPoint, RowSummary, Summary
from report.verdicts.offered_load import slo_words


def sustained(summary: Summary) -> Chart:
    """Return the chart of the highest rate that each contender sustains within the objective."""
    rows = [
        _sustained_row(row)
        for row in summary.rows
        if row.measure == "sustain" or row.sustained_per_s
    ]
    objective = f" and the objective is met: {slo_words(summary.slo)}" if summary.slo else ""
    return lanes.lane_chart(
        rows,
        name="sustained",
        title="What rate does each contender sustain?",
        caption=(
            f"The highest rate at which the backlog doesn't grow{objective}. "
            "Bar and figure: median of the repetitions. Line: range."
        ),
        titles={"panel": "workload", "figure": "sustained", "reach": "range, jobs/s"},
        x=linear("jobs per second", rows=rows, fields=["median", "high"]),
        layers=lanes.median_layers(),
        columns=2,
    )


def load_curve(summary: Summary, *, workload: str, percentile: str = "p95") -> Chart:
    """Return the chart of a percentile of latency over the arrival rate."""
    is_wait = bounds_wait(summary)
    what, stretch = ("wait", "due → started") if is_wait else ("response", "due → finished")
    bound = summary.slo.get(f"{percentile}_{what}_s")
    rows = [
        _load_row(row, point=point, percentile=percentile, is_wait=is_wait)
        for curve in summary.curves
        if curve.workload == workload
        for row in [row_of(summary, contender=curve.contender, workload=workload)]
        for point in curve.points
    ]
    across = f" Horizontal line: the objective, {fmt.duration(bound)}." if bound else ""
    return curve_chart(
        rows,
        name=f"load-{percentile}-{workload}",
        title=f"Latency against load: {percentile} of the {what}, {workload}",
        caption=(
            f"{what.capitalize()}: {stretch}. Ring: the rate was not sustained, so the figure "
            f"grows with the trial's duration. Lines only connect the points.{across}"
        ),
        titles={
            "shown": f"{percentile} of the {what}",
            "rate": "arrivals",
            "share": "of its sustained rate",
            "is_sustained": "sustained",
            "repetitions": "repetitions",
        },
        x=reaching("arrivals, jobs per second", rows=rows, beyond=1.1),
        y=logarithmic(
            f"{percentile} of the {what}",
            rows=rows,
            fields=["y"],
            also=[bound] if bound else [],
            show=SECONDS,
        ),
        bound=bound,
    )


def fairness(summary: Summary, *, workload: str) -> Chart:
    """Return the chart of the slowdown of each part of a mix."""
    ideals_s: dict[str, list[float]] = {}
    for one in summary.fairness:
        for part, slowed in one.by_kind.items():
            if one.workload == workload:
                ideals_s.setdefault(part, []).append(slowed.ideal_s)
    rows = [
        of_row(
            row,
            # each contender's own differs a little, since it was measured beside its trials
            panel=f"{part}, {fmt.duration(statistics.median(ideals_s[part]))} alone",
            **percentile_fields(slowed.slowdown, mark=row.mark, show=fmt.times),
            jobs=fmt.count(slowed.jobs),
            unfinished=fmt.count(slowed.unfinished),
            unfairness=fmt.number(one.unfairness),
        )
        for one in summary.fairness
        if one.workload == workload
        for row in [row_of(summary, contender=one.contender, workload=workload)]
        for part, slowed in one.by_kind.items()
    ]
    titles = {"jobs": "jobs", "unfinished": "not done", "unfairness": "unfairness"}
    return lanes.lane_chart(
        rows,
        name=f"fairness-{workload}",
        title=f"Do long jobs slow short ones down? {workload}",
        caption=(
            "Slowdown: response ÷ the job's duration alone; 1 is perfect. "
            f"{READING} A contender is fair if its parts have the same slowdown."
        ),
        titles={"panel": "part", **PERCENTILE_TITLES, **titles},
        x=logarithmic("times as long as alone", rows=rows, fields=DRAWN, also=[1.0], beyond=1.1),
        layers=percentile_layers(),
        behind=[lanes.guide(1.0, text="as fast as alone")],
        columns=2,
    )


def bounds_wait(summary: Summary) -> bool:
    """Return whether the objective bounds the wait; otherwise it bounds the response."""
    return any("wait" in name for name in summary.slo)


def _sustained_row(row: RowSummary) -> Spec:
    per_s = row.sustained_per_s
    figure = f"{fmt.number(per_s.median)}/s" if per_s else fmt.NOTHING
    return of_row(
        row, panel=row.workload, **median_fields(per_s), figure=marked(figure, mark=row.mark)
    )


def _load_row(row: RowSummary, *, point: LoadPoint, percentile: str, is_wait: bool) -> Spec:
    times = point.wait_s if is_wait else point.response_s or point.wait_s
    latency_s: float | None = getattr(times, percentile) if times else None
    rate = fmt.NOTHING if point.rate_per_s is None else f"{fmt.number(point.rate_per_s)} jobs/s"
    answers = {True: "yes", False: "no", None: fmt.NOTHING}
    return of_row(
        row,
        x=point.rate_per_s,
        y=latency_s or None,
        is_hollow=True if point.is_sustained is False else None,
        shown=marked(fmt.duration(latency_s), mark=point.mark),
        rate=rate,
        share=fmt.percent(point.share),
        is_sustained=answers[point.is_sustained],
        repetitions=fmt.count(point.repetitions),
    )
