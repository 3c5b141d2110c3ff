"""How the parts of each mix fared beside each other, contender by contender."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from collector.trial_records import TrialRecords
from poolbench.records import Outcome
from report.result import MixFairness
from report.rows.row import Row
from report.trials.slowdown import COLUMNS, judge_fairness

#: What is read of a record.
_COLUMNS = (*COLUMNS, "started_ns", "part")


def mix_fairness(
    rows: Iterable[Row], *, plans: Sequence[Mapping[str, Any]], records: TrialRecords
) -> list[MixFairness]:
    """Return how each row's parts were slowed, for mixes whose jobs came at a rate.

    In a backlog a response is a place in the queue, which tells nothing of fairness.

    Args:
        rows: of a run.
        plans: the manifest's trials.
        records: the run's; those of one trial are read at a time.

    Raises:
        StorageError: if they can't be read.
    """
    known = {plan["trial"]: plan for plan in plans}
    return [
        found
        for row in rows
        if row.workload.get("mix") and not row.twin_of
        if (found := _fairness(row, plans=known, records=records))
    ]


def _fairness(
    row: Row, *, plans: Mapping[int, Mapping[str, Any]], records: TrialRecords
) -> MixFairness | None:
    trials = [trial.index for trial in row.valid if trial.load]
    if not trials:
        return None
    jobs = pl.concat([records.read(trial, columns=list(_COLUMNS)) for trial in trials])
    ideal_s = _ideal_s([plans[trial] for trial in trials], jobs=jobs)
    found = judge_fairness(jobs, ideal_s=ideal_s, by="part")
    return MixFairness(
        workload=row.workload["name"],
        contender=row.contender["name"],
        pool=row.contender["pool"],
        by_kind=found.by_kind,
        unfairness=found.unfairness,
        left_out=found.left_out,
    )


def _ideal_s(plans: Sequence[Mapping[str, Any]], *, jobs: pl.DataFrame) -> dict[str, float | None]:
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
    parts = [part for plan in plans for part in plan.get("parts") or []]
    for name in dict.fromkeys(part["name"] for part in parts):
        told_s = [told for part in parts if part["name"] == name if (told := _known_s(part))]
        seen_ns = shortest_ns.get(name)
        if told_s:
            ideal_s[name] = statistics.fmean(told_s)
        else:
            ideal_s[name] = seen_ns / 1e9 if seen_ns else None
    return ideal_s


def _known_s(part: Mapping[str, Any]) -> float:
    both_s = [part.get("cpu_s_per_job_before"), part.get("cpu_s_per_job_after")]
    cpu_s = [one for one in both_s if one]
    return (statistics.fmean(cpu_s) if cpu_s else 0.0) + (part.get("ideal_wait_s") or 0.0)
