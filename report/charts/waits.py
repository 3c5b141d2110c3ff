"""Charts of latency: the parts of a job's time, and the producer's lag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Panel, Spec, largest, marked, named, of_row
from report.charts.style import SECONDS, logarithmic
from report.legend import CAUSES, beside_idle
from report.result import RowSummary, Summary
from report.statistics.percentiles import Tail
from report.trials.wait_causes import Cause, WaitCauses

READING = "Dot and figure: p50. Line: to p95 (small tick) and p99 (end)."

#: The percentiles that charts draw.
DRAWN = ("p50", "p95", "p99")

#: Titles of percentiles in tables and tooltips: field → title.
PERCENTILE_TITLES: Mapping[str, str] = {
    "figure": "p50",
    "p90_text": "p90",
    "p95_text": "p95",
    "p99_text": "p99",
    "p99_9_text": "p99.9",
}

#: Titles of a cause's times: field → title.
_CAUSE_TITLES = {"mean": "mean", "p50": "p50", "p95": "p95"}

_WAIT = "Wait: due → started"
_RESPONSE = "Response: due → finished"

#: Part of a job's time → function that returns it from a row.
_PARTS: Mapping[str, Callable[[RowSummary], Tail | None]] = {
    "Lag: due → sent": lambda row: row.wait_parts_s.lag or row.lag_s,
    "Broker: sent → received": lambda row: row.wait_parts_s.broker,
    "Prefetch: received → started": lambda row: row.wait_parts_s.prefetch,
    _WAIT: lambda row: row.wait_s,
    "Execution: started → finished": lambda row: row.wait_parts_s.execution or row.execution_s,
    _RESPONSE: lambda row: row.response_s,
}


def split(summary: Summary, *, workload: str) -> Chart:
    """Return the chart of each part of a job's time, and of the whole, on one axis."""
    found = summary.of_workload(workload)
    shown = [part for part, of in _PARTS.items() if any(of(row) for row in found)] or [_WAIT]
    rows = [_time_row(row, of=_PARTS[part], panel=part) for part in shown for row in found]
    return lanes.lane_chart(
        rows,
        name=f"latency-{workload}",
        title="Where a job's time goes",
        caption=(
            f"{READING} Percentiles of parts don't add up to those of the whole, so nothing is "
            "stacked."
        ),
        titles={"panel": "part", **PERCENTILE_TITLES},
        x=logarithmic("time", rows=rows, fields=DRAWN, show=SECONDS),
        layers=percentile_layers(),
        columns=3,
    )


def causes(summary: Summary, *, workload: str) -> Chart | None:
    """Return the chart of the shares of the wait by cause; None if no row has any."""
    found = [(row, waits) for row in summary.of_workload(workload) for waits in row.wait_causes]
    shown = [cause for cause in Cause if any(cause in waits.causes for _, waits in found)]
    if not shown:
        return None
    names = {cause: CAUSES[cause][0] for cause in shown}
    rows = [one for row, waits in found for one in _segments(row, waits=waits, names=names)]
    colours = {name: f"var(--cause-{cause.replace('_', '-')})" for cause, name in names.items()}
    axis = {"field": "x", "type": "quantitative", "title": "share of the wait"}
    idle = beside_idle(row for row in summary.of_workload(workload) if not row.is_twin)
    chart = lanes.lane_chart(
        rows,
        name=f"causes-{workload}",
        title="Why do jobs wait?",
        caption=(
            "Shares of all jobs' waiting time; figure: mean wait. "
            f"{'; '.join(f'{name}: {CAUSES[cause][1]}' for cause, name in names.items())}."
        ),
        titles={"panel": "part", "cause": "cause", "share": "share", **_CAUSE_TITLES},
        x={**axis, "scale": {"domain": [0, 1]}, "axis": {"format": "%", "tickCount": 5}},
        layers=[lanes.segments("x", "x2", by="cause", colours=colours)],
        columns=2,
    )
    return replace(chart, notes=(idle,) if idle else ())


def first_response(summary: Summary) -> Chart:
    """Return the chart of the response by workload, or of the wait if no row has a response."""
    part = _RESPONSE if any(row.response_s for row in summary.rows) else _WAIT
    rows = [_time_row(row, of=_PARTS[part], panel=row.workload) for row in summary.rows]
    return lanes.lane_chart(
        rows,
        name="response",
        title=f"How long does a job take? {part}",
        caption=f"{READING} Shorter is better.",
        titles={"panel": "workload", **PERCENTILE_TITLES},
        x=logarithmic("time", rows=rows, fields=DRAWN, show=SECONDS),
        layers=percentile_layers(),
        columns=2,
    )


def lag_histogram(summary: Summary, *, workload: str) -> Chart | None:
    """Return the chart of the producer's lag; None if no row has a lag histogram."""
    found = [row for row in summary.of_workload(workload) if row.lag_histogram]
    if not found:
        return None
    bins = sorted({(one.from_s, one.to_s) for row in found for one in row.lag_histogram})
    rows = [one for row in found for one in _lags(row, bins=bins)]
    top = largest(rows, fields=["share"])
    titles = {"lag": "lag", "jobs": "jobs", "share_text": "of its jobs"}
    spec = lanes.ridges(
        rows,
        x=logarithmic("lag", rows=rows, fields=["x", "x2"], beyond=1.0, show=SECONDS),
        fields=["share"],
        top=top,
        titles=titles,
    )
    p99 = (f"{named(row)} {fmt.duration((row.lag_s or Tail()).p99)}" for row in found)
    return Chart(
        name=f"lag-{workload}",
        title="Lag of the producer",
        caption=(
            "Height: share of the jobs with this lag, the time from due to sent, up to "
            f"{fmt.percent(top)}. p99: {', '.join(p99)}."
        ),
        rows=rows,
        titles=titles,
        panels=[Panel(spec=spec)],
    )


def percentile_layers() -> list[Spec]:
    """Return the layers for `percentile_fields` in lanes."""
    return [
        lanes.line("p50", "end", opacity=0.6),
        lanes.dot("p50"),
        lanes.tick("p95", height=0.35),
        lanes.tick("p99", height=0.65),
    ]


def percentile_fields(
    found: Tail | None, *, mark: str, show: Callable[[float | None], str]
) -> Spec:
    """Return the fields for `percentile_layers` and `PERCENTILE_TITLES`."""
    tail = found or Tail()
    drawn = {name: getattr(tail, name) for name in DRAWN}
    known = [value for value in drawn.values() if value is not None]
    return {
        **drawn,
        "end": max(known, default=None),
        "figure": marked(show(tail.p50), mark=mark),
        "p90_text": show(tail.p90),
        "p95_text": show(tail.p95),
        "p99_text": show(tail.p99),
        "p99_9_text": show(tail.p99_9),
    }


def _time_row(row: RowSummary, *, of: Callable[[RowSummary], Tail | None], panel: str) -> Spec:
    fields = percentile_fields(of(row), mark=row.mark, show=fmt.duration)
    return of_row(row, panel=panel, **fields)


def _segments(row: RowSummary, *, waits: WaitCauses, names: Mapping[Cause, str]) -> Iterator[Spec]:
    """Yield a row for each cause: where its share begins and ends, in the order of the causes."""
    end, whole = 0.0, marked(fmt.duration(waits.mean_s), mark=row.mark)
    for cause, times in waits.causes.items():
        start, end = end, end + times.share
        yield of_row(
            row,
            panel=waits.part or "all jobs",
            cause=names[cause],
            x=start,
            x2=end,
            share=fmt.percent(times.share),
            mean=fmt.duration(times.mean_s),
            p50=fmt.duration(times.times_s.p50),
            p95=fmt.duration(times.times_s.p95),
            # once for each lane
            figure=None if start else whole,
        )


def _lags(row: RowSummary, *, bins: Sequence[tuple[float, float]]) -> list[Spec]:
    """Return a row for each bin, and a row at its end if no other bin begins there."""
    counts = {(one.from_s, one.to_s): one.jobs for one in row.lag_histogram}
    total = sum(counts.values()) or 1
    begins = {start for start, _ in bins}
    drawn: list[Spec] = []
    for start, end in bins:
        jobs = counts.get((start, end), 0)
        texts = {"jobs": fmt.count(jobs), "share_text": fmt.percent(jobs / total)}
        lag = f"{fmt.duration(start)} to {fmt.duration(end)}"
        drawn.append(of_row(row, x=start, x2=end, share=jobs / total, lag=lag, **texts))
        if end not in begins:
            drawn.append(of_row(row, x=end, share=0.0))
    return drawn
