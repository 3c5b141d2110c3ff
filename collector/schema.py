"""The tables of a run's folder: columns and types of lines, records and samples."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from poolbench.records import LINE_COLUMNS, RECORD_COLUMNS, Column


def schema_of(columns: Mapping[str, Column]) -> pl.Schema:
    """Return the polars schema of columns."""
    return pl.Schema({name: kind for name, (kind, _) in columns.items()})


LINE_SCHEMA = schema_of(LINE_COLUMNS)

#: A part's table: its lines, and the text that could not be read as one.
PART_SCHEMA = pl.Schema(
    {
        **LINE_SCHEMA,
        # the text of a rejected line; null for a valid one
        "rejected": pl.String(),
        # why it was rejected
        "reason": pl.String(),
    }
)

#: One row for each execution attempt of a job.
RECORD_SCHEMA = schema_of(RECORD_COLUMNS)

#: Measurements of a contender's worker from outside, one row for each.
SAMPLE_SCHEMA = pl.Schema(
    {
        "trial": pl.Int64(),
        "contender": pl.String(),
        # Unix ns
        "t_ns": pl.Int64(),
        # user + system of the worker's process tree so far, without its recorder, seconds
        "cpu_s": pl.Float64(),
        # the same for its recorder, seconds
        "recorder_cpu_s": pl.Float64(),
        "pss_bytes": pl.Int64(),
        "rss_bytes": pl.Int64(),
        "connections": pl.Int64(),
        "processes": pl.Int64(),
        # whether it was taken after the trial, when no job was left; null in older runs
        "is_after": pl.Boolean(),
        # when the workers counted their jobs, Unix ns; this and what follows is null where the
        # jobs were not counted
        "counted_ns": pl.Int64(),
        # messages in the contender's queues, and those that a worker has not acknowledged
        "queue_jobs": pl.Int64(),
        "unacked_jobs": pl.Int64(),
        # by the workers' own counts: most jobs to prefetch, jobs that wait for a slot or a rate
        # limit, that run, and that wait for the end of a countdown
        "prefetch_count": pl.Int64(),
        "reserved_jobs": pl.Int64(),
        "running_jobs": pl.Int64(),
        "countdown_jobs": pl.Int64(),
    }
)


def conform(frame: pl.DataFrame, *, schema: pl.Schema) -> pl.DataFrame:
    """Return the frame with exactly the schema's columns, in order; absent ones are null.

    Raises:
        polars.exceptions.PolarsError: if a value does not fit its column's type.
    """
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
