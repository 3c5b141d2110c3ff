"""The command ``poolbench record`` in the list of all commands; the wheel has it too."""

from __future__ import annotations

from typing import Annotated

import typer

from poolbench.recording import command


def record(
    words: Annotated[list[str] | None, typer.Argument(metavar="--to FILE -- COMMAND")] = None,
) -> None:
    """Run a worker of your own app and record what its jobs do into a local file."""
    raise typer.Exit(command.main(words or []))
