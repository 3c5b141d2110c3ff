"""The parts of a run: the range of stream entries in each file, and the files that count.

A part's name has its first and its last stream id. The largest last id in a folder is the only
cursor of ingest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(\d+-\d+)_(\d+-\d+)\.parquet", re.ASCII)


class StreamId(NamedTuple):
    """The id of an entry in a Redis stream, with Redis's order."""

    #: Milliseconds of the server's clock.
    ms: int
    #: Index of the entry within its millisecond.
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
    """A file with a run's entries from the first id to the last, inclusive."""

    first: StreamId
    last: StreamId
    path: Path

    def is_within(self, other: StoredPart) -> bool:
        """Return whether the other part's range contains this one's."""
        return other.first <= self.first and self.last <= other.last


def part_name(*, first: StreamId, last: StreamId) -> str:
    """Return the file name of the part with that range."""
    return f"{first}_{last}.parquet"


def find_parts(folder: Path) -> list[StoredPart]:
    """Return every part in the folder; none if it doesn't exist. Other files are ignored."""
    if not folder.is_dir():
        return []
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    return [
        StoredPart(first=StreamId.parse(name[1]), last=StreamId.parse(name[2]), path=path)
        for path, name in found
        if name
    ]


def outermost(parts: Iterable[StoredPart]) -> list[StoredPart]:
    """Return the parts that no other part contains, in order of their ids: those that count.

    Compaction that was interrupted leaves parts that another one contains.
    """
    kept: list[StoredPart] = []
    for part in sorted(parts, key=lambda part: (part.first, [-number for number in part.last])):
        # in this order, a part that contains this one precedes it and ends at least as late
        if not (kept and part.is_within(kept[-1])):
            kept.append(part)
    return kept
