"""Computes the ledger of a trial; figures of a trial with an open ledger are invalid. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import polars as pl

from collector.job_trees import trees
from collector.reasons import Code, Reason
from poolbench.errors import PlannedError
from poolbench.records import FINAL_OUTCOMES, Outcome
from poolbench.summaries import Ledger

#: Outcomes of a finished execution: two of them for one attempt of one job show that it ran twice.
_FINISHED = (Outcome.DONE.value, Outcome.FAILED.value, Outcome.TIMED_OUT.value)

_FINAL = [final.value for final in FINAL_OUTCOMES]

#: Ends of a job, from the one that counts most: a job that was done in any execution is done.
_ENDS = ("done", "failed", "failed_as_planned", "expired")

#: Whether a record is of an execution that failed because its experiment lets it fail.
IS_PLANNED_FAILURE = pl.col("error").str.starts_with(PlannedError.__name__).fill_null(value=False)

_JOB = ("trial", "seq")


def ledgers(
    records: pl.DataFrame, *, sent: Mapping[int, int], published: pl.DataFrame | None = None
) -> dict[int, Ledger]:
    """Return the ledger of each trial that was sent or recorded, in order of the trials.

    Records of jobs without Poolbench's header (null ``seq``) are in no ledger.

    Args:
        records: of the columns ``trial, seq, attempt, outcome, error, finished_again_ns``; others
            are ignored.
        sent: jobs sent, by trial.
        published: for a user's app: the messages that its jobs have published, of the same trials
            or of more (`collector.job_trees`). A job ends with the last of them, and a duplicate is
            one of a message. ``task_id`` and ``received_ns``, ``started_ns`` and ``finished_ns``
            are read too.
    """
    ours = records.lazy().filter(pl.all_horizontal(pl.col(*_JOB).is_not_null()))
    if published is None:
        ends, message = _jobs(ours), [*_JOB]
    else:
        ends, message = _trees(ours, published=published), [*_JOB, "task_id"]
    counted = pl.concat([ends, _retried(ours), _duplicated(ours, message=message)], how="align")
    counts = {row.pop("trial"): row for row in counted.collect().fill_null(0).to_dicts()}
    nothing = {one.name: 0 for one in fields(Ledger) if one.name not in ("sent", "lost")}
    return {
        trial: _account(counts.get(trial, nothing), sent=sent.get(trial, 0))
        for trial in sorted({*sent, *counts})
    }


def ledger_faults(ledger: Ledger) -> list[Reason]:
    """Return why the figures of a trial with this ledger are invalid; none if they are valid."""
    faults = []
    if ledger.lost > 0:
        faults.append(Reason.of(Code.JOBS_LOST, lost=ledger.lost, sent=ledger.sent))
    if ledger.lost < 0:
        faults.append(Reason.of(Code.JOBS_UNSENT, jobs=-ledger.lost))
    if ledger.duplicated:
        faults.append(Reason.of(Code.JOBS_DUPLICATED, jobs=ledger.duplicated))
    return faults


def _account(counts: Mapping[str, int], *, sent: int) -> Ledger:
    return Ledger(sent=sent, lost=sent - sum(counts[end] for end in _ENDS), **counts)


def _jobs(ours: pl.LazyFrame) -> pl.LazyFrame:
    """Return the number of jobs of each trial by their end; the first of `_ENDS` counts."""
    outcome = pl.col("outcome")
    is_expired = outcome == Outcome.EXPIRED.value
    by_job = ours.group_by(_JOB).agg(
        done=(outcome == Outcome.DONE.value).any(),
        failed=(outcome.is_in(_FINAL) & ~IS_PLANNED_FAILURE & ~is_expired).any(),
        failed_as_planned=(outcome.is_in(_FINAL) & IS_PLANNED_FAILURE).any(),
        expired=is_expired.any(),
    )
    return by_job.group_by("trial").agg(
        pl.when(~pl.any_horizontal(False, *_ENDS[:rank])).then(pl.col(end)).sum().alias(end)
        for rank, end in enumerate(_ENDS)
    )


def _trees(ours: pl.LazyFrame, *, published: pl.DataFrame) -> pl.LazyFrame:
    """Return the number of jobs of each trial by their end; open jobs have none."""
    records = ours.collect()
    own = published.filter(pl.col("trial").is_in(records["trial"].unique()))
    jobs = trees(records, published=own)
    return jobs.lazy().group_by("trial").agg(pl.col(*_ENDS).sum())


def _retried(ours: pl.LazyFrame) -> pl.LazyFrame:
    is_retry = pl.col("outcome") == Outcome.RETRIED.value
    return ours.group_by("trial").agg(retried=is_retry.sum())


def _duplicated(ours: pl.LazyFrame, *, message: Sequence[str]) -> pl.LazyFrame:
    finished = ours.filter(pl.col("outcome").is_in(_FINISHED))
    # an execution that finished again counts as two, even if it finished more often
    ends = 1 + pl.col("finished_again_ns").is_not_null().cast(pl.Int64)
    by_attempt = finished.group_by(*message, "attempt").agg(executions=ends.sum())
    return by_attempt.group_by("trial").agg(duplicated=(pl.col("executions") - 1).sum())
