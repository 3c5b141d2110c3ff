"""Reading logs: their ends, and what is added, across their turning over."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from lab.commands.stack import _COMPOSE_PREFIX
from lab.stack.logs import AddedLines, last_lines


def append(path: Path, text: str) -> None:
    """Add text to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    """No more than asked for, without their ends."""
    log = tmp_path / "x.log"
    append(log, "one\ntwo\nthree\n")

    assert last_lines(log, count=2) == ["two", "three"]
    assert last_lines(log, count=0) == []
    assert last_lines(tmp_path / "none.log", count=5) == []


def test_bytes_that_are_no_text_are_shown_somehow(tmp_path: Path) -> None:
    """A log is never refused."""
    log = tmp_path / "x.log"
    log.write_bytes(b"caf\xe9\n")

    assert last_lines(log, count=1) == ["caf�"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a line in it."""
    path = tmp_path / "x.log"
    append(path, "before\n")
    return path


@pytest.fixture
def followed(log: Path, tmp_path: Path) -> Iterator[Iterator[tuple[str, str]]]:
    """What is added to that log, and to one that isn't there yet."""
    paths = {"x": log, "late": tmp_path / "late.log"}
    with contextlib.closing(AddedLines(paths, poll_s=0.01)) as lines:
        yield iter(lines)


def test_lines_added_are_followed(log: Path, followed: Iterator[tuple[str, str]]) -> None:
    """What stood there before is not repeated, and a line counts when it is whole."""
    append(log, "half")
    append(log, " and half\nlast\n")

    assert list(islice(followed, 2)) == [("x", "half and half"), ("x", "last")]


def test_a_log_that_is_turned_over_is_followed_on(
    log: Path, followed: Iterator[tuple[str, str]]
) -> None:
    """What was written last to the old file, and first to the new one, are both seen."""
    append(log, "old file\n")
    log.rename(log.with_suffix(".log.1"))
    append(log, "new file\n")

    assert list(islice(followed, 2)) == [("x", "old file"), ("x", "new file")]


def test_a_log_that_appears_later_is_followed(
    tmp_path: Path, followed: Iterator[tuple[str, str]]
) -> None:
    """A service that hasn't started yet has no log."""
    append(tmp_path / "late.log", "here\n")

    assert next(followed) == ("late", "here")


def test_compose_s_prefix_is_the_local_stack_s() -> None:
    """Container numbers and terminal codes are no part of a service's name."""
    for printed in (
        "worker-gevent-1  | ready | now",
        "\x1b[2Kworker-gevent-1  | ready | now",
        "worker-gevent | ready | now",
    ):
        found = _COMPOSE_PREFIX.match(printed)
        assert found is not None
        assert (found["name"], found["line"]) == ("worker-gevent", "ready | now")
