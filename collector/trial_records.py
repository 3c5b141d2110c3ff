"""Reads a run's records a few trials at a time, so that millions of them need little memory.

Only the rows of the requested trials become a frame, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from collector.files import read_table, scan_table, storage_errors
from collector.schema import RECORD_SCHEMA

#: Neighbouring trials that begin within this number of records are read together. A file's rows
#: are compressed in groups: fewer rows would decompress each group repeatedly, and more would need
#: more memory without a gain.
WINDOW_ROWS = 250_000


class TrialRecords:
    """The records of one ``jobs.parquet``, by trial; empty if the file doesn't exist.

    Records of jobs without Poolbench's header, which belong to no trial, are excluded. A column
    that the file lacks, since an earlier version wrote it, is null.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def windows(self, *, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield frames with the records of some trials; all records of a trial are in one frame.

        Don't keep the frames, so that only one is in memory at a time.

        Args:
            columns: columns of a record, including ``trial``, since a frame has several trials.

        Raises:
            StorageError: if the file can't be read, or is of another format version.
        """
        if not self._path.exists():
            return
        table = read_table(self._path, schema=pl.Schema({"trial": RECORD_SCHEMA["trial"]}))
        counts = table.drop_nulls().group_by("trial", maintain_order=True).len()
        first_row = pl.col("len").cum_sum() - pl.col("len")
        for _, window in counts.group_by(first_row // WINDOW_ROWS, maintain_order=True):
            yield self._read(window["trial"].to_list(), columns=columns)

    def read(self, trial: int, *, columns: Sequence[str]) -> pl.DataFrame:
        """Return the records of one trial; an empty frame if it has none.

        Raises:
            StorageError: as `windows`.
        """
        return self._read([trial], columns=columns)

    def _read(self, trials: Sequence[int], *, columns: Sequence[str]) -> pl.DataFrame:
        schema = pl.Schema({name: RECORD_SCHEMA[name] for name in ("trial", *columns)})
        if not self._path.exists():
            return schema.to_frame().select(columns)
        rows = scan_table(self._path, schema=schema).filter(pl.col("trial").is_in(trials))
        with storage_errors(self._path):
            return rows.select(columns).collect()
