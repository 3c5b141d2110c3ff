"""What the documents say of settings is what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_the_table_holds_every_setting_and_no_other() -> None:
    """With its default and its meaning."""
    table = OPERATIONS.partition("| variable |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| \S.+ \|$", table, re.MULTILINE)

    assert rows == [
        (name, f"`{variable.default}`" if variable.default else "")
        for name, variable in VARIABLES.items()
    ]


def test_the_example_shows_every_setting_as_a_comment_with_its_default(tmp_path: Path) -> None:
    """Copied as it is it changes nothing, and uncommented neither."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#([A-Z]\w+)=(.*)$", example, re.MULTILINE))
    path = tmp_path / ".env"
    path.write_text(re.sub(r"(?m)^#(?=[A-Z]\w+=)", "", example), encoding="utf-8")

    assert {name: shown.get(name) for name in VARIABLES} == {
        name: variable.default for name, variable in VARIABLES.items()
    }
    assert load_settings({}, dotenv=path) == load_settings({}, dotenv=None)


@pytest.mark.parametrize("fragment", MESSAGES)
def test_messages_in_the_table_are_messages_of_the_code(fragment: str) -> None:
    """What a reader searches for must be what was printed."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lab").rglob("*.py"))

    assert fragment in OPERATIONS
    assert fragment in code
