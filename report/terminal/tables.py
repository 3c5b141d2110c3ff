"""The tables of a workload in a terminal: throughput, cost and latency, and where time goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import describe_ledger
from report.palette import row_shade
from report.rows.harness_ceilings import SIGN
from report.statistics.significance import Finding
from report.trials.latency_spans import PARTS
from report.verdicts.capacity import RESPONSE
from report.verdicts.naming import label

MARK_STYLES = {"!": "bold red", "~": "yellow", "?": "cyan"}

#: What stands before a ratio, by what it shows.
SIGNS: Mapping[str, str] = {
    Finding.MORE: "▲",
    Finding.LESS: "▼",
    Finding.NO_DIFFERENCE: "=",
    Finding.TOO_FEW: "?",
}
_SIGN_STYLES = {Finding.MORE: "bold green", Finding.LESS: "bold red"}

#: From this width on, columns, a ratio stands with its interval, and cost for each core and GB.
WIDE = 100
#: From this width on, p99.9, connections, and where the time of a backlog's jobs goes.
WIDEST = 140


def overview(summary: Mapping[str, Any], *, width: int) -> Table | None:
    """Return the verdicts, a line each; None where nothing could be compared."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", width=1)
    table.add_column("workload", no_wrap=True)
    # names may be long: their lines break, so that no figure is cut
    table.add_column("ahead", style="bold")
    table.add_column("by")
    table.add_column("noise", justify="right", no_wrap=True)
    table.add_column("would see", justify="right", no_wrap=True)
    known = [verdict for verdict in summary["verdicts"] if verdict["ratio"]]
    for verdict in known:
        table.add_row(
            Text(verdict["mark"], style=MARK_STYLES.get(verdict["mark"], "")),
            verdict["workload"],
            _broken(verdict["ahead"], room=_name_room(width)),
            _headline(verdict, width=width),
            fmt.percent(verdict["noise_floor"]),
            fmt.percent(verdict["smallest_difference"]),
        )
    return table if known else None


def throughput_table(
    rows: Sequence[Mapping[str, Any]], *, verdict: Mapping[str, Any], width: int
) -> Table:
    """Return jobs/s with their range, ceiling, and how many times the baseline's they are."""
    room = _name_room(width)
    table = new_table(rows, most=room)
    table.add_column("slots", justify="right", no_wrap=True)
    is_search = rows[0].get("measure") == "sustain"
    table.add_column("held/s" if is_search else "jobs/s", justify="right", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("", ratio=1)
    table.add_column("of ceiling", justify="right")
    title = f"× {verdict['baseline']}" if verdict["baseline"] else ""
    table.add_column(_broken(title, room=room), no_wrap=True)
    accounts = [describe_ledger(row["ledger"]) for row in rows]
    # where all is done, the head of the report says so once
    has_accounts = any(row["ledger"]["done"] != row["ledger"]["sent"] for row in rows)
    if has_accounts:
        table.add_column("ledger", no_wrap=True)
    largest = max((row["throughput_per_s"] or {}).get("high", 0.0) for row in rows)
    for row, (is_whole, account) in zip(rows, accounts, strict=True):
        per_s = row["throughput_per_s"] or {}
        cells: list[RenderableType] = [
            *head(row, most=room),
            fmt.count(row["slots"]),
            Text(_figure(row), style="" if row.get("is_twin") else "bold"),
            fmt.span(per_s.get("low"), high=per_s.get("high")),
            Bar(largest or 1.0, 0, per_s.get("median", 0.0), color=row_shade(row).dark),
            fmt.percent(row["ceiling_share"]),
            _beside(row, verdict=verdict, width=width),
            *([Text(account, style="" if is_whole else "red")] if has_accounts else []),
        ]
        table.add_row(*cells, style="dim" if row.get("is_twin") else "")
    return table


def cost_table(rows: Sequence[Mapping[str, Any]], *, width: int) -> Table:
    """Return CPU, memory and the percentiles of waiting and executing."""
    names = ("p50", "p95", "p99", *(("p99_9",) if width >= WIDEST else ()))
    figures = 2 * len(names) + (3 if width >= WIDE else 1)
    # a mark, CPU-seconds, and the others as wide as "23.2 ms"
    most = max(width - 2 - 7 - 8 * figures, len("contender"))
    table = new_table(rows, header="\ncontender", most=most)
    table.add_column("CPU-s\n/1,000", justify="right", no_wrap=True, width=6)
    table.add_column("\nPSS", justify="right", no_wrap=True, ratio=1)
    if width >= WIDE:
        table.add_column("jobs/s\na core", justify="right", no_wrap=True, ratio=1)
        table.add_column("\na GB", justify="right", no_wrap=True, ratio=1)
    _percentile_columns(table, spans=("wait", "exec."), names=names)
    for row in rows:
        cells: list[RenderableType] = [
            *head(row, most=most),
            fmt.number(row["cpu_s_per_1000_jobs"]),
            fmt.size(row["pss_bytes"]),
        ]
        if width >= WIDE:
            cells += [fmt.number(row["per_busy_core_per_s"]), fmt.number(row["per_gb_per_s"])]
        cells += [*_durations(row["wait_s"], names=names)]
        cells += [*_durations(row["execution_s"], names=names)]
        table.add_row(*cells, style="dim" if row.get("is_twin") else "")
    return table


def parts_table(rows: Sequence[Mapping[str, Any]], *, width: int) -> Table | None:
    """Return where the time of a job goes; None where it is but a place in the queue.

    Of a backlog the broker holds whatever was not yet taken: that is worth a look where there is
    room for it, and a table of its own where jobs came at a rate.
    """
    if width < WIDEST and all(row["is_backlog"] for row in rows):
        return None
    names = ("p50", "p95", *(("p99",) if width >= WIDEST else ()))
    table = new_table(rows, header="\ncontender")
    _percentile_columns(
        table,
        spans=[{"prefetch": "worker", "execution": "exec."}.get(part, part) for part in PARTS],
        names=names,
    )
    for row in rows:
        cells = [
            cell for part in PARTS for cell in _durations(row["wait_parts_s"][part], names=names)
        ]
        table.add_row(*head(row), *cells, style="dim" if row.get("is_twin") else "")
    return table


def _percentile_columns(table: Table, *, spans: Iterable[str], names: Sequence[str]) -> None:
    for span in spans:
        for index, name in enumerate(names):
            title = f"{'' if index else span}\n{name.replace('_', '.')}"
            table.add_column(title, justify="right", no_wrap=True, ratio=1)


def new_table(
    rows: Sequence[Mapping[str, Any]], *, header: str = "contender", most: int | None = None
) -> Table:
    """Return an empty table whose first two columns are a row's mark and its contender.

    The second is at most as wide as ``most``: see `head`.
    """
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    name_width = max(*(len(called(row)) for row in rows), len("contender"))
    table.add_column(header, width=min(name_width, most or name_width), no_wrap=True)
    return table


def _name_room(width: int) -> int:
    """Return how wide a contender's name may be beside a workload's figures."""
    return 16 if width < WIDE else 28


def _broken(name: str, *, room: int) -> str:
    """Return a name in lines of at most ``room``, broken where its words are joined."""
    lines = []
    while len(name) > room:
        end = max(name.rfind(sign, 0, room) for sign in "-._") + 1 or room
        lines.append(name[:end])
        name = name[end:]
    return "\n".join([*lines, name])


def head(row: Mapping[str, Any], *, most: int | None = None) -> list[Text]:
    """Return a row's mark and its contender, the first two cells of every table.

    A name that is longer than ``most`` goes on in a second line.
    """
    mark = Text(row["mark"], style=MARK_STYLES.get(row["mark"], ""))
    name = _broken(called(row), room=most) if most else called(row)
    return [mark, Text(name, style=row_shade(row).dark)]


def called(row: Mapping[str, Any]) -> str:
    """Return the contender's name; its slots have a column."""
    return label(row, has_slots=False)


def _figure(row: Mapping[str, Any]) -> str:
    """Return the throughput, with a sign where the harness may be what bounds it."""
    number = fmt.number((row["throughput_per_s"] or {}).get("median"))
    return f"{number} {SIGN}" if row["limits"] else number


def _headline(verdict: Mapping[str, Any], *, width: int) -> Text:
    finding = next(
        (
            one["finding"]
            for one in verdict["decisions"]
            if (one["contender"], one["against"]) == (verdict["ahead"], verdict["against"])
        ),
        Finding.TOO_FEW,
    )
    ratio, name = verdict["ratio"], verdict["against"]
    if verdict.get("figure") == RESPONSE:
        # what is compared there is answers: people think of how long one takes
        ratio = {"value": 1 / ratio["value"], "low": 1 / ratio["high"], "high": 1 / ratio["low"]}
        name = f"{name}'s {RESPONSE}"
    return Text.assemble(
        (f"{SIGNS[finding]} ", _SIGN_STYLES.get(finding, "")),
        _ratio(ratio, finding=finding, name=name, is_short=width < 80),
    )


def _beside(row: Mapping[str, Any], *, verdict: Mapping[str, Any], width: int) -> Text:
    """Return how many times the baseline's jobs a row did, with what that shows."""
    if row.get("is_twin"):
        pair = verdict.get("equal_pair") or {}
        found = pair.get("ratio")
        return Text(f"A/A {fmt.times(found['value']).removesuffix(' ×')}" if found else "A/A")
    decided = next(
        (
            one
            for one in verdict["decisions"]
            if (one["contender"], one["against"]) == (row["contender"], verdict["baseline"])
        ),
        None,
    )
    if decided is None:
        return Text("")
    finding = decided["finding"]
    text = _ratio(decided["ratio"], finding=finding, name="", is_short=width < WIDE)
    return Text.assemble((f"{SIGNS[finding]} ", _SIGN_STYLES.get(finding, "")), text)


def _ratio(ratio: Mapping[str, float], *, finding: str, name: str, is_short: bool) -> str:
    """Return a ratio with its interval, or the range that stands for it below five repetitions."""
    if finding == Finding.TOO_FEW:
        said = fmt.times_range(ratio["low"], high=ratio["high"])
        return f"{said} {name}" if name else said.removesuffix(" ×")
    said = fmt.times(ratio["value"])
    said = f"{said} {name}" if name else said.removesuffix(" ×")
    return said if is_short else f"{said} {fmt.interval(ratio['low'], high=ratio['high'])}"


def _durations(found: Mapping[str, float] | None, *, names: Sequence[str]) -> list[str]:
    return [fmt.duration((found or {}).get(name)) for name in names]
