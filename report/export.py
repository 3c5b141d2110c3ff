"""Exports a run's records or samples as a file, from which every figure can be recomputed.

Rows are streamed from disk to disk, so that millions of jobs don't have to fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import IO

import polars as pl

from collector.files import scan_table
from collector.reasons import Severity
from collector.run_manifest import Manifest
from collector.schema import RECORD_SCHEMA, SAMPLE_SCHEMA, schema_of
from collector.store import RunFolder
from poolbench.records import RECORD_COLUMNS, Column
from report.result import Summary
from report.summary import summarize


class Table(StrEnum):
    """The tables that a run can be exported as."""

    JOBS = "jobs"
    SAMPLES = "samples"


#: Columns that describe a record's trial, added to `RECORD_COLUMNS`.
TRIAL_COLUMNS: Mapping[str, Column] = {
    "workload": (str, "name of the workload"),
    "pool": (str, "the contender's pool"),
    "slots": (int, "the contender's slots"),
    "block": (int, "repetition, from 0"),
    "arrivals": (str, "how jobs arrived; `burst`: the whole backlog at once"),
    "is_pilot": (bool, "whether the trial only warmed up or sized backlogs; no figure uses it"),
    "repeats": (int, "index of the trial that it replaces, which steal or a clock step disturbed"),
    "is_valid": (bool, "whether figures use the trial; false if replaced or marked `!`"),
}

#: Every column of exported jobs, in this order.
JOB_COLUMNS: Mapping[str, Column] = {**RECORD_COLUMNS, **TRIAL_COLUMNS}


class Format(StrEnum):
    """How an exported table is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


#: The order of records in a file.
_ORDER = ("trial", "seq", "attempt", "received_ns", "nonce")

#: Columns from a trial's plan that apply to each of its jobs, and the number of sent jobs.
_PLAN_SCHEMA = pl.Schema(
    {
        "trial": pl.Int64(),
        "sent": pl.Int64(),
        **{name: RECORD_SCHEMA[name] for name in ("run", "contender", "kind")},
        **schema_of(TRIAL_COLUMNS),
    }
)

_SINKS: Mapping[Format, Callable[[pl.LazyFrame, IO[bytes]], object]] = {
    Format.CSV: lambda rows, file: rows.sink_csv(file),
    Format.NDJSON: lambda rows, file: rows.sink_ndjson(file),
    Format.PARQUET: lambda rows, file: rows.sink_parquet(file, compression="zstd"),
}


def export(folder: RunFolder, file: IO[bytes], *, table: Table, form: Format) -> None:
    """Write a table of a run into an open file.

    Raises:
        StorageError: if the folder can't be read, or is not that of a lab run.
        OSError: if the file can't be written; polars' error has no errno.
    """
    rows = (
        _jobs(folder) if table is Table.JOBS else _scan(folder.samples_path, schema=SAMPLE_SCHEMA)
    )
    _SINKS[form](rows, file)


def _jobs(folder: RunFolder) -> pl.LazyFrame:
    trials = _trials(summarize(folder), manifest=folder.read_manifest())
    records = _scan(folder.jobs_path, schema=RECORD_SCHEMA)
    missing = _missing(records, trials=trials)
    known = trials.lazy().select("trial", *TRIAL_COLUMNS)
    rows = records.join(known, on="trial", how="left", maintain_order="left")
    if missing.height:
        # sort only if necessary: it needs memory for all rows
        rows = pl.concat([rows, missing.lazy()], how="diagonal").sort(_ORDER, nulls_last=True)
    return rows.select(JOB_COLUMNS.keys())


def _scan(path: Path, *, schema: pl.Schema) -> pl.LazyFrame:
    """Return a stored table as a stream of rows; missing columns of older versions are null."""
    if not path.exists():
        return schema.to_frame().lazy()
    return scan_table(path, schema=schema)


def _trials(summary: Summary, *, manifest: Manifest) -> pl.DataFrame:
    """Return a row for each trial with `_PLAN_SCHEMA`."""
    is_valid = {
        trial.trial: trial.mark is not Severity.INVALID and not trial.is_replaced
        for trial in summary.trials
    }
    rows = [
        {name: known.get(name) for name in _PLAN_SCHEMA}
        | {"run": manifest.run, "is_valid": is_valid[entry.plan.trial]}
        for entry in manifest.trials
        for known in [asdict(entry.plan) | asdict(entry.result)]
    ]
    return pl.DataFrame(rows, schema=_PLAN_SCHEMA)


def _missing(records: pl.LazyFrame, *, trials: pl.DataFrame) -> pl.DataFrame:
    """Return rows for jobs that were sent without a record; ``seq`` has no gaps from 0."""
    seen = records.filter(pl.col("seq").is_not_null()).select("trial", "seq").unique()
    counts = seen.group_by("trial").len().collect()
    short = trials.join(counts, on="trial", how="left").filter(
        pl.col("len").fill_null(0) < pl.col("sent")
    )
    every = short.with_columns(seq=pl.int_ranges(0, pl.col("sent"), dtype=pl.Int64))
    gone = every.drop("sent", "len").explode("seq")
    return gone.join(seen.collect(), on=["trial", "seq"], how="anti") if short.height else gone
