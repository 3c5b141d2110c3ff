"""Tables of a workload whose jobs came at a rate: what came, who kept up, how latency bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import describe_ledger
from report.palette import row_shade
from report.terminal.tables import head, new_table


def rate_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Fill in what came, what was done of it, and the response; the bar is the p95 response."""
    table = new_table(rows)
    for title in ("slots", "offered/s", "done/s", "kept up", "response p95"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    table.add_column("ledger", no_wrap=True)
    largest = max(((row["response_s"] or {}).get("p95") or 0.0 for row in rows), default=0.0)
    for row in rows:
        response_s = (row["response_s"] or {}).get("p95")
        done = (row["throughput_per_s"] or {}).get("median")
        table.add_row(
            *head(row),
            fmt.count(row["slots"]),
            fmt.number(row["offered_per_s"]),
            fmt.number(done),
            fmt.NOTHING
            if row["kept_up"] is None
            else f"{row['kept_up']} of {row['valid_repetitions']}",
            Text(fmt.duration(response_s), style="bold"),
            Bar(largest or 1.0, 0, response_s or 0.0, color=row_shade(row).dark),
            _ledger(row),
        )
    return table


def curve_table(rows: Sequence[Mapping[str, Any]], *, curves: Sequence[Mapping[str, Any]]) -> Table:
    """Fill in the p95 response by share of the sustained rate; dim where that was not held."""
    by_contender = {curve["contender"]: curve for curve in curves}
    shares = sorted({point["share"] for curve in curves for point in curve["points"]})
    table = new_table(rows)
    table.add_column("held/s", justify="right", no_wrap=True)
    for share in shares:
        table.add_column(fmt.percent(share), justify="right", no_wrap=True, ratio=1)
    for row in rows:
        curve = by_contender.get(row["contender"])
        if curve is None:
            continue
        points = {point["share"]: point for point in curve["points"]}
        table.add_row(
            *head(row),
            fmt.number(curve["sustained_per_s"]),
            *(_point(points.get(share)) for share in shares),
        )
    return table


def fairness_table(
    rows: Sequence[Mapping[str, Any]], *, fairness: Sequence[Mapping[str, Any]]
) -> Table | None:
    """Return how many times its ideal each part of a mix took; None where there is no mix."""
    by_contender = {one["contender"]: one for one in fairness}
    parts = list(dict.fromkeys(part for one in fairness for part in one["by_kind"]))
    if not parts:
        return None
    table = new_table(rows, header="\ncontender")
    for part in parts:
        for percentile in ("p50", "p90", "p99"):
            title = f"{f'{part} ×' if percentile == 'p50' else ''}\n{percentile}"
            table.add_column(title, justify="right", no_wrap=True, ratio=1)
    table.add_column("unfair\np50 ÷ p50", justify="right", no_wrap=True)
    for row in rows:
        found = by_contender.get(row["contender"])
        if found is not None:
            slowdowns = [found["by_kind"].get(part, {}).get("slowdown", {}) for part in parts]
            cells = [
                fmt.number(one.get(percentile))
                for one in slowdowns
                for percentile in ("p50", "p90", "p99")
            ]
            table.add_row(*head(row), *cells, fmt.number(found["unfairness"]))
    return table


def _point(point: Mapping[str, Any] | None) -> Text:
    if point is None or not point["response_s"]:
        return Text(fmt.NOTHING)
    shown = (
        f"{point['mark'] if point['mark'] == '!' else ''}{fmt.duration(point['response_s']['p95'])}"
    )
    return Text(shown, style="" if point["held"] else "dim")


def _ledger(row: Mapping[str, Any]) -> Text:
    is_whole, text = describe_ledger(row["ledger"])
    return Text(text, style="" if is_whole else "red")
