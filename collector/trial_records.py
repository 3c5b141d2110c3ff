"""The records of a run's folder, some trials at a time: a report of millions needs little memory.

Only the rows of the trials that are asked for become a frame, in whatever order the file has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from collector.files import read_table, scan_table, storage_errors
from collector.schema import RECORD_SCHEMA

#: Neighbouring trials are read together that begin within so many records. A file's rows are packed
#: in groups; fewer would unpack each group again and again, and more would only need memory.
WINDOW_ROWS = 250_000


class TrialRecords:
    """The records of one ``jobs.parquet``, by trial; of none, if the file isn't there.

    Records of jobs without our header, which are of no trial, are left out. A column that the
    version which wrote the file did not have is null.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def windows(self, *, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the records of some trials after those of others, each trial's all in one frame.

        Only one frame is in memory at once: keep what you make of it, not the frame.

        Args:
            columns: of a record; with ``trial`` among them, since a frame holds several.

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
