"""Holds the conditions of `poolbench compare --fail-on` against a comparison. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from poolbench.errors import UsageError
from report.compare.model import Change, Comparison, Outcome
from report.result import Checked
from report.verdicts.fail_on import Condition, row_faults


def check_conditions(conditions: Sequence[Condition], *, comparison: Comparison) -> list[Checked]:
    """Return what became of each condition in each row of a comparison that it names.

    Raises:
        UsageError: with every condition that names no row.
    """
    faults = row_faults(conditions, names=[row.name for row in comparison.rows])
    if faults:
        raise UsageError(*faults)
    return [
        condition.judge(
            change.ratio,
            contender=row.contender,
            workload=row.workload,
            reason=change.reason,
            note=_said(change),
        )
        for condition in conditions
        for row in comparison.rows
        if condition.names(row.name)
        for change in [row.change(condition.figure)]
    ]


def _said(change: Change) -> str:
    if change.outcome is Outcome.SAME:
        return "no difference beyond the noise"
    if change.outcome is Outcome.UNPROVED:
        return "not proved among so many comparisons"
    if change.outcome is Outcome.TOO_FEW:
        return "too few repetitions for a claim"
    return change.outcome.value
