"""The command's input, the interpreter it is given, and workers that end by themselves."""

from __future__ import annotations

import ast
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.commands import conformance
from lab.conformance.finding import Outcome
from lab.conformance.interpreter import (
    Interpreter,
    inspect_interpreter,
    this_interpreter,
)
from lab.conformance.promises import ROWS
from lab.conformance.runner import in_order, judge_death
from lab.conformance.testbed import APP_FOLDER
from lab.conformance.worker import WorkerDiedError, clean
from poolbench.errors import UsageError
from poolbench.pools import POOLS


def python_that_says(text: str, *, folder: Path) -> Path:
    """Return a program that prints this, whatever it is asked."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_all_rows_and_pools_are_tried_unless_some_are_named() -> None:
    """In the order of the table."""
    assert conformance._chosen_rows(()) == ROWS
    assert conformance._chosen_pools(()) == tuple(POOLS.values())
    assert conformance._chosen_rows(["eta"])[0].name == "eta"
    assert conformance._chosen_pools(["solo"]) == (POOLS["solo"],)


@pytest.mark.parametrize(
    "title",
    ["`--disable-prefetch`", "--disable-prefetch", " --Disable-Prefetch", "disable-prefetch"],
)
def test_a_row_is_found_by_its_title_too(title: str) -> None:
    """As the document or the terminal prints it."""
    assert [row.name for row in conformance._chosen_rows([title])] == ["disable-prefetch"]


def test_every_title_names_its_row() -> None:
    """A row that is named twice is tried once."""
    titles = [row.title.upper() for row in ROWS]

    assert conformance._chosen_rows(titles) == ROWS
    assert conformance._chosen_rows(["eta", "ETA", "chord"]) == conformance._chosen_rows(
        ["eta", "chord"]
    )


def test_rows_are_listed_with_names_and_titles_in_line() -> None:
    """A line each, in the order of the table."""
    lines = conformance._listed().splitlines()
    column = lines[0].index(ROWS[0].title)

    assert [line.split()[0] for line in lines] == [row.name for row in ROWS]
    assert [line[column:] for line in lines] == [row.title.replace("`", "") for row in ROWS]


def test_all_rows_are_tried_once_before_any_is_tried_again() -> None:
    """The slow ones first, so that the end of a survey does not wait for them."""
    cells = [(row, POOLS["solo"]) for row in ROWS]

    tries = in_order(cells, tries=3)
    rounds = [tries[start : start + len(ROWS)] for start in range(0, len(tries), len(ROWS))]

    assert [{number for number, _, _ in one} for one in rounds] == [{0}, {1}, {2}]
    assert {frozenset(row for _, row, _ in one) for one in rounds} == {frozenset(ROWS)}
    assert [one[0][1].name for one in rounds] == ["redelivery"] * 3


def test_every_unknown_row_is_named_with_its_neighbour() -> None:
    """All faults at once."""
    with pytest.raises(UsageError) as caught:
        conformance._chosen_rows(["soft-limt", "eta", "crsh"])

    assert [fault.seen for fault in caught.value.faults] == ["soft-limt", "crsh"]
    assert "did you mean soft-limit?" in str(caught.value)


@pytest.mark.parametrize("name", ["pools.txt", "pools", "absent/pools.md"])
def test_a_target_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """Before minutes are spent on what would stand in it."""
    with pytest.raises(UsageError, match="--write"):
        conformance._check_target(tmp_path / name)


def test_foreign_variables_are_forgotten() -> None:
    """Celery's own alone."""
    environ = {"CELERY_BROKER_URL": "redis://x", "REMAP_SIGTERM": "SIGQUIT", "PATH": "/bin"}

    conformance.forget_foreign_variables(environ)

    assert environ == {"PATH": "/bin"}


def test_a_target_that_can_be_written_is_taken(tmp_path: Path) -> None:
    """And so is none."""
    conformance._check_target(tmp_path / "pools.md")
    conformance._check_target(None)


def test_this_python_tells_its_versions() -> None:
    """Every package that can change a verdict."""
    found = this_interpreter()

    assert found.path == Path(sys.executable)
    assert found.versions["celery"].startswith("5.")
    assert found.versions["python"].startswith("3.")


def test_a_python_that_does_not_run_is_refused(tmp_path: Path) -> None:
    """A path that was mistyped is a user's mistake."""
    with pytest.raises(UsageError, match="not a Python that runs"):
        inspect_interpreter(tmp_path / "absent")


def test_a_program_that_is_no_python_is_refused(tmp_path: Path) -> None:
    """Whatever it prints."""
    with pytest.raises(UsageError, match="not a Python that runs"):
        inspect_interpreter(python_that_says("hello", folder=tmp_path))


def test_a_python_without_celery_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """The command that would help stands in the message."""
    path = python_that_says('{"python": "3.13.1"}', folder=tmp_path)

    with pytest.raises(UsageError, match="celery and redis not installed there") as caught:
        inspect_interpreter(path)

    assert f"{path} -m pip install 'celery[redis]'" in str(caught.value)


@pytest.mark.parametrize(
    ("pool", "lacking"),
    [
        ("prefork", ""),
        ("gevent", "gevent is not installed there"),
        ("asyncio", "greenlet is not installed there"),
    ],
)
def test_what_a_pool_lacks_is_said(pool: str, lacking: str) -> None:
    """It is then not tried, for that reason."""
    bare = Interpreter(path=Path("python"), versions={"celery": "5.7.0"})

    assert bare.lacks(POOLS[pool]) == lacking


def test_the_tried_app_needs_celery_and_nothing_else() -> None:
    """It runs in environments that know nothing of Poolbench."""
    tree = ast.parse((APP_FOLDER / "conformance_app.py").read_text(encoding="utf-8"))
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert names - {"celery"} <= sys.stdlib_module_names


def dead(*words: str, exit_code: int) -> WorkerDiedError:
    """Return the death of a worker with these last words."""
    worker = SimpleNamespace(child=SimpleNamespace(exit_code=exit_code), last_words=lambda: words)
    return WorkerDiedError(worker)  # type: ignore[arg-type]  # a worker is a process


def test_a_worker_that_dies_breaks() -> None:
    """Its exit code and its last words are the evidence."""
    found = judge_death(dead("log: CRITICAL: no grow", exit_code=1))

    assert found.outcome is Outcome.BREAKS
    assert found.seen == "The worker died, with exit code 1."
    assert found.evidence == ("log: CRITICAL: no grow",)


def test_an_option_that_this_celery_does_not_know_is_not_tried() -> None:
    """Its absence is no verdict on a pool."""
    found = judge_death(dead("log: Error: No such option: --disable-prefetch", exit_code=2))

    assert found.outcome is Outcome.NOT_TRIED
    assert "doesn't know the option" in found.seen


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        (
            "[2026-11-22 20:21:56,316: INFO/MainProcess] Task wait[a] succeeded",
            "INFO: Task wait[a] succeeded",
        ),
        ("AttributeError: no", "AttributeError: no"),
        ("[2026-11-22 20:21:56,316: ERROR/ForkPoolWorker-2] " + "x" * 500, "ERROR: " + "x" * 152),
    ],
)
def test_log_lines_come_without_clock_and_process(line: str, cleaned: str) -> None:
    """And no longer than a line of evidence."""
    assert clean(line).rstrip("…") == cleaned
