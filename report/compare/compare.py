"""Compares two runs: the change of each figure from A to B, and whether it exceeds the noise. Pure.

A row that is invalid in one of the runs is shown with its reason and is never compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from collector.reasons import Code, Reason, Severity, strongest
from report import format as fmt
from report.compare.model import Change, Comparison, Outcome, RowChange
from report.compare.notes import notes_on
from report.conditions import differences
from report.legend import MARKS
from report.result import RowSummary, Summary
from report.statistics import student_t
from report.statistics.backlog_wait import Backlog, per_place
from report.statistics.ratios import CONFIDENCE, Ratio, unpaired_ratio
from report.statistics.significance import detectable_difference, holm
from report.trials.trial import TrialSummary
from report.verdicts.metrics import COMPARED, Figure

#: A change within ± this share is noise, however narrow its interval: the speed of a machine varies
#: by more between two runs. Criterion's noise threshold has the same default.
NOISE = 0.01

#: Largest accepted change of a job's speed without Celery; beyond it, the machine has changed.
MACHINE_DRIFT = 0.05

#: The valid trials of one row in A and in B.
Trials = tuple[Sequence[TrialSummary], Sequence[TrialSummary]]


def compare(
    a: Summary,
    *,
    b: Summary,
    across: Sequence[str] = (),
    is_forced: bool = False,
    noise: float = NOISE,
) -> Comparison:
    """Return the comparison of two runs; the caller checks `Comparison.refusals` before its rows.

    A figure is better or worse if its Welch interval is outside ``noise`` and its p-value is below
    0.05 after Holm's correction for all comparisons made here. If only the interval is, it is not
    proved.
    """
    rows = [
        _row(row, theirs=other, a=a, b=b)
        for row in a.rows
        # an A/A control would count its original twice
        if not row.is_twin and (other := b.row(row.contender, workload=row.workload))
    ]
    p_values = {
        (row.name, change.figure.name): change.ratio.p_value
        for row in rows
        for change in row.changes
        if change.ratio and change.ratio.p_value is not None
    }
    corrected = holm(p_values)
    judged = tuple(_judge(row, corrected=corrected, noise=noise) for row in rows)
    names = {
        "contender": {row.contender for row in rows},
        "workload": {row.workload for row in rows},
    }
    return Comparison(
        a=a,
        b=b,
        noise=noise,
        differences=tuple(differences(a.conditions, b=b.conditions, names=names)),
        across=tuple(across),
        is_forced=is_forced,
        rows=judged,
        notes=tuple(notes_on(a, b=b, rows=judged)),
    )


def _row(mine: RowSummary, *, theirs: RowSummary, a: Summary, b: Summary) -> RowChange:
    trials_a, trials_b = a.repetitions_of(mine), b.repetitions_of(theirs)
    machine_ratio = _machine_ratio(trials_a, trials_b)
    reasons = [
        f"{name}: {one}"
        for name, row in (("A", mine), ("B", theirs))
        for one in row.reasons
        if one.severity in MARKS
    ]
    mark = strongest([*mine.reasons, *theirs.reasons])
    if machine_ratio is not None and not _is_within(machine_ratio, noise=MACHINE_DRIFT):
        reasons.append(str(Reason.of(Code.MACHINE_CHANGED, ratio=machine_ratio)))
        mark = mark or Severity.UNSTABLE
    invalid = [name for name, row in (("A", mine), ("B", theirs)) if row.mark is Severity.INVALID]
    backlogs = _backlogs((mine, theirs), trials=(trials_a, trials_b))
    return RowChange(
        contender=mine.contender,
        workload=mine.workload,
        pool=theirs.pool,
        slots=theirs.slots,
        is_backlog=mine.is_backlog and theirs.is_backlog,
        mark=mark,
        reasons=tuple(reasons),
        machine_ratio=machine_ratio,
        changes=tuple(
            _change(figure, trials=(trials_a, trials_b), invalid=invalid, backlogs=backlogs)
            for figure in COMPARED.values()
            if figure.measure in ("", mine.measure)
        ),
    )


def _machine_ratio(a: Sequence[TrialSummary], b: Sequence[TrialSummary]) -> float | None:
    """Return the ratio of B's ceiling to A's: the speed of the machine without Celery."""
    medians = [
        statistics.median(ceilings)
        for side in (a, b)
        if (ceilings := [trial.ceiling_per_s for trial in side if trial.ceiling_per_s])
    ]
    return medians[1] / medians[0] if len(medians) == 2 else None


def _backlogs(
    rows: tuple[RowSummary, RowSummary], *, trials: Trials
) -> tuple[Backlog, Backlog] | None:
    """Return the backlogs of A and B; None if jobs arrived at a rate."""
    if not all(row.is_backlog for row in rows) or not all(trials):
        return None
    a, b = (
        Backlog(
            jobs=round(statistics.fmean(trial.ledger.sent for trial in side)),
            slots=row.slots,
        )
        for row, side in zip(rows, trials, strict=True)
    )
    return a, b


def _change(
    figure: Figure,
    *,
    trials: Trials,
    invalid: Sequence[str],
    backlogs: tuple[Backlog, Backlog] | None,
) -> Change:
    found = [[figure.of(trial) for trial in side] for side in trials]
    a, b = ([value for value in side if value and value > 0] for side in found)
    mean_a, mean_b = (statistics.geometric_mean(side) if side else None for side in (a, b))
    missing = [name for name, side in (("A", a), ("B", b)) if not side]
    reason = f"no figure in {fmt.listed(missing)}" if missing else ""
    if invalid:
        reason = f"invalid in {fmt.listed([*invalid])}"
    ratio = None if reason else unpaired_ratio(b, theirs=a)
    if ratio and backlogs and figure.span == "wait":
        ratio = per_place(ratio, a=backlogs[0], b=backlogs[1], percentile=figure.percentile)
        reason = "" if ratio else "the backlogs differ, and are too small for a ratio per place"
    return Change(
        figure=figure, a=mean_a, b=mean_b, blocks=(len(a), len(b)), ratio=ratio, reason=reason
    )


def _judge(
    row: RowChange, *, corrected: Mapping[tuple[str, str], float], noise: float
) -> RowChange:
    changes = []
    for change in row.changes:
        p_value = corrected.get((row.name, change.figure.name))
        outcome = _outcome(change, p_value=p_value, noise=noise)
        detectable = _detectable(change, corrected=corrected, noise=noise)
        changes.append(replace(change, outcome=outcome, corrected_p=p_value, detectable=detectable))
    return replace(row, changes=tuple(changes))


def _detectable(
    change: Change, *, corrected: Mapping[tuple[str, str], float], noise: float
) -> float | None:
    """Return the minimum detectable change, beyond the noise and among the open comparisons."""
    if change.ratio is None:
        return None
    still_open = sum(p_value >= 1 - CONFIDENCE for p_value in corrected.values())
    alone, among = (_detectable_of(change.ratio, comparisons=count) for count in (1, still_open))
    return None if alone is None or among is None else max(among, (1 + alone) * (1 + noise) - 1)


def _detectable_of(ratio: Ratio, *, comparisons: int) -> float | None:
    """Return it for one of some comparisons: each step of Holm's divides the level so."""
    if ratio.freedom is None:
        return None
    level = (1 - CONFIDENCE) / max(1, comparisons)
    critical = student_t.quantile(1 - level / 2, freedom=ratio.freedom)
    return detectable_difference(ratio, critical=critical)


def _outcome(change: Change, *, p_value: float | None, noise: float) -> Outcome:
    ratio = change.ratio
    if ratio is None:
        return Outcome.NOT_COMPARED
    if p_value is None:
        return Outcome.TOO_FEW
    is_more = ratio.low > 1 + noise
    is_less = ratio.high < 1 / (1 + noise)
    if not (is_more or is_less):
        return Outcome.SAME
    if p_value >= 1 - CONFIDENCE:
        return Outcome.UNPROVED
    return Outcome.BETTER if is_more == change.figure.is_more_better else Outcome.WORSE


def _is_within(ratio: float, *, noise: float) -> bool:
    return 1 / (1 + noise) <= ratio <= 1 + noise
