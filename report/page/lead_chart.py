"""Selects the first chart of the page: the one that answers the experiment's question. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from collector.worker_figures import WORKER_MEASURES
from report.charts import capacity, load, scaling, waits, worker
from report.charts.chart import Chart
from report.result import LoadCurve, Summary


class Answer(StrEnum):
    """The kind of chart that answers a question."""

    CROSSOVER = "crossover"
    SWEEP = "sweep"
    CURVE = "curve"
    SUSTAINED = "sustained"
    FAIRNESS = "fairness"
    WORKER = "worker"
    RESPONSE = "response"
    ADVANTAGE = "advantage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The first chart, and its kind."""

    answer: Answer
    chart: Chart


def choose_answer(summary: Summary) -> Answer:
    """Return the kind of the first chart, by the content of the summary.

    The rarest kind comes first: if an experiment has a sweep or a load curve, that is its purpose,
    while every run has throughputs.
    """
    measured = [row for row in summary.rows if row.repetitions]
    available: Mapping[Answer, bool] = {
        Answer.CROSSOVER: any(one.lines for one in summary.crossovers),
        Answer.SWEEP: bool(summary.sweeps),
        Answer.CURVE: any(_is_measured(one) for one in summary.curves),
        Answer.SUSTAINED: any(row.sustained_per_s for row in summary.rows),
        Answer.FAIRNESS: any(one.by_kind for one in summary.fairness),
        Answer.WORKER: bool(measured) and all(row.measure in WORKER_MEASURES for row in measured),
        Answer.RESPONSE: bool(measured) and not any(row.is_backlog for row in measured),
    }
    return next((answer for answer, has in available.items() if has), Answer.ADVANTAGE)


def choose_lead(summary: Summary) -> Lead:
    """Return the first chart of a run."""
    answer = choose_answer(summary)
    return Lead(answer=answer, chart=_DRAWN[answer](summary))


def _is_measured(curve: LoadCurve) -> bool:
    return any(point.rate_per_s is not None for point in curve.points)


def _curve(summary: Summary) -> Chart:
    first = next(one for one in summary.curves if _is_measured(one))
    return load.load_curve(summary, workload=first.workload)


_DRAWN: Mapping[Answer, Callable[[Summary], Chart]] = {
    Answer.CROSSOVER: lambda summary: scaling.crossover(summary, found=summary.crossovers[0]),
    Answer.SWEEP: lambda summary: scaling.sweep(summary, group=scaling.sweep_groups(summary)[0]),
    Answer.CURVE: _curve,
    Answer.SUSTAINED: load.sustained,
    Answer.FAIRNESS: lambda summary: load.fairness(summary, workload=summary.fairness[0].workload),
    Answer.WORKER: lambda summary: worker.lead(summary, workload=summary.workloads[0].name),
    Answer.RESPONSE: waits.first_response,
    Answer.ADVANTAGE: capacity.advantage,
}
