"""`poolbench profile` prints, or one line says why it can't."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab.commands.main import main
from poolbench.errors import ExitCode
from tests.recordings import jobs_of, write_recording


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a recording of ten jobs."""
    jobs = jobs_of("shop.mail", [float(second) for second in range(10)], {"io_wait": 0.1})
    return write_recording(tmp_path / "shop.pbrec", jobs)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Return the exit code of the command with these arguments."""
    monkeypatch.setattr(sys, "argv", ["poolbench", "profile", *map(str, words)])
    return main()


def test_json_has_the_whole_profile(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads each task with its figures."""
    assert run(monkeypatch, file, "--json") == ExitCode.OK

    profile = json.loads(capsys.readouterr().out)
    [task] = profile["tasks"]
    assert profile["format"] == 1
    assert (task["name"], task["executions"], task["states"]) == ("shop.mail", 10, {"io_wait": 1.0})
    assert profile["counts"]["garbled"] == 0


def test_the_page_is_written_beside_the_screen(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal names the page."""
    page = file.with_suffix(".html")

    assert run(monkeypatch, file, "--output", page) == ExitCode.OK
    assert "shop.mail" in page.read_text(encoding="utf-8")
    assert page.name in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["absent.pbrec"], ExitCode.USAGE, "no such file"),
        (["shop.pbrec", "shop.pbrec"], ExitCode.USAGE, "given more than once"),
        (["shop.pbrec", "--output", "no/page.html"], ExitCode.USAGE, "there is no folder"),
        (["empty.pbrec"], ExitCode.STORAGE, "the file is empty"),
    ],
    ids=["absent", "twice", "folder", "empty"],
)
def test_a_fault_is_one_line_with_its_exit_code(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    words: list[str],
    code: ExitCode,
    text: str,
) -> None:
    """Nothing is printed to standard output then."""
    monkeypatch.chdir(file.parent)
    (file.parent / "empty.pbrec").touch()

    assert run(monkeypatch, *words) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert text in " ".join(printed.err.split())
