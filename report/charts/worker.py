"""Charts of workers themselves: how they start, idle and answer pings."""

from __future__ import annotations

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Spec, marked, median_fields, of_row
from report.charts.style import linear
from report.result import WORKER_VERDICTS, RowSummary, Summary

#: Unit of the axis by measure.
_UNITS = {"start": "seconds from exec", "idle": "commands per second", "ping": "seconds"}


def lead(summary: Summary, *, workload: str) -> Chart:
    """Return the chart of the figure that the workload's verdict compares."""
    found = summary.of_workload(workload)
    measure = found[0].measure
    figure = WORKER_VERDICTS[measure]
    rows = [_lead_row(row) for row in found]
    return lanes.lane_chart(
        rows,
        name=f"{measure}-{workload}",
        title=figure[0].upper() + figure[1:],
        caption="Bar and figure: median. Line: range. Less is better.",
        titles={"figure": figure, "reach": "range"},
        x=linear(_UNITS[measure], rows=rows, fields=["median", "high"]),
        layers=lanes.median_layers(),
    )


def _lead_row(row: RowSummary) -> Spec:
    found = row.lead
    show = fmt.number if row.measure == "idle" else fmt.duration
    text = show(found.median if found else None)
    return of_row(row, **median_fields(found), figure=marked(text, mark=row.mark))
