"""Files that are there whole or not at all, and the names by which parts are ordered."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import IO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.files import (
    read_metadata,
    read_table,
    storage_errors,
    write_atomically,
    write_table,
)
from collector.parts import StoredPart, StreamId, find_parts, outermost, part_name
from poolbench.errors import StorageError

_IDS = st.builds(StreamId, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 2))


def test_writer_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    """Whatever goes wrong while writing, there is the old content and no temporary file."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half of the new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, write=fail)

    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "Let this user read and write there"),
        (errno.EISDIR, "Name a file"),
        (errno.EROFS, "Make the folder writable"),
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EIO, "Check the disk"),
    ],
)
def test_a_fault_of_the_disk_advises_what_helps(code: int, advice: str) -> None:
    """Also where nothing was to be written."""
    said = rf"^summary\.json: {re.escape(os.strerror(code))}\. .*{advice}"
    with pytest.raises(StorageError, match=said), storage_errors(Path("summary.json")):
        raise OSError(code, os.strerror(code))


def test_table_carries_its_own_metadata(tmp_path: Path) -> None:
    """A count in the file is there when the file is; a column of another type is one clear line."""
    path = tmp_path / "table.parquet"
    write_table(path, frame=pl.DataFrame({"a": [1], "b": [2]}), metadata={"lines": "1"})

    assert read_metadata(path)["lines"] == "1"
    schema = pl.Schema({"b": pl.Int64(), "c": pl.String()})
    assert read_table(path, schema=schema).to_dicts() == [{"b": 2, "c": None}]
    with pytest.raises(StorageError, match=r"table\.parquet: not a readable table: .*. Restore it"):
        read_table(path, schema=pl.Schema({"a": pl.String()}))


@given(one=_IDS, two=_IDS)
def test_ids_are_read_back_and_ordered_as_redis_orders_them(one: StreamId, two: StreamId) -> None:
    """By milliseconds, then by the serial number; as numbers, not as text."""
    assert StreamId.parse(str(one)) == one
    assert (one < two) == ((one.ms, one.serial) < (two.ms, two.serial))
    assert one < one.following
    assert not one < two < one.following


@given(ranges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12, unique=True))
def test_parts_that_count_cover_what_all_parts_cover(ranges: list[tuple[int, int]]) -> None:
    """Each part lies within one that counts, and none that counts lies within another."""
    parts = [
        StoredPart(
            first=StreamId(at, 0), last=StreamId(at + length, 0), path=Path(f"{at}_{length}")
        )
        for at, length in ranges
    ]

    kept = outermost(parts)

    assert all(any(part.is_within(one) for one in kept) for part in parts)
    assert not any(a.is_within(b) for a in kept for b in kept if a is not b)


def test_parts_are_found_by_their_names_alone(tmp_path: Path) -> None:
    """Temporary files, notes and names of another shape are no parts."""
    name = part_name(first=StreamId(5, 0), last=StreamId(7, 3))
    for other in (name, f".{name}.1.tmp", "5-0_7-3.csv", "5_7.parquet", "-5-0_7-3.parquet"):
        (tmp_path / other).touch()

    (part,) = find_parts(tmp_path)

    assert (part.first, part.last, part.path.name) == (StreamId(5, 0), StreamId(7, 3), name)
    assert find_parts(tmp_path / "absent") == []
