"""What the documents say of settings is what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.stack.services import LOG_FILES, LOG_MAX_MB
from lab.system.paths import ROOT
from poolbench.settings import VARIABLES, load_settings

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: Messages that the table of problems quotes.
MESSAGES = (
    "listens there",
    "did not become healthy",
    "not ready: no heartbeat in the broker",
    "health check: ",
    "refuses the password",
    "the stack was killed, or the machine restarted",
    "no permission to use its socket",
    "was started with Docker, and now",
    "stack is up already",
)

EXAMPLE = ROOT / ".env.example"


@pytest.mark.parametrize("name", VARIABLES)
def test_every_setting_stands_in_the_table(name: str) -> None:
    """With its default and its meaning."""
    variable = VARIABLES[name]
    default = f"`{variable.default}`" if variable.default else ""

    assert re.search(rf"^\| `{name}` \| {re.escape(default)} \| \S.+ \|$", OPERATIONS, re.MULTILINE)


def test_the_table_holds_no_other_setting() -> None:
    """A setting that is gone is gone from the table."""
    table = OPERATIONS.partition("| variable |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(VARIABLES)


def test_the_example_names_every_setting_with_its_default() -> None:
    """Copied as it stands it changes nothing."""
    shown = dict(re.findall(r"^#([A-Z]\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))

    assert {name: shown.get(name) for name in VARIABLES} == {
        name: variable.default for name, variable in VARIABLES.items()
    }


def test_the_example_uncommented_is_the_default(tmp_path: Path) -> None:
    """Its form is the one that settings are read in."""
    path = tmp_path / ".env"
    path.write_text(re.sub(r"(?m)^#(?=[A-Z]\w+=)", "", EXAMPLE.read_text()), encoding="utf-8")

    assert load_settings({}, dotenv=path) == load_settings({}, dotenv=None)


def test_the_sizes_of_logs_are_told_as_they_are() -> None:
    """A number in a document is a promise."""
    assert f"{LOG_FILES} × {LOG_MAX_MB} MB" in OPERATIONS


@pytest.mark.parametrize("fragment", MESSAGES)
def test_messages_in_the_table_are_messages_of_the_code(fragment: str) -> None:
    """What a reader searches for must be what was printed."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lab").rglob("*.py"))

    assert fragment in OPERATIONS
    assert fragment in code
