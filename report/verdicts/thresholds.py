"""Checks an experiment's thresholds, its `fail_on`, in the rows of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collector.reasons import Severity
from poolbench.errors import UsageError
from report import format as fmt
from report.result import (
    THROUGHPUT,
    Checked,
    Decided,
    RowSummary,
    Status,
    Summary,
    find_decided,
)
from report.statistics.ratios import Ratio
from report.verdicts.fail_on import Condition, parse_conditions
from report.verdicts.figures import compare_pairs_by
from report.verdicts.metrics import FIGURES


def check_thresholds(texts: Sequence[str], *, summary: Summary) -> tuple[Checked, ...]:
    """Return the result of each threshold in each row that it matches.

    Args:
        texts: the conditions, as in the manifest.
        summary: the summary of the run.

    Raises:
        UsageError: with the faults of all invalid conditions.
    """
    conditions, faults = parse_conditions(texts, is_one_run=True)
    if faults:
        raise UsageError(*faults)
    return tuple(
        checked for condition in conditions for checked in _check(condition, summary=summary)
    )


def _check(condition: Condition, *, summary: Summary) -> Iterator[Checked]:
    # an A/A control is measured for the noise only: thresholds apply to its original
    rows = [
        (row, part)
        for row in summary.rows
        for part in ("", *row.parts)
        if condition.names(row.name, part=part) and not row.is_twin
    ]
    end = f"its {condition.end} end " if condition.end else ""
    unit = f" × {condition.against}" if condition.against else ""
    note = f"and {end}must not be {condition.sign} {condition.number:g}{unit}"
    for row, part in rows:
        measured, reason = _measured(condition, row=row, part=part, summary=summary)
        yield condition.judge(
            measured,
            contender=row.contender,
            workload=row.workload,
            part=part,
            reason=reason,
            note=note,
        )
    if not rows:
        yield Checked(
            condition=condition.text,
            contender="",
            workload="",
            figure=condition.measure,
            number=None,
            status=Status.UNMEASURED,
            text=f"{condition.rows}: not measured in this run",
        )


def _measured(
    condition: Condition, *, row: RowSummary, part: str, summary: Summary
) -> tuple[Ratio | float | None, str]:
    """Return a row's or part's ratio or number, and the reason to print if it is None."""
    other = summary.row(condition.against, workload=row.workload)
    compared = [row, *([other] if other else [])]
    invalid = [one.contender for one in compared if one.mark is Severity.INVALID]
    if invalid:
        return None, f"{fmt.listed(invalid)} invalid"
    if not condition.against:
        return condition.figure.of(row.parts[part] if part else row), "no such figure"
    if other is None:
        return None, f"{condition.against} was not measured"
    return _ratio(condition, row=row, part=part, summary=summary), "no such figure in both"


def _ratio(condition: Condition, *, row: RowSummary, part: str, summary: Summary) -> Ratio | None:
    """Return the ratio that the tables show, or if they have none, one of a single comparison."""
    verdict = summary.verdict(row.workload)
    shown: Sequence[Decided]
    if part:
        shown = ()
    elif condition.figure is not FIGURES["throughput"]:
        shown = verdict.figures.get(condition.figure.name, ())
    else:
        # of a search, both are the sustained rate; of a rate or a curve, the figures differ
        is_same = verdict.figure == THROUGHPUT or row.measure == "sustain"
        shown = verdict.decisions if is_same else ()
    found = find_decided(shown, contender=row.contender, against=condition.against)
    if found is None:
        pair = (row.contender, condition.against)
        answers = compare_pairs_by(
            condition.figure, summary=summary, workload=row.workload, part=part, pairs=[pair]
        )
        found = answers.get(pair)
    return found.ratio if found else None
