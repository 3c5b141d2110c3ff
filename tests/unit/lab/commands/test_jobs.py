"""`poolbench jobs`: the catalogue for people and for machines."""

from __future__ import annotations

import json
import re

from rich.console import Console
from typer.testing import CliRunner

from lab.commands.jobs import render
from lab.commands.main import app
from poolbench.errors import ExitCode
from poolbench.jobs import JOB_KINDS, complete_parameters


def text_of(*, width: int = 80) -> str:
    """Return the catalogue as a terminal of that width shows it."""
    console = Console(width=width)
    with console.capture() as captured:
        console.print(render(JOB_KINDS.values()), highlight=False)
    return captured.get()


def test_every_kind_is_shown_with_what_a_person_must_know() -> None:
    """Name, class, sentence; of each parameter the name, the default with its unit, the bounds."""
    text = text_of(width=200)

    for kind in JOB_KINDS.values():
        assert re.search(rf"^{kind.name}  {kind.work_class.value}", text, re.MULTILINE)
        assert kind.summary in text
        for parameter in (*kind.parameters, *kind.calibrated):
            assert f"{parameter.help}" in text
    assert re.search(r"work_ms +8 ms +0.1 to 100,000 +work", text)
    assert re.search(r"or: units +units +1 to 10,000,000", text)
    assert re.search(r"cpu_share +0.5 +0 to 1 ", text)


def test_it_fits_a_terminal_of_eighty_columns() -> None:
    """Nothing is cut off: meanings go over several lines."""
    lines = text_of().splitlines()

    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)


def test_json_is_the_whole_catalogue() -> None:
    """Its defaults are what a job without parameters gets, in their own types."""
    done = CliRunner().invoke(app, ["jobs", "--json"])

    assert done.exit_code == ExitCode.OK
    found = json.loads(done.stdout)
    assert [kind["name"] for kind in found["kinds"]] == list(JOB_KINDS)
    for told in found["kinds"]:
        kind = JOB_KINDS[told["name"]]
        shown = {
            one["name"]: one["default"] for one in told["parameters"] if not one["is_optional"]
        }
        assert shown == complete_parameters(kind, {})
        assert told["class"] == kind.work_class.value
        assert bool(told["instead"]) == bool(kind.calibrated)


def test_the_command_prints_the_catalogue() -> None:
    """Without an option it is for people."""
    done = CliRunner().invoke(app, ["jobs"])

    assert done.exit_code == ExitCode.OK
    assert "io.redis  waits, chatty" in done.stdout
