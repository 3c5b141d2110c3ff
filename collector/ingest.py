"""Moves a run's lines from its stream to parts in its folder, each line exactly once.

A part is written to a temporary file, made durable and renamed to its range of ids. The greatest id
in the folder is the cursor. The stream is trimmed only after that, so a process that is killed at
any time leaves each entry in the folder, in the stream, or in both; entries up to the cursor are
read from the folder. No consumer group is needed, since a lock on the folder ensures that a run has
a single writer.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import IO, Self

import polars as pl
import redis
from redis.client import NEVER_DECODE

from collector.files import make_folder, remove_leftovers, storage_errors
from collector.parse import parse_lines, reject
from collector.parts import StreamId
from collector.schema import LINE_SCHEMA, PART_SCHEMA
from collector.store import RunFolder
from poolbench.errors import StackError
from poolbench.keys import LINES_FIELD, records_stream

#: Entries in one read: about 250 lines each, so that an answer has a few MB.
READ_ENTRIES = 64

#: A part is closed after this many bytes of lines, exceeded by at most one answer. It bounds the
#: memory, and is about 100,000 lines, so that the two fsyncs of a part cost little.
PART_MAX_BYTES = 32 * 2**20

#: Number of small parts that are merged into one: a live run writes a few of them a second.
COMPACT_AT_PARTS = 48

#: Parts of at least this size are not merged: that would cost more than it saves.
COMPACT_MAX_BYTES = 8 * 2**20

_Entry = tuple[bytes, dict[bytes, bytes]]


class Ingest:
    """Moves one run's lines from Redis to its folder; has the run's lock within its context.

    Args:
        client: any client of the broker, decoding or not.
        run: the run's id, which determines the stream.
        folder: the run's own folder, ``results/<run>``; created if it doesn't exist.
        on_stored: called with the lines (`LINE_SCHEMA`) of each part once it is durable.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        run: str,
        folder: Path,
        on_stored: Callable[[pl.DataFrame], None] | None = None,
    ) -> None:
        self.run = run
        self.folder = RunFolder(folder)
        #: Lines stored, and lines rejected, since the run began.
        self.stored_lines = 0
        self.rejected_lines = 0
        self._client = client
        self._stream = records_stream(run)
        self._on_stored = on_stored
        self._lock: IO[str] | None = None
        self._cursor: StreamId | None = None
        self._is_trimmed = False

    def __enter__(self) -> Self:
        """Take the run's lock and find the cursor of an earlier ingest.

        Raises:
            StackError: if another process collects this run.
            StorageError: if the folder can't be written, or is of another format version.
        """
        make_folder(self.folder.path)
        self._lock = _take_lock(self.folder.path / ".lock", run=self.run)
        try:
            self._resume()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the rejected lines to a file, and release the lock."""
        try:
            if kind is None and self.rejected_lines:
                self.folder.write_rejects()
        finally:
            self._release()

    def drain(self) -> None:
        """Store lines until the stream is empty."""
        while self.step():
            pass

    def step(self) -> int:
        """Store lines from the stream, at most one part; return the number of their entries.

        Raises:
            StorageError: if they can't be written; they are still in the stream.
            redis.RedisError: if the broker fails; nothing is lost, and the next step continues.
        """
        if self._lock is None:
            raise RuntimeError("an Ingest stores only inside its `with` block: it needs the lock")
        if not self._is_trimmed:
            self._trim()
        entries = self._read()
        if not entries:
            return 0
        first, last = (StreamId.parse(entries[at][0].decode()) for at in (0, -1))
        frame = _parse_entries(entries, run=self.run)
        self.folder.write_part(frame, first=first, last=last)
        self._cursor, self._is_trimmed = last, False
        lines = frame.filter(pl.col("rejected").is_null()).select(LINE_SCHEMA.names())
        self.stored_lines += lines.height
        self.rejected_lines += frame.height - lines.height
        if self._on_stored:
            self._on_stored(lines)
        self._trim()
        self._compact()
        return len(entries)

    def _resume(self) -> None:
        # first, since a folder of another format version must not be changed
        if self.folder.manifest_path.exists():
            self.folder.read_manifest()
        self.stored_lines, self.rejected_lines = self.folder.count_lines()
        if self.folder.parts_path.is_dir():
            remove_leftovers(self.folder.parts_path)
            self.folder.remove_covered_parts()
        remove_leftovers(self.folder.path)
        parts = self.folder.parts()
        self._cursor = max((part.last for part in parts), default=None)
        self._is_trimmed = False

    def _read(self) -> list[_Entry]:
        """Return the entries after the cursor, up to a part's size."""
        # undecoded, since a garbled entry may not be text; redis-py leaves the call untyped
        execute: Callable[..., list[_Entry]] = self._client.execute_command
        entries: list[_Entry] = []
        size_bytes = 0
        start = f"({self._cursor}" if self._cursor else "-"
        while size_bytes < PART_MAX_BYTES:
            command = ("XRANGE", self._stream, start, "+", "COUNT", READ_ENTRIES)
            found = execute(*command, **{NEVER_DECODE: True})
            entries += found
            size_bytes += sum(len(value) for _, fields in found for value in fields.values())
            if len(found) < READ_ENTRIES:
                break
            start = f"({entries[-1][0].decode()}"
        return entries

    def _trim(self) -> None:
        """Delete the entries up to the cursor, which are in the folder, from the stream."""
        if self._cursor is not None:
            minimum = str(self._cursor.following)
            self._client.xtrim(self._stream, minid=minimum, approximate=False)
        self._is_trimmed = True

    def _compact(self) -> None:
        newest = reversed(self.folder.parts())
        small = [*takewhile(lambda part: part.path.stat().st_size < COMPACT_MAX_BYTES, newest)]
        if len(small) >= COMPACT_AT_PARTS:
            self.folder.merge_parts(small[::-1])

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _parse_entries(entries: list[_Entry], *, run: str) -> pl.DataFrame:
    field = LINES_FIELD.encode()
    batches = [fields[field] for _, fields in entries if field in fields]
    strangers = [
        reject(repr(fields).encode(), reason=f"an entry without {LINES_FIELD}")
        for _, fields in entries
        if field not in fields
    ]
    return pl.concat([PART_SCHEMA.to_frame(), parse_lines(batches, run=run), *strangers])


def _take_lock(path: Path, *, run: str) -> IO[str]:
    """Return an open, locked file; the lock makes this process the run's single writer.

    The system releases the lock when the process ends, even if it is killed.
    """
    with storage_errors(path):
        file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20).strip() or "unknown"
        file.close()
        raise StackError(
            f"run {run} is already being collected, by process {holder} ({path.parent}). "
            "Stop it or let it finish."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
