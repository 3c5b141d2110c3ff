"""Pure: the thresholds of an experiment, its `fail_on`, held against a run's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from poolbench.errors import UsageError
from report import format as fmt
from report.statistics.ratios import Ratio, paired_ratio
from report.verdicts.fail_on import Checked, Condition, Status, parse_conditions
from report.verdicts.metrics import valid_trials

Row = Mapping[str, Any]


def check_thresholds(texts: Sequence[str], *, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each threshold in each row that it names, as it stands in ``summary.json``.

    Args:
        texts: the conditions, as in the manifest.
        summary: with its ``rows`` and ``trials``.

    Raises:
        UsageError: with every condition that can't be read.
    """
    conditions, faults = parse_conditions(texts, is_one_run=True)
    if faults:
        raise UsageError(*faults)
    return [
        checked.as_dict()
        for condition in conditions
        for checked in _check(condition, summary=summary)
    ]


def missed(summary: Mapping[str, Any]) -> list[str]:
    """Return the sentences of the thresholds that were missed."""
    return _texts(summary, status=Status.MISSED)


def unchecked(summary: Mapping[str, Any]) -> list[str]:
    """Return the sentences of the thresholds that could not be checked."""
    return _texts(summary, status=Status.UNCHECKED)


def _texts(summary: Mapping[str, Any], *, status: Status) -> list[str]:
    return [one["text"] for one in summary["thresholds"] if one["status"] == status]


def _check(condition: Condition, *, summary: Mapping[str, Any]) -> Iterator[Checked]:
    # a twin is measured for the noise: what is required of its original, is once
    rows = [
        row
        for row in summary["rows"]
        if condition.names(f"{row['contender']}/{row['workload']}") and not row.get("is_twin")
    ]
    end = f"its {condition.end} end " if condition.end else ""
    unit = f" × {condition.against}" if condition.against else ""
    note = f"and {end}must not be {condition.sign} {condition.number:g}{unit}"
    for row in rows:
        seen, reason = _seen(condition, row=row, summary=summary)
        yield condition.judge(
            seen, contender=row["contender"], workload=row["workload"], reason=reason, note=note
        )
    if not rows:
        yield Checked(
            condition=condition,
            contender="",
            workload="",
            number=None,
            status=Status.UNMEASURED,
            text=f"{condition.rows}: not measured in this run, so nothing is known of it",
        )


def _seen(
    condition: Condition, *, row: Row, summary: Mapping[str, Any]
) -> tuple[Ratio | float | None, str]:
    """Return a row's ratio or number, or None and why there is none."""
    against = (condition.against, row["workload"])
    others = [one for one in summary["rows"] if (one["contender"], one["workload"]) == against]
    invalid = [one["contender"] for one in (row, *others) if one["mark"] == "!"]
    if invalid:
        return None, f"{fmt.listed(invalid)} invalid"
    if not condition.against:
        return condition.figure.of_row(row), "no such figure"
    if not others:
        return None, f"{condition.against} was not measured"
    ours, theirs = (_by_block(condition, row=one, summary=summary) for one in (row, others[0]))
    return paired_ratio(ours, theirs=theirs), "no such figure in both"


def _by_block(condition: Condition, *, row: Row, summary: Mapping[str, Any]) -> dict[int, float]:
    trials = valid_trials(summary, contender=row["contender"], workload=row["workload"])
    figures = {trial["block"]: condition.figure.of_trial(trial) for trial in trials}
    return {block: figure for block, figure in figures.items() if figure}
