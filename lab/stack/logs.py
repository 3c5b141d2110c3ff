"""Reads the local stack's logs: their ends, and what is added to them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

_POLL_S = 0.2


def last_lines(path: Path, *, count: int) -> list[str]:
    """Return the last lines of a log; none if there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


class AddedLines:
    """Name and line of all that is added to logs from now on, without end. Close it."""

    def __init__(self, paths: Mapping[str, Path], *, poll_s: float = _POLL_S) -> None:
        self._followers = {name: _Follower(path) for name, path in paths.items()}
        self._poll_s = poll_s

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while True:
            found = [(name, line) for name, one in self._followers.items() for line in one.read()]
            yield from found
            if not found:
                time.sleep(self._poll_s)

    def close(self) -> None:
        """Let go of the files."""
        for one in self._followers.values():
            one.close()


class _Follower:
    """One log, followed across its turning over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = ""
        self._file: IO[str] | None = self._open()
        if self._file is not None:
            self._file.seek(0, 2)

    def read(self) -> Iterator[str]:
        """Yield the whole lines added since the last call."""
        if self._file is not None:
            yield from self._whole_lines(self._file.read())
        if self._is_turned_over():
            self.close()
            self._file = self._open()
            if self._file is not None:
                yield from self._whole_lines(self._file.read())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _whole_lines(self, text: str) -> Iterator[str]:
        *lines, self._part = (self._part + text).split("\n")
        yield from lines

    def _is_turned_over(self) -> bool:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True

        opened = os.fstat(self._file.fileno())
        return (status.st_ino, status.st_dev) != (opened.st_ino, opened.st_dev)

    def _open(self) -> IO[str] | None:
        try:
            return self._path.open(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
