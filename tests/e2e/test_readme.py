"""The README's commands, run as they stand there, in their order."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.conftest import free_ports

README = Path("README.md").read_text(encoding="utf-8")

BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)

#: What a command of the README may take at the most, seconds; `make bench` is the longest.
LIMIT_S = 600

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_500)]


def commands(block: str) -> list[str]:
    """Return a block's commands, without their comments."""
    lines = (re.sub(r"\s{2,}#.*", "", line).strip() for line in block.splitlines())
    return [line for line in lines if line]


def run(command: str, *, variables: Mapping[str, str]) -> str:
    """Run a command by the shell, in the checkout; return what it printed."""
    ended = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables that keep the walk apart from a stack and results that somebody uses."""
    folder = tmp_path_factory.mktemp("reader")
    variables = {
        "STACK": "local",
        "COLUMNS": "100",
        "POOLBENCH_STATE_DIR": str(folder / "state"),
        "POOLBENCH_RESULTS_DIR": str(folder / "results"),
        **free_ports(),
    }
    yield variables
    run("make down", variables=variables)


def test_the_readme_has_the_commands_people_rely_on() -> None:
    """What the project promises to keep is what the README shows."""
    shown = " ".join(command for block in BLOCKS for command in commands(block))

    for target in ("demo", "bench", "up", "submit", "ps", "logs", "down"):
        assert f"make {target}" in shown


def newest_run(variables: Mapping[str, str]) -> str:
    """Return the newest experiment's run; makes one if there is none, as a reader would have."""
    results = Path(variables["POOLBENCH_RESULTS_DIR"])
    if not any(results.glob("*/report.html")):
        run("make demo", variables=variables)
    pages = results.glob("*/report.html")
    return max(pages, key=lambda page: page.stat().st_mtime).parent.name


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: commands(block)[0])
def test_the_commands_of_a_block_work(block: str, reader: dict[str, str]) -> None:
    """Each exits 0; RUN and BASELINE are the newest run; a report for programs is JSON."""
    for shown in commands(block):
        command = shown
        if " RUN" in shown:
            newest = newest_run(reader)
            command = shown.replace("RUN", newest).replace("BASELINE", newest)
        printed = run(command, variables=reader)
        if command.endswith("--json"):
            assert json.loads(printed)["rows"]
