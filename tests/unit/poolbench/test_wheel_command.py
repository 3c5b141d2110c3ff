"""The `poolbench` command where only the wheel is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolbench import __main__ as command
from poolbench import __version__


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab isn't beside the package."""
    monkeypatch.setattr(command, "_LAB", Path("/nowhere/lab.py"))


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit code of the command with these arguments."""
    monkeypatch.setattr("sys.argv", ["poolbench", *words])
    return command.main()


def test_the_commands_of_a_checkout_are_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    assert run("profile", "shop.pbrec", monkeypatch=monkeypatch) == 2

    message = capfd.readouterr().err
    assert message.count("\n") == 1
    assert "profile is invalid" in message
    assert "from a checkout" in message


def test_help_names_record(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without arguments the help is printed, as in a checkout."""
    assert run(monkeypatch=monkeypatch) == 0
    assert "poolbench record --to FILE" in capfd.readouterr().out


def test_the_version_is_the_package_s(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An app's Python is compared by it."""
    assert run("--version", monkeypatch=monkeypatch) == 0
    assert capfd.readouterr().out == f"poolbench {__version__}\n"
