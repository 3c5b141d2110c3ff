"""Shows in a terminal what sweeps measured, and what each setting changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.terminal.sweep_text import describe_law
from report.terminal.tables import MARK_STYLES


def render_sweeps(summary: Mapping[str, Any]) -> list[RenderableType]:
    """Return a section for each sweep; nothing where there is none."""
    return [_sweep(sweep) for sweep in summary.get("sweeps") or []]


def render_effects(summary: Mapping[str, Any]) -> list[RenderableType]:
    """Return a heading and a line for each setting in which two contenders differ alone."""
    effects = summary.get("effects") or []
    if not effects:
        return []
    return [Text("\nWhat one setting changes", style="bold"), *map(_effect, effects)]


def _effect(effect: Mapping[str, Any]) -> RenderableType:
    mark = effect["mark"]
    text = Text.assemble(
        (f"{mark or ' '} ", MARK_STYLES.get(mark, "")),
        (f"{effect['workload']}, {effect['contender']} against {effect['against']}", "bold"),
        f": {effect['text']}",
    )
    return Padding(text, (0, 0, 0, 0))


def _sweep(sweep: Mapping[str, Any]) -> RenderableType:
    title = Text.assemble(
        "\n",
        (f"{sweep['of']} by {sweep['setting']}", "bold"),
        (f"  {sweep['workload']}", "dim"),
    )
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    table.add_column(sweep["setting"], justify="right", no_wrap=True)
    table.add_column("jobs/s", justify="right", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("", ratio=1)
    largest = max((point["high"] or 0.0 for point in sweep["points"]), default=0.0)
    for point in sweep["points"]:
        table.add_row(
            Text(point["mark"], style=MARK_STYLES.get(point["mark"], "")),
            f"{point['value']}".lower(),
            Text(fmt.number(point["median"]), style="bold"),
            fmt.span(point["low"], high=point["high"]),
            Bar(largest or 1.0, 0, point["median"] or 0.0),
        )
    words = describe_law(sweep)
    told = [Padding(Text(words), (0, 0, 1, 2))] if words else []
    return Group(title, *told, table)
