"""Ends a command with the exit code of its thresholds."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape

from poolbench.errors import ExitCode
from report.result import Status, Summary


def end_by(summary: Summary, *, console: Console) -> None:
    """Print missed and unchecked thresholds, and exit with their code; return if there are none."""
    codes = {Status.MISSED: ExitCode.MISSED, Status.UNCHECKED: ExitCode.INVALID}
    bad = [one for status in codes for one in summary.thresholds if one.status is status]
    for one in bad:
        text = f"[bold red]{one.status}:[/] {escape(one.text)}"
        console.print(text, highlight=False, soft_wrap=True)
    if bad:
        raise typer.Exit(codes[bad[0].status])
