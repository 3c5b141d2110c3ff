"""Reads the local stack's logs: their last lines, and the lines that are added."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Generator, Mapping
from pathlib import Path

_POLL_S = 0.2


def read_logs(
    paths: Mapping[str, Path], *, count: int, is_following: bool, poll_s: float = _POLL_S
) -> Generator[tuple[str, str]]:
    """Yield name and line: the last ``count`` lines of each log, then all that are added.

    A log that doesn't exist is empty. A line counts when it is complete. With ``is_following`` the
    iterator doesn't end; otherwise it yields no added lines.
    """
    logs = {name: _added_lines(path) for name, path in paths.items()}
    for name, log in logs.items():
        for line in deque(next(log), maxlen=count):
            yield name, line
    while is_following:
        added = [(name, line) for name, log in logs.items() for line in next(log)]
        yield from added
        if not added:
            time.sleep(poll_s)


def _added_lines(path: Path) -> Generator[list[str]]:
    """Yield, without end, the complete lines of a log since the last step, across its rotation."""
    incomplete = ""
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(Path(os.devnull).open(encoding="utf-8"))
        while True:
            text = file.read()
            with contextlib.suppress(FileNotFoundError):
                if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    added = opened.enter_context(path.open(encoding="utf-8", errors="replace"))
                    file.close()
                    file = added
                    text += file.read()
            *lines, incomplete = (incomplete + text).split("\n")
            yield lines
