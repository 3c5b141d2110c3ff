"""Checks the conditions of `poolbench compare --fail-on` in a comparison. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from poolbench.errors import UsageError
from report.compare.model import Comparison, Outcome
from report.result import Checked
from report.verdicts.fail_on import Condition, row_faults

#: Outcome → the note on a number, if it differs from the outcome's own text.
_NOTES = {
    Outcome.SAME: "no difference beyond the noise",
    Outcome.UNPROVED: "not proved among so many comparisons",
    Outcome.TOO_FEW: "too few repetitions for a claim",
}


def check_conditions(conditions: Sequence[Condition], *, comparison: Comparison) -> list[Checked]:
    """Return the result of each condition in each row of a comparison that it matches.

    Raises:
        UsageError: with the faults of all conditions that match no row.
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
            note=_NOTES.get(change.outcome, change.outcome),
        )
        for condition in conditions
        for row in comparison.rows
        if condition.names(row.name)
        for change in [row.change(condition.figure)]
    ]
