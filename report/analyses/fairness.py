"""How the parts of each mix fared beside each other, contender by contender."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from collector.run_manifest import PlannedPart, TrialEntry, TrialResult
from collector.trial_records import TrialRecords
from poolbench.records import Outcome
from report.result import MixFairness
from report.rows.row import Row
from report.trials.slowdown import COLUMNS, judge_fairness

#: What is read of a record.
_COLUMNS = (*COLUMNS, "started_ns", "part")


def mix_fairness(
    rows: Iterable[Row], *, trials: Sequence[TrialEntry], records: TrialRecords
) -> list[MixFairness]:
    """Return how each row's parts were slowed, for mixes whose jobs came at a rate.

    In a backlog a response is a place in the queue, which tells nothing of fairness.

    Args:
        rows: of a run.
        trials: the manifest's.
        records: the run's; those of one trial are read at a time.

    Raises:
        StorageError: if they can't be read.
    """
    known = {one.plan.trial: one for one in trials}
    return [
        found
        for row in rows
        if row.workload.mix and not row.twin_of
        if (found := _fairness(row, entries=known, records=records))
    ]


def _fairness(
    row: Row, *, entries: Mapping[int, TrialEntry], records: TrialRecords
) -> MixFairness | None:
    trials = [trial.trial for trial in row.valid if not trial.is_backlog]
    if not trials:
        return None
    jobs = pl.concat([records.read(trial, columns=list(_COLUMNS)) for trial in trials])
    ideal_s = _ideal_s([entries[trial] for trial in trials], jobs=jobs)
    found = judge_fairness(jobs, ideal_s=ideal_s, by="part")
    return MixFairness(
        workload=row.workload.name,
        contender=row.contender.name,
        pool=row.contender.pool,
        by_kind=found.by_kind,
        unfairness=found.unfairness,
        left_out=found.left_out,
    )


def _ideal_s(trials: Sequence[TrialEntry], *, jobs: pl.DataFrame) -> dict[str, float | None]:
    """Return how long a job of each part takes alone, seconds.

    Its CPU-seconds without Celery, by the gauge beside the trials, and the wait that it was asked
    for. Where neither is known (a disk, Redis), the shortest execution that was seen of it here.
    """
    shortest_ns = dict(
        jobs.filter(pl.col("outcome") == Outcome.DONE.value)
        .group_by("part")
        .agg(ns=(pl.col("finished_ns") - pl.col("started_ns")).min())
        .iter_rows()
    )
    ideal_s: dict[str, float | None] = {}
    for name in dict.fromkeys(part.name for trial in trials for part in trial.plan.parts):
        known_s = [
            part_s
            for trial in trials
            for part in trial.plan.parts
            if part.name == name and (part_s := _known_s(part, result=trial.result))
        ]
        seen_ns = shortest_ns.get(name)
        if known_s:
            ideal_s[name] = statistics.fmean(known_s)
        else:
            ideal_s[name] = seen_ns / 1e9 if seen_ns else None
    return ideal_s


def _known_s(part: PlannedPart, *, result: TrialResult) -> float:
    both_s = [cost.parts.get(part.name) for cost in (result.cost_before, result.cost_after)]
    cpu_s = [one for one in both_s if one]
    return (statistics.fmean(cpu_s) if cpu_s else 0.0) + (part.ideal_wait_s or 0.0)
