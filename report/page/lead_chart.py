"""Chooses what a reader sees first: the one chart that answers the experiment's question. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from report.charts import capacity, load, scaling, waits
from report.charts.picture import Picture, Summary


class Answer(StrEnum):
    """What kind of chart answers a question, by what was asked."""

    CROSSOVER = "crossover"
    SWEEP = "sweep"
    CURVE = "curve"
    SUSTAINED = "sustained"
    FAIRNESS = "fairness"
    RESPONSE = "response"
    ADVANTAGE = "advantage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hero:
    """The first chart, and what kind it is."""

    answer: Answer
    picture: Picture


def choose_answer(summary: Summary) -> Answer:
    """Return what kind of chart comes first, by what the summary holds.

    The rarest comes first: an experiment that sweeps a setting or draws a curve was written for
    that, and throughputs are there in any run.
    """
    rows = summary["rows"]
    measured = [row for row in rows if row.get("repetitions")]
    held: Mapping[Answer, bool] = {
        Answer.CROSSOVER: any(len(one["lines"]) > 0 for one in summary["crossovers"]),
        Answer.SWEEP: bool(summary.get("sweeps")),
        Answer.CURVE: any(_is_measured(one) for one in summary.get("curves") or []),
        Answer.SUSTAINED: any(row.get("sustained_per_s") for row in rows),
        Answer.FAIRNESS: any(one["by_kind"] for one in summary.get("fairness") or []),
        Answer.RESPONSE: bool(measured) and not any(row["is_backlog"] for row in measured),
    }
    return next((answer for answer, is_sustained in held.items() if is_sustained), Answer.ADVANTAGE)


def choose_hero(summary: Summary) -> Hero:
    """Return the first chart of a run."""
    answer = choose_answer(summary)
    return Hero(answer=answer, picture=_DRAWN[answer](summary))


def _crossover(summary: Summary) -> Picture:
    return scaling.crossover(summary, found=summary["crossovers"][0])


def _sweep(summary: Summary) -> Picture:
    return scaling.sweep(summary, group=scaling.sweep_groups(summary)[0])


def _curve(summary: Summary) -> Picture:
    first = next(one for one in summary["curves"] if _is_measured(one))
    return load.load_curve(summary, workload=first["workload"])


def _is_measured(curve: Mapping[str, Any]) -> bool:
    return any(point["rate_per_s"] is not None for point in curve["points"])


def _fairness(summary: Summary) -> Picture:
    return load.fairness(summary, workload=summary["fairness"][0]["workload"])


_DRAWN: Mapping[Answer, Callable[[Summary], Picture]] = {
    Answer.CROSSOVER: _crossover,
    Answer.SWEEP: _sweep,
    Answer.CURVE: _curve,
    Answer.SUSTAINED: load.sustained,
    Answer.FAIRNESS: _fairness,
    Answer.RESPONSE: waits.first_response,
    Answer.ADVANTAGE: capacity.advantage,
}
