"""Files that are there whole or not at all, and disk faults as one clear line."""

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

#: Ends the name of a file that is still being written; a leftover is worthless.
TEMPORARY = ".tmp"

#: Key of a Parquet file's own metadata that holds the format version.
FORMAT_KEY = "poolbench_format"

#: Errors that mean a full disk: the write limits of a process and a quota too.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn faults of the disk and of a file's content into a `StorageError` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {_explain(error)}") from error
    except pl.exceptions.PolarsError as error:
        first = str(error).partition("\n")[0]
        raise StorageError(
            f"{path}: not a readable table: {first}; restore it or remove it"
        ) from error


def write_atomically(path: Path, *, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a temporary file, then put it at ``path``, durably.

    After a crash at any instant the old content is there or the new one, never a mixture.

    Raises:
        StorageError: if it can't be written; then the temporary file is gone.
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


def write_table(
    path: Path, *, frame: pl.DataFrame, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a Parquet file atomically, and make its folder; its metadata has the format version.

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
    """Return a Parquet file's table, to be read later, with exactly the schema's columns.

    A column that the version which wrote the file did not have is null.

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
        f"{path}: {found}, and this Poolbench reads {' and '.join(map(str, known))}; "
        "use the Poolbench that wrote it, or choose another results folder"
    )


def make_folder(path: Path) -> None:
    """Make a folder with its parents, durably; nothing if it is there.

    Raises:
        StorageError: if it can't be made.
    """
    with storage_errors(path):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable: a rename is safe only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a writer that was killed; call it only as the one writer."""
    with storage_errors(folder):
        for path in folder.glob(f".*{TEMPORARY}"):
            path.unlink(missing_ok=True)


def _explain(error: OSError) -> str:
    # by class where there is one: polars raises it without an errno
    if isinstance(error, FileNotFoundError):
        return "no such file; is it the folder of a run, and has the run been collected?"
    text = error.strerror or str(error).partition("\n")[0]
    if error.errno in _FULL:
        return f"{text}; free some space; stored records are safe"
    if isinstance(error, IsADirectoryError):
        return f"{text}; a file is expected there: name another"
    if isinstance(error, PermissionError):
        return f"{text}; let this user read and write there, or choose another folder"
    if error.errno == errno.EROFS:
        return f"{text}; make the folder writable for this user, or choose another"
    return f"{text}; check the disk and the folder"
