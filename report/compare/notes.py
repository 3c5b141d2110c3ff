"""Notes to read before the ratios of two runs, in whole sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from report import format as fmt
from report.compare.model import Outcome, RowChange
from report.result import Summary
from report.statistics.ratios import CLAIM_BLOCKS
from report.summary import P99_JOBS, busy_notes


def notes_on(a: Summary, *, b: Summary, rows: Sequence[RowChange]) -> Iterator[str]:
    """Yield the notes to read before the ratios, in whole sentences."""
    if a.run == b.run:
        yield "A and B are the same run."
    for name, summary in (("A", a), ("B", b)):
        if summary.state != "finished":
            yield f"{name} was interrupted; its results are partial."
        yield from busy_notes(summary.machine, run=name)
    yield from _left_out(a, b=b, rows=rows)
    if any(change.outcome is Outcome.TOO_FEW for row in rows for change in row.changes):
        yield (
            f"A run with fewer than {CLAIM_BLOCKS} repetitions allows no claim: the interval is "
            "the range of all pairs."
        )
    yield from _backlog_notes(a, b=b, rows=rows)
    compared = {(row.contender, row.workload) for row in rows}
    if any(
        0 < trial.ledger.done < P99_JOBS
        for summary in (a, b)
        for trial in summary.trials
        if (trial.contender, trial.workload) in compared and not trial.is_pilot
    ):
        yield f"The p99 of a repetition with fewer than {P99_JOBS} jobs is about its maximum."


def _left_out(a: Summary, *, b: Summary, rows: Sequence[RowChange]) -> Iterator[str]:
    """Yield a note on what only one run has: contenders and workloads first, then single rows."""
    contenders = {row.contender for row in rows}
    workloads = {row.workload for row in rows}
    shared = {row.name for row in rows}
    for name, summary in (("A", a), ("B", b)):
        missing = [
            *(
                one.name
                for one in summary.contenders
                if one.name not in contenders and not one.twin_of
            ),
            *(one.name for one in summary.workloads if one.name not in workloads),
            *(
                row.name
                for row in summary.rows
                if row.contender in contenders
                and row.workload in workloads
                and row.name not in shared
            ),
        ]
        if missing:
            yield f"Only in {name}, not compared: {fmt.listed(missing)}."


def _backlog_notes(a: Summary, *, b: Summary, rows: Sequence[RowChange]) -> Iterator[str]:
    for row in rows:
        mine, theirs = (
            {
                trial.ledger.sent
                for trial in summary.trials
                if trial.is_repetition
                and (trial.contender, trial.workload) == (row.contender, row.workload)
            }
            for summary in (a, b)
        )
        if row.is_backlog and mine != theirs:
            yield (
                "Backlogs differ in size between the runs, and a wait in a backlog is a place in "
                "the queue: its ratio is per place."
            )
            return
