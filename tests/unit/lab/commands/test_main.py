"""The `poolbench` command itself: what it says without a command."""

from __future__ import annotations

import platform
import re

from typer.testing import CliRunner

from lab.commands.main import app
from poolbench import __version__


def test_the_version_names_all_that_a_number_depends_on() -> None:
    """A bug report needs one command."""
    done = CliRunner().invoke(app, ["--version"])

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == f"poolbench {__version__}"
    assert {line.split()[0] for line in lines} >= {"celery", "redis", "polars"}
    assert platform.python_version() in lines[-1]


def test_every_command_has_its_line_of_help() -> None:
    """A newcomer starts here."""
    done = CliRunner().invoke(app, ["--help"])

    assert done.exit_code == 0
    for name in ("run", "report", "compare", "export", "jobs", "up", "down", "ps", "logs"):
        assert re.search(rf"^\W*{name} +[A-Z]\w+ ", done.stdout, re.MULTILINE), name


def test_help_shows_brackets_as_they_are() -> None:
    """The table [app] of a file is no markup."""
    done = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"})

    assert "the file's [app]" in " ".join(done.stdout.split())
