"""What Typer refuses is printed by the program itself; `test_submission` checks the texts."""

from __future__ import annotations

import sys

import pytest
import typer

from poolbench.errors import ExitCode
from producer.typer_app import run_app


@pytest.mark.parametrize(("words", "code"), [([], ExitCode.USAGE), (["7"], 7), (["0"], 0)])
def test_the_exit_code_of_a_command_is_returned(
    words: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without words it is that of a wrong usage, and the help is all that is printed."""
    app = typer.Typer(add_completion=False)

    @app.command(no_args_is_help=True)
    def end(code: int) -> None:
        raise typer.Exit(code)

    monkeypatch.setattr(sys, "argv", ["end", *words])

    assert run_app(app) == code
    assert ("Usage:" in capsys.readouterr().out) == (not words)
