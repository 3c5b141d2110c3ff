"""Measures the fairness of each contender in each mix: the slowdowns of the mix's parts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from collector.run_manifest import PlannedPart, TrialEntry, TrialResult
from collector.trial_records import TrialRecords
from poolbench.records import Outcome
from report.result import MixFairness
from report.rows.row import Row
from report.trials.slowdown import COLUMNS, slowdowns, unfairness

#: Columns of a record that are read.
_COLUMNS = (*COLUMNS, "started_ns")


def mix_fairness(
    rows: Iterable[Row], *, trials: Sequence[TrialEntry], records: TrialRecords
) -> list[MixFairness]:
    """Return the slowdowns of each row's parts, for mixes whose jobs arrived at a rate.

    In a backlog, a response is a place in the queue, which doesn't depend on fairness.

    Args:
        rows: the rows of a run.
        trials: the trials in its manifest.
        records: its records; they are read trial by trial.

    Raises:
        StorageError: if the records can't be read.
    """
    known = {one.plan.trial: one for one in trials}
    return [
        found
        for row in rows
        if row.workload.part_names and not row.twin_of
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
    found = slowdowns(jobs, ideal_s=ideal_s)
    by_part = {part: one for part, one in found.items() if one}
    unknown = "the duration of its jobs alone is unknown"
    return MixFairness(
        workload=row.workload.name,
        contender=row.contender.name,
        pool=row.contender.pool,
        by_kind=by_part,
        unfairness=unfairness(by_part.values()),
        left_out={part: unknown for part, one in found.items() if one is None},
    )


def _ideal_s(trials: Sequence[TrialEntry], *, jobs: pl.DataFrame) -> dict[str, float]:
    """Return the response of a job of each part alone, seconds; infinite if it is unknown.

    It is the CPU-seconds without Celery, measured before and after the trials, plus the wait in the
    job's parameters. If both are unknown (disk, Redis), it is the shortest execution. A countdown,
    and the executions that have to end before a later link or the body of a chord, come in
    addition.
    """
    ran_s = (pl.col("finished_ns") - pl.col("started_ns")) / 1e9
    done = jobs.filter(pl.col("outcome") == Outcome.DONE.value)
    shortest_s = dict(done.group_by("part").agg(ran_s.min()).iter_rows())
    known_s: dict[str, list[float]] = {}
    for trial in trials:
        for part in trial.plan.parts:
            known_s.setdefault(part.name, []).append(_known_s(part, result=trial.result))
    alone_s = {
        name: statistics.fmean(found) if (found := [*filter(None, both)]) else shortest_s.get(name)
        for name, both in known_s.items()
    }
    return _responses_s(trials[0].plan.parts, alone_s=alone_s)


def _responses_s(
    parts: Sequence[PlannedPart], *, alone_s: Mapping[str, float | None]
) -> dict[str, float]:
    """Return part → response of a job alone, from the duration of each execution alone.

    It is infinite if it is unknown.
    """
    found: dict[str, float] = {}
    for place, part in enumerate(parts):
        before_s = [found[one.name] for one in parts[:place] if part.canvas == one.canvas]
        shape = part.canvas.shape if part.canvas and before_s else ""
        is_last = all(one.canvas != part.canvas for one in parts[place + 1 :])
        follows = shape == "chain" or (shape == "chord" and is_last)
        own_s = alone_s[part.name]
        found[part.name] = (
            part.options.countdown_s
            + (max(before_s) if follows else 0.0)
            + (math.inf if own_s is None else own_s)
        )
    return found


def _known_s(part: PlannedPart, *, result: TrialResult) -> float:
    both_s = [cost.parts.get(part.name) for cost in (result.cost_before, result.cost_after)]
    cpu_s = [one for one in both_s if one]
    return (statistics.fmean(cpu_s) if cpu_s else 0.0) + (part.ideal_wait_s or 0.0)
