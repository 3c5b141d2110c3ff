"""Reads and writes files atomically; reports faults of the disk as errors of one line."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import polars as pl

from poolbench.errors import StorageError
from poolbench.records import FORMAT

#: Suffix of a file that is still being written; leftovers are removed.
TEMPORARY = ".tmp"

#: Key of a Parquet file's own metadata that holds the format version.
FORMAT_KEY = "poolbench_format"

#: Errors that mean a full disk, including the write limit of a process and a quota.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Convert faults of the disk and of a file's content into a `StorageError` with ``path``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {_explain(error)}") from error
    except pl.exceptions.PolarsError as error:
        first = str(error).partition("\n")[0]
        raise StorageError(
            f"{path}: not a readable table: {first}. Restore it or remove it."
        ) from error


def write_atomically(path: Path, *, write: Callable[[IO[bytes]], object]) -> None:
    """Write a temporary file with ``write``, then move it to ``path``, durably.

    After a crash at any time, the file has either the old or the new content.

    Raises:
        StorageError: if it can't be written; the temporary file is then removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with storage_errors(path):
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text or bytes as `write_atomically` does.

    Raises:
        StorageError: if it can't be written.
    """
    found = content.encode() if isinstance(content, str) else content
    write_atomically(path, write=lambda file: file.write(found))


def write_table(
    path: Path, *, frame: pl.DataFrame, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a Parquet file atomically and create its folder; its metadata has the format version.

    Raises:
        StorageError: if it can't be written.
    """
    # rendered in memory, so that the disk's faults come from our own write as plain OSError
    content = io.BytesIO()
    frame.write_parquet(
        content,
        compression="zstd",
        compression_level=1,
        statistics=False,
        metadata={FORMAT_KEY: str(FORMAT), **(metadata or {})},
    )
    make_folder(path.parent)
    write_atomically(path, write=lambda file: file.write(content.getbuffer()))


def scan_table(path: Path, *, schema: pl.Schema) -> pl.LazyFrame:
    """Return a lazy frame of a Parquet file with exactly the schema's columns.

    A column that the file lacks, since an earlier version wrote it, is null.

    Raises:
        StorageError: if it is absent, unreadable or of another format version.
    """
    read_metadata(path)
    return pl.scan_parquet(path, schema=schema, missing_columns="insert", extra_columns="ignore")


def read_table(path: Path, *, schema: pl.Schema) -> pl.DataFrame:
    """Return a Parquet file's table as `scan_table` describes it.

    Raises:
        StorageError: as `scan_table`.
    """
    rows = scan_table(path, schema=schema)
    with storage_errors(path):
        return rows.collect()


def read_metadata(path: Path) -> dict[str, str]:
    """Return a Parquet file's own metadata.

    Raises:
        StorageError: if it is absent, unreadable or of another format version.
    """
    with storage_errors(path):
        metadata = pl.read_parquet_metadata(path)
    check_format(metadata.get(FORMAT_KEY), path=path)
    return metadata


def check_format(seen: object, *, path: Path, known: Collection[int] = (FORMAT,)) -> None:
    """Refuse a file of a format version that is not among the known ones.

    Raises:
        StorageError: with the version found and what to do.
    """
    if str(seen) in map(str, known):
        return
    found = "no format version" if seen is None else f"format version {seen}"
    raise StorageError(
        f"{path}: {found}, and this Poolbench reads {' and '.join(map(str, known))}. "
        "Use the Poolbench that wrote it, or choose another results folder."
    )


def make_folder(path: Path) -> None:
    """Create a folder with its parents, durably, if it doesn't exist.

    Raises:
        StorageError: if it can't be created.
    """
    with storage_errors(path):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable, which is required after a rename."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a killed writer; call it only as the run's single writer."""
    with storage_errors(folder):
        for path in folder.glob(f".*{TEMPORARY}"):
            path.unlink(missing_ok=True)


def _explain(error: OSError) -> str:
    # by class if there is one, since polars raises it without an errno
    if isinstance(error, FileNotFoundError):
        return "no such file. Is it the folder of a run, and has the run been collected?"
    text = error.strerror or str(error).partition("\n")[0]
    if error.errno in _FULL:
        return f"{text}. Free some space: stored records are safe."
    if isinstance(error, IsADirectoryError):
        return f"{text}. Name a file."
    if isinstance(error, PermissionError):
        return f"{text}. Let this user read and write there, or choose another folder."
    if error.errno == errno.EROFS:
        return f"{text}. Make the folder writable for this user, or choose another."
    return f"{text}. Check the disk and the folder."
