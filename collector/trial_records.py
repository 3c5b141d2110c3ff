"""The records of a run's folder, some trials at a time: a report of millions needs little memory.

`collector.fold` writes records in order of their trials, so that each trial's lie together and are
read alone. Of a file in another order all are read at once: as right, and in more memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import polars as pl

from collector.files import read_names, read_rows, read_table
from collector.schema import RECORD_SCHEMA, conform

#: Neighbouring trials are read together until they have so many records. A file's rows are packed
#: in groups; fewer would unpack each group again and again, and more would only need memory.
WINDOW_ROWS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """Where the records of a trial lie."""

    trial: int
    #: Its first row in the file, from 0.
    first: int
    rows: int


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
        for window in self._windows():
            yield self._read(window, columns=columns)

    def read(self, trial: int, *, columns: Sequence[str]) -> pl.DataFrame:
        """Return the records of one trial; an empty frame if it has none.

        Raises:
            StorageError: as `windows`.
        """
        window = [stretch for stretch in self._stretches if stretch.trial == trial]
        return self._read(window, columns=columns)

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        if not self._path.exists():
            return []
        runs = read_table(self._path, columns=["trial"])["trial"].rle()
        lengths, trials = (runs.struct.field(name).to_list() for name in ("len", "value"))
        firsts = accumulate(lengths, initial=0)
        return [
            _Stretch(trial=trial, first=first, rows=rows)
            for trial, first, rows in zip(trials, firsts, lengths, strict=False)
            if trial is not None
        ]

    @cached_property
    def _is_apart(self) -> bool:
        """Whether the records of some trial don't lie together."""
        return len({stretch.trial for stretch in self._stretches}) < len(self._stretches)

    def _windows(self) -> Iterator[list[_Stretch]]:
        """Yield the trials that are read together."""
        if self._is_apart:
            yield self._stretches
            return
        window: list[_Stretch] = []
        for stretch in self._stretches:
            window.append(stretch)
            if sum(one.rows for one in window) >= WINDOW_ROWS:
                yield window
                window = []
        if window:
            yield window

    def _read(self, window: Sequence[_Stretch], *, columns: Sequence[str]) -> pl.DataFrame:
        schema = pl.Schema({name: RECORD_SCHEMA[name] for name in columns})
        if not window:
            return schema.to_frame()
        known = [name for name in {"trial": None, **dict.fromkeys(columns)} if name in self._names]
        first, last = window[0], window[-1]
        frame = read_rows(
            self._path, columns=known, first=first.first, rows=last.first + last.rows - first.first
        )
        # what lies between them is of other trials where the file is in another order
        is_wanted = pl.col("trial").is_in({stretch.trial for stretch in window})
        return conform(frame.filter(is_wanted), schema=schema)

    @cached_property
    def _names(self) -> list[str]:
        return read_names(self._path)
