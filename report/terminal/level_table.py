"""The table of a workload's levels over time in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from report.legend import describe_level, has_level_findings
from report.result import RowSummary
from report.terminal.tables import WIDE, head, new_table

#: Level → the head of its column. A terminal with less than `WIDE` columns shows the first three.
_HEADS: Mapping[str, str] = {
    "prefetch_count": "prefetch count",
    "unacked_jobs": "unacked",
    "pss_bytes": "PSS, MB",
    "reserved_jobs": "reserved",
    "countdown_jobs": "countdowns",
    "connections": "connections",
}


def level_table(rows: Sequence[RowSummary], *, width: int) -> Table | None:
    """Return the levels before, during and after the jobs; None without a finding about them."""
    if not has_level_findings(rows):
        return None
    names = list(_HEADS)[: None if width >= WIDE else 3]
    table = new_table(rows, header="over time")
    for name in names:
        table.add_column(_HEADS[name], justify="right", ratio=1)
    for row in rows:
        table.add_row(*head(row), *(describe_level(row, name=name) for name in names))
    return table
