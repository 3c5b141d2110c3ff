"""A run's folder in ``results/``: all stored data of a run, and its format version.

Files are written atomically. A fault of the disk, or a folder that this version can't read, is a
`StorageError` of one line with the file and a remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import polars as pl

from collector.files import (
    check_format,
    make_folder,
    read_metadata,
    read_table,
    storage_errors,
    sync_folder,
    write_atomically,
    write_table,
    write_whole,
)
from collector.job_trees import PUBLISHED_SCHEMA
from collector.parts import StoredPart, StreamId, find_parts, outermost, part_name
from collector.run_manifest import (
    MANIFEST_FORMAT,
    PREVIOUS_FORMAT,
    Manifest,
    read_manifest,
)
from collector.schema import (
    LINE_SCHEMA,
    PART_SCHEMA,
    RECORD_SCHEMA,
    SAMPLE_SCHEMA,
    conform,
)
from collector.trial_records import TrialRecords
from poolbench.errors import StorageError

#: Keys of a part's metadata: its numbers of valid and of rejected lines.
_LINES_KEY = "poolbench_lines"
_REJECTED_KEY = "poolbench_rejected"


class RunFolder:
    """The folder of one run: ``results/<run>``. The first write creates it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts_path = path / "parts"
        self.manifest_path = path / "manifest.json"
        self.jobs_path = path / "jobs.parquet"
        self.samples_path = path / "samples.parquet"
        self.published_path = path / "published.parquet"
        #: Rejected lines with their reasons, one JSON object on each line.
        self.rejects_path = path / "rejects.jsonl"

    # parts, written by ingest ------------------------------------------------------------------

    def parts(self) -> list[StoredPart]:
        """Return the parts that count, in order of their stream ids."""
        with storage_errors(self.parts_path):
            return outermost(find_parts(self.parts_path))

    def write_part(self, frame: pl.DataFrame, *, first: StreamId, last: StreamId) -> None:
        """Store the entries from ``first`` to ``last``, atomically and durably.

        Raises:
            StorageError: if it can't be written; nothing is stored then.
        """
        rejected = frame.height - frame["rejected"].null_count()
        write_table(
            self.parts_path / part_name(first=first, last=last),
            frame=conform(frame, schema=PART_SCHEMA),
            metadata={_LINES_KEY: str(frame.height - rejected), _REJECTED_KEY: str(rejected)},
        )

    def merge_parts(self, parts: list[StoredPart]) -> None:
        """Merge neighbouring parts into one with their whole range.

        If the process is killed between the two steps, parts remain that the new one contains: no
        reader counts them, and the next compaction removes them.
        """
        frame = pl.concat([read_table(part.path, schema=PART_SCHEMA) for part in parts])
        self.write_part(frame, first=parts[0].first, last=parts[-1].last)
        self.remove_covered_parts()

    def remove_covered_parts(self) -> None:
        """Remove parts that another one contains; call it only as the run's single writer."""
        with storage_errors(self.parts_path):
            found = find_parts(self.parts_path)
            covered = set(found) - set(outermost(found))
            for part in covered:
                part.path.unlink(missing_ok=True)
            if covered:
                sync_folder(self.parts_path)

    def count_lines(self) -> tuple[int, int]:
        """Return the numbers of valid and of rejected lines that are stored."""
        metadata = [read_metadata(part.path) for part in self.parts()]
        kept = sum(int(one.get(_LINES_KEY, 0)) for one in metadata)
        return kept, sum(int(one.get(_REJECTED_KEY, 0)) for one in metadata)

    def iter_lines(self) -> Iterator[pl.DataFrame]:
        """Yield the lines part by part, so that they are never all in memory.

        Call it as the run's single writer, or when there is none, since compaction replaces files.
        """
        for part in self.parts():
            frame = read_table(part.path, schema=PART_SCHEMA)
            yield frame.filter(pl.col("rejected").is_null()).select(LINE_SCHEMA.names())

    def write_rejects(self) -> None:
        """Write the rejected lines with their reasons to `rejects_path`, if there are any."""
        schema = pl.Schema({name: PART_SCHEMA[name] for name in ("rejected", "reason")})
        frames = [read_table(part.path, schema=schema) for part in self.parts()]
        rejects = pl.concat([schema.to_frame(), *frames]).drop_nulls("rejected")
        if rejects.height:
            write_atomically(self.rejects_path, write=rejects.write_ndjson)

    # results of a run -------------------------------------------------------------------------

    def write_jobs(self, records: pl.DataFrame) -> None:
        """Write the run's records to ``jobs.parquet``."""
        write_table(self.jobs_path, frame=conform(records, schema=RECORD_SCHEMA))

    def read_jobs(self, *, columns: list[str] | None = None) -> pl.DataFrame:
        """Return the run's records, or some of their columns, which need less memory.

        A column that the file lacks, since an earlier version wrote it, is null.
        """
        schema = pl.Schema({name: RECORD_SCHEMA[name] for name in columns or RECORD_SCHEMA})
        return read_table(self.jobs_path, schema=schema)

    def trial_records(self) -> TrialRecords:
        """Return a reader of the run's records that keeps only a few trials in memory."""
        return TrialRecords(self.jobs_path)

    def write_published(self, messages: pl.DataFrame) -> None:
        """Write the messages that jobs of a user's app have published."""
        write_table(self.published_path, frame=conform(messages, schema=PUBLISHED_SCHEMA))

    def read_published(self) -> pl.DataFrame | None:
        """Return the messages that jobs of a user's app have published; None without an app."""
        if not self.published_path.exists():
            return None
        return read_table(self.published_path, schema=PUBLISHED_SCHEMA)

    def write_samples(self, samples: pl.DataFrame) -> None:
        """Write the samples taken during the trials to ``samples.parquet``."""
        write_table(self.samples_path, frame=conform(samples, schema=SAMPLE_SCHEMA))

    def read_samples(self) -> pl.DataFrame:
        """Return the samples, which only the lab takes; else an empty table."""
        if not self.samples_path.exists():
            return SAMPLE_SCHEMA.to_frame()
        return read_table(self.samples_path, schema=SAMPLE_SCHEMA)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write ``manifest.json`` with the format version."""
        whole = {"format": MANIFEST_FORMAT, **asdict(manifest)}
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        make_folder(self.path)
        write_whole(self.manifest_path, text)

    def read_manifest(self) -> Manifest:
        """Return the manifest.

        Raises:
            StorageError: if it is absent, garbled or of a format version that can't be read.
        """
        path = self.manifest_path
        with storage_errors(path):
            text = path.read_bytes()
        try:
            content = json.loads(text)
        except ValueError as error:
            raise StorageError(f"{path}: not JSON: {error}. Restore it or remove it.") from error
        if not isinstance(content, dict):
            raise StorageError(f"{path}: not a JSON object. Restore it or remove it.")
        check_format(content.get("format"), path=path, known=(PREVIOUS_FORMAT, MANIFEST_FORMAT))
        return read_manifest(content, where=str(path))
