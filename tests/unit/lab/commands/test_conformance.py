"""The command's input, the Python it is given, and the log of its workers."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from lab.commands import conformance
from lab.conformance.interpreter import CeleryPython, inspect_python
from lab.conformance.promises import PROMISES
from lab.conformance.testbed import APP_FOLDER
from lab.conformance.worker import clean
from poolbench.errors import UsageError
from poolbench.pools import POOLS


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], [one.name for one in PROMISES]),
        (["eta", "ETA", "chord"], ["eta", "chord"]),
        (["`--disable-prefetch`"], ["disable-prefetch"]),
        ([" --Disable-Prefetch"], ["disable-prefetch"]),
        ([one.title.upper() for one in PROMISES], [one.name for one in PROMISES]),
    ],
)
def test_a_promise_is_found_by_name_or_title(words: list[str], names: list[str]) -> None:
    """As the document or the terminal prints it; each once, and by default all."""
    assert [one.name for one in conformance._chosen_promises(words)] == names


def test_promises_are_listed_with_names_and_titles_in_columns() -> None:
    """A line each, in the order of the table."""
    lines = conformance._listed().splitlines()
    column = lines[0].index(PROMISES[0].title)

    assert [line.split()[0] for line in lines] == [one.name for one in PROMISES]
    assert [line[column:] for line in lines] == [one.title.replace("`", "") for one in PROMISES]


def test_every_unknown_row_is_named_with_its_neighbour() -> None:
    """All faults at once."""
    with pytest.raises(UsageError) as caught:
        conformance._chosen_promises(["soft-limt", "eta", "crsh"])

    assert [fault.seen for fault in caught.value.faults] == ["soft-limt", "crsh"]
    assert "Did you mean soft-limit?" in str(caught.value)


@pytest.mark.parametrize("name", ["pools.txt", "pools", "absent/pools.md"])
def test_a_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """Before the survey runs for minutes."""
    conformance._check_target(tmp_path / "pools.md")
    conformance._check_target(None)

    with pytest.raises(UsageError, match="--write"):
        conformance._check_target(tmp_path / name)


def test_this_python_prints_the_version_of_every_package_that_can_change_a_verdict() -> None:
    """A pool whose package is missing can't be tried."""
    found = inspect_python(Path(sys.executable))
    bare = CeleryPython(path=Path("python"), versions={"celery": "5.7.0"})

    assert found.versions["celery"].startswith("5.")
    assert found.versions["python"].startswith("3.")
    assert bare.lacks(POOLS["prefork"]) == ""
    assert bare.lacks(POOLS["gevent"]).startswith("gevent is not installed")
    assert bare.lacks(POOLS["asyncio"]).startswith("greenlet is not installed")


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("hello", "must be a Python"),
        ('{"python": "3.13.1"}', "has no celery and redis. Run .* install 'celery.redis.'"),
        (None, "must be a Python"),
    ],
)
def test_a_python_without_celery_is_refused(
    tmp_path: Path, printed: str | None, message: str
) -> None:
    """So is a program that is no Python, and one that does not exist."""
    path = tmp_path / "python"
    if printed is not None:
        path.write_text(f"#!/bin/sh\necho '{printed}'\n", encoding="utf-8")
        path.chmod(0o700)

    with pytest.raises(UsageError, match=message):
        inspect_python(path)


def test_the_tried_app_needs_celery_and_nothing_else() -> None:
    """It runs in environments without Poolbench."""
    tree = ast.parse((APP_FOLDER / "conformance_app.py").read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")

    assert {name.partition(".")[0] for name in names} - {"celery"} <= sys.stdlib_module_names


def test_log_lines_come_without_time_and_process() -> None:
    """And are cut to the width of evidence."""
    start = "[2026-11-22 20:21:56,316: {}] "

    assert clean(f"{start.format('INFO/MainProcess')}Task wait[a] succeeded") == (
        "INFO: Task wait[a] succeeded"
    )
    assert clean("AttributeError: no") == "AttributeError: no"
    cut = clean(f"{start.format('ERROR/ForkPoolWorker-2')}{'x' * 500}")
    assert cut.rstrip("…") == f"ERROR: {'x' * 152}"
