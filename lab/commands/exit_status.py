"""Ends a command with the exit code of its thresholds."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape

from poolbench.errors import ExitCode
from report.result import Summary
from report.verdicts.thresholds import missed, unchecked


def end_by(summary: Summary, *, console: Console) -> None:
    """Print missed and unchecked thresholds, and exit with their code; return if there are none."""
    found = {ExitCode.MISSED: ("missed", missed(summary))}
    found[ExitCode.INVALID] = ("not checked", unchecked(summary))
    for word, texts in found.values():
        for text in texts:
            console.print(f"[bold red]{word}:[/] {escape(text)}", highlight=False, soft_wrap=True)
    for code, (_, texts) in found.items():
        if texts:
            raise typer.Exit(code)
