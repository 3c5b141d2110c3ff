"""Tables of a workload whose jobs arrived at a rate: rates, latency over load, fairness."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import describe_ledger
from report.palette import row_shade
from report.result import LoadCurve, LoadPoint, MixFairness, RowSummary
from report.statistics.percentiles import Tail
from report.terminal.tables import head, new_table


def rate_table(rows: Sequence[RowSummary]) -> Table:
    """Return the table of arrivals, jobs done and response; the bar is the p95 response."""
    table = new_table(rows)
    for title in ("slots", "offered/s", "done/s", "kept up", "response p95"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    table.add_column("ledger", no_wrap=True)
    largest = max((_p95(row) or 0.0 for row in rows), default=0.0)
    for row in rows:
        is_whole, account = describe_ledger(row.ledger)
        table.add_row(
            *head(row),
            fmt.count(row.slots),
            fmt.number(row.offered_per_s),
            fmt.number(row.throughput_per_s.median if row.throughput_per_s else None),
            fmt.NOTHING if row.kept_up is None else f"{row.kept_up} of {row.valid_repetitions}",
            Text(fmt.duration(_p95(row)), style="bold"),
            Bar(largest or 1.0, 0, _p95(row) or 0.0, color=row_shade(row).dark),
            Text(account, style="" if is_whole else "red"),
        )
    return table


def curve_table(rows: Sequence[RowSummary], *, curves: Sequence[LoadCurve]) -> Table:
    """Return the table of p95 response by share of the sustained rate; dim if not sustained."""
    by_contender = {curve.contender: curve for curve in curves}
    shares = sorted({point.share for curve in curves for point in curve.points})
    table = new_table(rows)
    table.add_column("sustained/s", justify="right", no_wrap=True)
    for share in shares:
        table.add_column(fmt.percent(share), justify="right", no_wrap=True, ratio=1)
    for row in rows:
        curve = by_contender.get(row.contender)
        if curve is not None:
            points = {point.share: point for point in curve.points}
            table.add_row(
                *head(row),
                fmt.number(curve.sustained_per_s),
                *(_point(points.get(share)) for share in shares),
            )
    return table


def fairness_table(rows: Sequence[RowSummary], *, fairness: Sequence[MixFairness]) -> Table | None:
    """Return the table of slowdowns of each part of a mix; None without a mix."""
    by_contender = {one.contender: one for one in fairness}
    parts = list(dict.fromkeys(part for one in fairness for part in one.by_kind))
    if not parts:
        return None
    table = new_table(rows, header="\ncontender")
    for part in parts:
        for title in (f"{part} ×\np50", "\np90", "\np99"):
            table.add_column(title, justify="right", no_wrap=True, ratio=1)
    table.add_column("unfair\np50 ÷ p50", justify="right", no_wrap=True)
    for row in rows:
        found = by_contender.get(row.contender)
        if found is not None:
            slowdowns = [
                found.by_kind[part].slowdown if part in found.by_kind else Tail() for part in parts
            ]
            cells = [
                fmt.number(value) for one in slowdowns for value in (one.p50, one.p90, one.p99)
            ]
            table.add_row(*head(row), *cells, fmt.number(found.unfairness))
    return table


def _p95(row: RowSummary) -> float | None:
    return row.response_s.p95 if row.response_s else None


def _point(point: LoadPoint | None) -> Text:
    if point is None or not point.response_s:
        return Text(fmt.NOTHING)
    mark = point.mark if point.mark == "!" else ""
    shown = f"{mark}{fmt.duration(point.response_s.p95)}"
    return Text(shown, style="" if point.is_sustained else "dim")
