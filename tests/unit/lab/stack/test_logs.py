"""Reading logs: their ends, and what is added, across their rotation."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

import pytest

from lab.stack.docker import split_log_line
from lab.stack.logs import read_logs


def append(path: Path, text: str) -> None:
    """Add text to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    """No more than asked for, without their ends; bytes that are no text are shown somehow."""
    log = tmp_path / "x.log"
    log.write_bytes(b"one\ntwo\ncaf\xe9\n")

    def last_lines(path: Path, *, count: int) -> list[str]:
        return [line for _, line in read_logs({"x": path}, count=count, is_following=False)]

    assert last_lines(log, count=2) == ["two", "caf�"]
    assert last_lines(log, count=0) == []
    assert last_lines(tmp_path / "none.log", count=5) == []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a line in it."""
    path = tmp_path / "x.log"
    append(path, "before\n")
    return path


@pytest.fixture
def followed(log: Path) -> Iterator[Generator[tuple[str, str]]]:
    """What is added to that log, and to one that isn't there yet."""
    paths = {"x": log, "late": log.with_name("late.log")}
    lines = read_logs(paths, count=1, is_following=True, poll_s=0.01)
    assert next(lines) == ("x", "before")
    yield lines
    lines.close()


def test_lines_added_are_followed(log: Path, followed: Iterator[tuple[str, str]]) -> None:
    """A line counts when it is whole; a service that hasn't started yet has no log."""
    append(log, "whole\nhalf")
    assert next(followed) == ("x", "whole")
    append(log, " and half\n")
    assert next(followed) == ("x", "half and half")

    append(log.with_name("late.log"), "here\n")
    assert next(followed) == ("late", "here")


def test_a_log_that_is_rotated_is_followed(log: Path, followed: Iterator[tuple[str, str]]) -> None:
    """What was written last to the old file, and first to the new one, are both seen."""
    append(log, "old file\n")
    log.rename(log.with_suffix(".log.1"))
    append(log, "new file\n")

    assert list(islice(followed, 2)) == [("x", "old file"), ("x", "new file")]


def test_compose_s_prefix_becomes_the_service_s_name() -> None:
    """Container numbers and terminal codes are no part of it."""
    for printed in (
        "worker-gevent-1  | ready | now",
        "\x1b[2Kworker-gevent-1  | ready | now",
        "worker-gevent | ready | now",
    ):
        assert split_log_line(printed) == ("worker-gevent", "ready | now")
