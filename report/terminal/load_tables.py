"""Tables of load and of workers themselves: rates, latency over load, fairness; starts, pings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import describe_ledger
from report.palette import row_shade
from report.result import LoadCurve, LoadPoint, MixFairness, RowSummary
from report.rows.worker_columns import WORKER_COLUMNS
from report.statistics.percentiles import Tail
from report.terminal.tables import (
    NAME_COLUMNS,
    WIDE,
    called,
    durations,
    head,
    new_table,
    percentile_columns,
)
from report.verdicts.targets import (
    describe_bound,
    describe_missed,
    describe_seen,
    describe_status,
)

#: Largest length of an account beside bars: "all 1,000,000 done".
_SHORT_ACCOUNT = 18


def rate_table(rows: Sequence[RowSummary], *, width: int) -> Table:
    """Return the table of arrivals, jobs done and response; the bar is the p95 response."""
    if any(row.parts for row in rows):
        return _mix_table(rows)
    has_targets = any(row.targets for row in rows)
    # beside targets or a long account there is no room for bars
    accounts = [describe_ledger(row.ledger)[1] for row in rows]
    has_bars = not has_targets and max(map(len, accounts)) <= _SHORT_ACCOUNT
    most = None if has_bars or width >= WIDE else NAME_COLUMNS
    titles = ["slots", "offered/s", "done/s", "kept up", "response p95"]
    if has_bars:
        table = new_table(rows)
    else:
        table = new_table(rows, header="\ncontender", most=most)
        titles = ["\nslots", "\noffered/s", "\ndone/s", "kept\nup", "response\np95"]
    for title in [*titles, *(["\ntarget"] if has_targets else [])]:
        table.add_column(title, justify="right", no_wrap=True)
    if has_bars:
        table.add_column("", ratio=1)
        table.add_column("ledger", no_wrap=True)
    else:
        table.add_column("\nledger", ratio=1)
    largest = max((_p95(row) or 0.0 for row in rows), default=0.0)
    for row in rows:
        is_whole, account = describe_ledger(row.ledger)
        table.add_row(
            *head(row, most=most),
            fmt.count(row.slots),
            fmt.number(row.offered_per_s),
            _done_per_s(row),
            _kept_up(row),
            Text(fmt.duration(_p95(row)), style="bold"),
            *([_status(row, part="")] if has_targets else []),
            *([Bar(largest or 1.0, 0, _p95(row) or 0.0, color=row_shade(row).dark)] * has_bars),
            Text(account, style="" if is_whole else "red"),
        )
    return table


def _mix_table(rows: Sequence[RowSummary]) -> Table:
    """Return the same of a mix, with p95 of wait and response of each part below its contender.

    The accounts of contenders of which not all jobs were done come below: a column for them would
    be as narrow as the names of the parts are long.
    """
    parts = [_part_name(part) for row in rows for part in row.parts]
    has_targets = any(row.targets for row in rows)
    accounts = [(row, *describe_ledger(row.ledger)) for row in rows]
    open_accounts = [
        Text(f"{called(row)}: {account}", style="" if is_whole else "red")
        for row, is_whole, account in accounts
        if row.ledger.done != row.ledger.sent
    ]
    table = new_table(rows, names=parts)
    if open_accounts:
        table.caption = Text("\n").join(open_accounts)
        table.caption_justify = "left"
    for title in ("slots", "done/s", "kept up", "wait p95", "response p95"):
        table.add_column(title, justify="right", no_wrap=True)
    if has_targets:
        table.add_column("target", justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    for row in rows:
        table.add_row(
            *head(row),
            fmt.count(row.slots),
            _done_of_offered(row),
            _kept_up(row),
        )
        for part, found in row.parts.items():
            response_s = found.response_s.p95 if found.response_s else None
            table.add_row(
                "",
                _part_name(part),
                *[""] * 3,
                fmt.duration(found.wait_s.p95 if found.wait_s else None),
                Text(fmt.duration(response_s), style="bold"),
                *([_status(row, part=part)] if has_targets else []),
            )
    return table


def part_table(rows: Sequence[RowSummary]) -> Table | None:
    """Return the table of each part's wait and response; None if they have none of their own."""
    parts = [_part_name(part) for row in rows for part, one in row.parts.items() if one.wait_s]
    if not parts:
        return None
    names = ("p50", "p95", "p99")
    table = new_table(rows, header="\ncontender", names=parts)
    percentile_columns(table, spans=("wait", "response"), names=names)
    for row in rows:
        table.add_row(*head(row), style="dim" if row.is_twin else "")
        for part, found in row.parts.items():
            cells = [durations(one, names=names) for one in (found.wait_s, found.response_s)]
            table.add_row("", _part_name(part), *cells[0], *cells[1])
    return table


def target_table(rows: Sequence[RowSummary]) -> Table | None:
    """Return the table of the bounds of an SLO, and by how many jobs they were exceeded."""
    known = [row for row in rows if row.targets]
    if not known:
        return None
    table = new_table(known)
    table.add_column("target")
    for title in ("seen", "met", "exceeded by"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in known:
        for place, one in enumerate(row.targets):
            table.add_row(
                *(head(row) if not place else ("", "")),
                f"{one.part}: {describe_bound(one)}" if one.part else describe_bound(one),
                describe_seen(one),
                f"{one.met} of {one.repetitions}",
                describe_missed(one),
                style="dim" if row.is_twin else "",
            )
    return table


def worker_table(rows: Sequence[RowSummary], *, width: int) -> Table:
    """Return the table of a workload whose measure is the worker itself."""
    is_wide = width >= WIDE
    columns = [one for one in WORKER_COLUMNS[rows[0].measure] if is_wide or not one.is_wide]
    most = None if is_wide else NAME_COLUMNS
    table = new_table(rows, most=most)
    table.add_column("slots", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row in rows:
        cells = (
            Text(column.show(row), style="bold" if column.is_lead else "") for column in columns
        )
        style = "dim" if row.is_twin else ""
        table.add_row(*head(row, most=most), fmt.count(row.slots), *cells, style=style)
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
        for title in (f"{part} ×\np50", "\np95", "\np99"):
            table.add_column(title, justify="right", no_wrap=True, ratio=1)
    table.add_column("unfair\np50 ÷ p50", justify="right", no_wrap=True)
    for row in rows:
        found = by_contender.get(row.contender)
        if found is not None:
            slowdowns = [
                found.by_kind[part].slowdown if part in found.by_kind else Tail() for part in parts
            ]
            cells = [
                fmt.number(value) for one in slowdowns for value in (one.p50, one.p95, one.p99)
            ]
            table.add_row(*head(row), *cells, fmt.number(found.unfairness))
    return table


def _part_name(part: str) -> str:
    """Return the name of a part, set off from its contender's."""
    return f"  {part}"


def _done_per_s(row: RowSummary) -> str:
    return fmt.number(row.throughput_per_s.median if row.throughput_per_s else None)


def _done_of_offered(row: RowSummary) -> str:
    if row.offered_per_s is None:
        return fmt.NOTHING
    return f"{_done_per_s(row)} of {fmt.number(row.offered_per_s)}"


def _kept_up(row: RowSummary) -> str:
    return fmt.NOTHING if row.kept_up is None else f"{row.kept_up} of {row.valid_repetitions}"


def _status(row: RowSummary, *, part: str) -> Text:
    """Return whether a row, or a part of it, meets all its bounds."""
    found = [one for one in row.targets if one.part == part]
    if not found:
        return Text()
    worst = min(found, key=lambda one: (one.is_met is not False, one.is_met is True, one.met))
    styles = {True: "green", False: "bold red", None: "yellow"}
    return Text(describe_status(worst), style=styles[worst.is_met])


def _p95(row: RowSummary) -> float | None:
    return row.response_s.p95 if row.response_s else None


def _point(point: LoadPoint | None) -> Text:
    if point is None or not point.response_s:
        return Text(fmt.NOTHING)
    mark = point.mark if point.mark == "!" else ""
    shown = f"{mark}{fmt.duration(point.response_s.p95)}"
    return Text(shown, style="" if point.is_sustained else "dim")
