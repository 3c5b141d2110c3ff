"""Compares contenders by every figure: throughput, CPU and memory per job, percentiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from collector.reasons import Severity
from report.result import Decided, RowSummary, Summary, Verdict
from report.statistics.significance import compare_planned_figures
from report.verdicts.metrics import COMPARED, Figure


def compare_figures(summary: Summary, *, verdict: Verdict) -> dict[str, tuple[Decided, ...]]:
    """Return figure → each contender against the baseline; without figures that can't be compared.

    Each figure is a question of its own. Throughput is in `Verdict.decisions`. Waits in a backlog
    are places in the queue, which depend on its size.
    """
    rows = [
        row
        for row in summary.of_workload(verdict.workload)
        if row.mark is not Severity.INVALID and not row.is_twin
    ]
    names = [row.contender for row in rows if row.contender != verdict.baseline]
    if verdict.baseline is None or len(names) == len(rows):
        return {}
    found = {
        figure.name: compare_pairs_by(
            figure,
            summary=summary,
            workload=verdict.workload,
            pairs=[(name, verdict.baseline) for name in names],
        )
        for figure in COMPARED.values()
        if figure.name != "throughput"
        and not (figure.span == "wait" and any(row.is_backlog for row in rows))
    }
    return {name: tuple(answers.values()) for name, answers in found.items() if answers}


def compare_pairs_by(
    figure: Figure,
    *,
    summary: Summary,
    workload: str,
    pairs: list[tuple[str, str]],
    part: str = "",
) -> Mapping[tuple[str, str], Decided]:
    """Return pairs of a workload's contenders, compared by a figure as one question.

    With ``part``, the figure is that of a part of a mix.
    """
    figures = figures_by_contender(figure, summary=summary, workload=workload, part=part)
    answers = compare_planned_figures(figures, pairs=pairs)
    return {
        (ours, theirs): Decided(
            contender=ours, against=theirs, ratio=answer.ratio, decision=answer.decision
        )
        for (ours, theirs), answer in answers.items()
    }


def figures_by_contender(
    figure: Figure,
    *,
    summary: Summary,
    workload: str,
    has_controls: bool = False,
    part: str = "",
) -> dict[str, dict[int, float]]:
    """Return contender → block → figure of a workload's valid rows."""
    return {
        row.contender: _by_block(figure, row=row, summary=summary, part=part)
        for row in summary.of_workload(workload)
        if row.mark is not Severity.INVALID and (has_controls or not row.is_twin)
    }


def _by_block(figure: Figure, *, row: RowSummary, summary: Summary, part: str) -> dict[int, float]:
    found = {
        trial.block: figure.of(trial.parts[part] if part else trial)
        for trial in summary.repetitions_of(row)
    }
    return {block: value for block, value in found.items() if value}
