"""What tests look up in the summaries of runs, and how they are shown."""

from __future__ import annotations

from typing import TypeVar

from rich.console import Console, RenderableType

from collector.reasons import Code
from report.result import RowSummary, Summary
from report.terminal.screen import render
from report.trials.trial import TrialSummary

T = TypeVar("T")


def row_of(summary: Summary, contender: str) -> RowSummary:
    """Return the row of a contender in the first workload that it has one in."""
    return next(row for row in summary.rows if row.contender == contender)


def codes(found: RowSummary | TrialSummary) -> list[Code]:
    """Return the codes of its reasons, in their order."""
    return [one.code for one in found.reasons]


def printed(what: RenderableType, *, width: int) -> str:
    """Return what a terminal of that width shows, without colours."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def shown(summary: Summary, *, width: int = 100, has_details: bool = False) -> str:
    """Return the report as a terminal of that width shows it, without colours."""
    return printed(render(summary, has_details=has_details), width=width)


def details(summary: Summary, *, width: int = 100) -> str:
    """Return what `--details` shows, its lines joined: a sentence breaks anywhere."""
    return " ".join(shown(summary, width=width, has_details=True).split())


def known(value: T | None) -> T:
    """Return a value that has to be there."""
    assert value is not None
    return value
