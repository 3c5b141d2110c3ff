"""The table of the groups of workers of each contender that has several."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.palette import pool_shade
from report.result import RowSummary
from report.terminal.tables import head, new_table


def group_table(rows: Sequence[RowSummary]) -> Table | None:
    """Return the figures of each group below its contender; None without groups."""
    grouped = [row for row in rows if row.groups]
    if not grouped:
        return None
    table = new_table(grouped, header="\ncontender")
    table.add_column("\ngroup", no_wrap=True)
    for title in ("\nslots", "\njobs/s", "of all\nexec.", "exec.\np95", "\nCPU-s", "\nMB"):
        table.add_column(title, justify="right", no_wrap=True, ratio=1)
    for row in grouped:
        for place, group in enumerate(row.groups):
            per_s = group.throughput_per_s
            workers = f"{group.workers} × " if group.workers > 1 else ""
            table.add_row(
                *(["", ""] if place else head(row)),
                Text(group.name, style=pool_shade(group.pool).dark),
                f"{workers}{group.slots:,}",
                fmt.number(per_s.median if per_s else None),
                fmt.percent(group.execution_share),
                fmt.duration(group.p95_execution_s),
                fmt.number(group.cpu_s_per_1000_jobs),
                fmt.number(None if group.pss_bytes is None else group.pss_bytes / 1e6),
            )
    return table
