"""The parts of a run: which stream entries lie in which file, and which files count.

A part is named by the first and the last stream id in it. The largest last id of a folder is the
cursor of ingest; there is no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(\d+-\d+)_(\d+-\d+)\.parquet", re.ASCII)


class StreamId(NamedTuple):
    """The id of a Redis stream's entry; ordered as Redis orders them."""

    #: Milliseconds of the server's clock.
    ms: int
    #: Which of the entries of one millisecond.
    serial: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.serial}"

    @property
    def following(self) -> StreamId:
        """Return the smallest id greater than this one."""
        return StreamId(self.ms, self.serial + 1)

    @classmethod
    def parse(cls, text: str) -> StreamId:
        """Return the id written as ``<ms>-<index>``."""
        ms, _, serial = text.partition("-")
        return cls(int(ms), int(serial))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A file that holds a run's entries from the first id to the last, both included."""

    first: StreamId
    last: StreamId
    path: Path

    def is_within(self, other: StoredPart) -> bool:
        """Whether the other part's range covers this one's."""
        return other.first <= self.first and self.last <= other.last


def part_name(*, first: StreamId, last: StreamId) -> str:
    """Return the file name of the part with that range."""
    return f"{first}_{last}.parquet"


def find_parts(folder: Path) -> list[StoredPart]:
    """Return every part in the folder; none if it isn't there. Other files are ignored."""
    if not folder.is_dir():
        return []
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    return [
        StoredPart(first=StreamId.parse(name[1]), last=StreamId.parse(name[2]), path=path)
        for path, name in found
        if name
    ]


def outermost(parts: Iterable[StoredPart]) -> list[StoredPart]:
    """Return the parts that lie within no other, in order of their ids: those that count.

    A part within another is what compaction had no time to remove.
    """
    kept: list[StoredPart] = []
    for part in sorted(parts, key=lambda part: (part.first, [-number for number in part.last])):
        # sorted so, a part that contains this one stands before it and reaches at least as far
        if not (kept and part.is_within(kept[-1])):
            kept.append(part)
    return kept
