"""Prints the results of the thresholds in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from report.result import Checked, Status, Summary

#: Status → the sign before its line, and its style.
_SIGNS: Mapping[str, tuple[str, str]] = {
    Status.MET: ("met", "green"),
    Status.MISSED: ("missed", "bold red"),
    Status.UNCHECKED: ("?", "bold red"),
    Status.UNMEASURED: ("–", "dim"),
}


def render_thresholds(summary: Summary) -> list[RenderableType]:
    """Return a heading and a line per threshold; empty without thresholds."""
    checked = summary.thresholds
    if not checked:
        return []
    width = max(len(_SIGNS[one.status][0]) for one in checked)
    return [Text("\nThresholds", style="bold"), *(_line(one, width=width) for one in checked)]


def _line(checked: Checked, *, width: int) -> RenderableType:
    sign, style = _SIGNS[checked.status]
    text = Text.assemble((f"{sign:{width}} ", style), checked.text)
    return Padding(text, (0, 0, 0, 2))
