"""The table of lanes: how long each contender's slots were in which state."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.charts.slots import LOOKS
from report.lanes import WorkloadLanes
from report.palette import pool_shade

#: Smallest share that is shown as a number.
_SEEN = 0.005


def render_lanes(found: list[WorkloadLanes]) -> RenderableType:
    """Return a table for each workload, for 80 columns or more."""
    return Group(*(part for one in found for part in _parts(one)))


def _parts(found: WorkloadLanes) -> Iterator[RenderableType]:
    yield Text.assemble("\n", (found.workload, "bold"), f"  {found.jobs}")
    states = [state for state in LOOKS if any(one.share(state) >= _SEEN for one in found.lanes)]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("contender", no_wrap=True)
    for title in ("jobs", "took", *(LOOKS[state].short for state in states)):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found.lanes:
        table.add_row(
            Text(one.name, style=pool_shade(one.pool).light),
            fmt.count(len(one.jobs)),
            fmt.duration(one.span_s),
            *(_share(one.share(state)) for state in states),
        )
    yield table
    words = "; ".join(f"{LOOKS[state].short}: {LOOKS[state].meaning}" for state in states)
    yield Text(f"Shares of the jobs' time. {words}.", style="dim")
    for note in found.chart.notes:
        yield Text(note, style="dim")


def _share(share: float) -> str:
    return fmt.percent(share) if share >= _SEEN else "·"
