"""Follows the jobs of a user's app to all messages that they publish. Pure.

A job is the message that the lab has sent, its *root*, with all that it leads to: the links of a
chain, the calls of a group, a chord's body, retries, calls of other tasks. The root is the message
that a worker received first; the probe announces each other one with a *published* line before the
execution that publishes it ends.

A message ends as often as it was sent: a retry, or a task that replaces itself, is sent again under
the same id. A job has ended when each of its messages has.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from collector.schema import LINE_SCHEMA
from poolbench.errors import PlannedError
from poolbench.records import FINAL_OUTCOMES, Moment, Outcome

#: The content of ``published.parquet``: one row for each message that a job has published, with its
#: attempt, and with the nonce of the execution that has published it.
PUBLISHED_SCHEMA = pl.Schema(
    {
        name: LINE_SCHEMA[name]
        for name in ("trial", "seq", "kind", "task_id", "attempt", "nonce", "t_ns")
    }
)

#: Columns of a record that are read.
COLUMNS = (
    "trial", "seq", "task_id", "received_ns", "started_ns", "finished_ns", "outcome", "error",
)  # fmt: skip

#: Outcomes after which an execution of a message has ended; the others are delivered again.
ENDED_OUTCOMES = FINAL_OUTCOMES | {Outcome.RETRIED}

#: Outcomes of a message that was left out or handed on by its own task: the job goes on without it.
_AS_INTENDED = (Outcome.DONE.value, Outcome.IGNORED.value)

_JOB = ("trial", "seq")


def collect_published(lines: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the published messages (`PUBLISHED_SCHEMA`) of all lines, each once, by time."""
    is_published = pl.col("m") == Moment.PUBLISHED.value
    found = (one.filter(is_published).select(PUBLISHED_SCHEMA.names()) for one in lines)
    frames = [PUBLISHED_SCHEMA.to_frame(), *found]
    return pl.concat(frames).unique(maintain_order=True).sort("t_ns", maintain_order=True)


def trees(records: pl.DataFrame, *, published: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each job that any message is known of.

    Columns: ``trial``, ``seq``, ``root_id`` (Celery's id of its root), ``messages``, ``executions``
    (that ended), ``ended_ns`` (when the last one finished; null for an open job), and whether it
    is ``done``, ``failed``, ``failed_as_planned`` or ``expired``; an open job is none of them.

    Args:
        records: with `COLUMNS`.
        published: `PUBLISHED_SCHEMA`, of the same trials or of more.
    """
    messages = _messages(records.lazy(), published=published.lazy())
    is_done = pl.col("is_done")
    by_job = messages.group_by(*_JOB).agg(
        root_id=pl.col("task_id").filter(pl.col("is_root")).first(),
        messages=pl.len(),
        executions=pl.col("ends").sum(),
        is_closed=(pl.col("ends") >= pl.col("sends")).all(),
        ended_ns=pl.col("finished_ns").max(),
        failed=(pl.col("is_failed") & ~is_done).any(),
        failed_as_planned=(pl.col("is_planned") & ~is_done).any(),
        expired=(pl.col("is_expired") & ~is_done).any(),
    )
    closed, failed = pl.col("is_closed"), pl.col("failed")
    planned, expired = pl.col("failed_as_planned"), pl.col("expired")
    return by_job.select(
        *_JOB,
        "root_id",
        "messages",
        "executions",
        ended_ns=pl.when(closed).then("ended_ns"),
        done=closed & ~failed & ~planned & ~expired,
        failed=closed & failed,
        failed_as_planned=closed & ~failed & planned,
        expired=closed & ~failed & ~planned & expired,
    ).collect()


def root_executions(records: pl.DataFrame, *, jobs: pl.DataFrame) -> pl.DataFrame:
    """Return the executions of each job's root, with ``job_ended_ns``, when the whole job ended.

    It is null for an open job, and for one of which any message failed.

    Args:
        records: of any columns with ``trial``, ``seq`` and ``task_id``; their order is kept.
        jobs: from `trees`.
    """
    as_meant = pl.col("done") | pl.col("failed_as_planned")
    roots = jobs.select(*_JOB, task_id="root_id", job_ended_ns=pl.when(as_meant).then("ended_ns"))
    return records.join(roots, on=[*_JOB, "task_id"], how="inner", maintain_order="left")


def _messages(records: pl.LazyFrame, *, published: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row for each message, with how often it was sent and ended."""
    key = [*_JOB, "task_id"]
    outcome, error = pl.col("outcome"), pl.col("error")
    is_planned = error.str.starts_with(PlannedError.__name__).fill_null(value=False)
    is_expired = outcome == Outcome.EXPIRED.value
    is_final = outcome.is_in([one.value for one in FINAL_OUTCOMES])
    seen = (
        records.filter(pl.all_horizontal(pl.col(*_JOB).is_not_null()))
        .group_by(key)
        .agg(
            first_ns=pl.coalesce("received_ns", "started_ns", "finished_ns").min(),
            finished_ns=pl.col("finished_ns").max(),
            ends=outcome.is_in([one.value for one in ENDED_OUTCOMES]).sum(),
            is_done=outcome.is_in(_AS_INTENDED).any(),
            is_failed=(is_final & ~is_planned & ~is_expired).any(),
            is_planned=(is_final & is_planned).any(),
            is_expired=is_expired.any(),
        )
    )
    announced = published.group_by(key).agg(announced=pl.len())
    joined = seen.join(announced, on=key, how="full", coalesce=True).with_columns(
        pl.col("ends", "announced").fill_null(0),
        pl.col("is_done", "is_failed", "is_planned", "is_expired").fill_null(value=False),
    )
    first_ns = pl.col("first_ns")
    is_root = first_ns.is_not_null() & (
        first_ns.rank("ordinal").over(_JOB, order_by="task_id") == 1
    )
    return joined.with_columns(is_root=is_root).with_columns(
        sends=pl.max_horizontal(pl.lit(1), pl.col("announced") + pl.col("is_root").cast(pl.Int64))
    )
