"""Reads the local stack's logs: their last lines, and the lines that are added."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO

_POLL_S = 0.2


def read_logs(
    paths: Mapping[str, Path], *, count: int, is_following: bool, poll_s: float = _POLL_S
) -> Generator[tuple[str, str]]:
    """Yield name and line: the last ``count`` lines of each log, then all that are added.

    A log that doesn't exist is empty. A line counts when it is complete. With ``is_following`` the
    iterator doesn't end; otherwise it yields no added lines.
    """
    logs = {name: _Log(path) for name, path in paths.items()}
    with contextlib.ExitStack() as opened:
        for log in logs.values():
            opened.callback(log.close)
        for name, log in logs.items():
            for line in deque(log.read(), maxlen=count):
                yield name, line
        while is_following:
            added = [(name, line) for name, log in logs.items() for line in log.read()]
            yield from added
            if not added:
                time.sleep(poll_s)


class _Log:
    """One log, also after it was rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._incomplete = ""

    def read(self) -> Iterator[str]:
        """Yield the complete lines that were added since the last call."""
        yield from self._added_lines()
        with contextlib.suppress(FileNotFoundError):
            status = self._path.stat()
            if self._file is None or not os.path.samestat(status, os.fstat(self._file.fileno())):
                file = self._path.open(encoding="utf-8", errors="replace")
                self.close()
                self._file = file
        yield from self._added_lines()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _added_lines(self) -> Iterator[str]:
        if self._file is not None:
            *lines, self._incomplete = (self._incomplete + self._file.read()).split("\n")
            yield from lines
