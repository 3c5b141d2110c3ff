"""Shows a run's summary in a terminal: what each workload's pools did, and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.account import describe_ledger, integrity, legend, marks_of
from report.limits import SIGN
from report.naming import label
from report.palette import row_shade
from report.thresholds_terminal import render_requirements

_MARK_STYLES = {"!": "bold red", "~": "yellow", "?": "cyan"}


def render(summary: Mapping[str, Any]) -> RenderableType:
    """Return the whole report; it wants 80 columns, and uses more for longer bars."""
    is_whole, account = integrity(summary)
    head = [
        Text(summary["title"], style="bold"),
        Text(account, style="green" if is_whole else "bold red"),
        *(Text(note, style="dim") for note in summary["notes"]),
    ]
    sections = [
        _section(summary, workload=workload, verdict=verdict)
        for workload, verdict in zip(summary["workloads"], summary["verdicts"], strict=True)
    ]
    crossovers = [_crossover(summary, found=found) for found in summary["crossovers"]]
    known = [
        *marks_of(summary).items(),
        *((f"{word}:", meaning) for word, meaning in legend(summary)),
    ]
    words = [Text(f"{word} {meaning}", style="dim") for word, meaning in known]
    required = render_requirements(summary)
    return Group(*head, *sections, *crossovers, *required, Text(), *words)


def _section(
    summary: Mapping[str, Any], *, workload: Mapping[str, Any], verdict: Mapping[str, Any]
) -> RenderableType:
    rows = [row for row in summary["rows"] if row["workload"] == workload["name"]]
    title = Text.assemble("\n", (workload["name"], "bold"), (f"  {_parameters(workload)}", "dim"))
    name_width = max(len(_called(row)) for row in rows)
    parts: list[RenderableType] = [
        title,
        _verdict(verdict),
        _throughput_table(rows, name_width=name_width),
        Text(),
        _cost_table(rows, name_width=name_width),
        *_reasons(rows),
    ]
    return Group(*parts)


def _crossover(summary: Mapping[str, Any], *, found: Mapping[str, Any]) -> RenderableType:
    """Return throughput over the share of computing: a contender a line, the leader bold."""
    rows = {row["contender"]: row for row in summary["rows"]}
    title = Text.assemble(
        "\n", (found["kind"], "bold"), ("  jobs/s by the share of a job that computes", "dim")
    )
    table = _table(max(len(_called(rows[line["contender"]])) for line in found["lines"]))
    for share in found["shares"]:
        table.add_column(f"{share:g}", justify="right", no_wrap=True, ratio=1)
    best = {
        share: max((p["median"] for line in found["lines"] for p in _at(line, share)), default=None)
        for share in found["shares"]
    }
    for line in found["lines"]:
        figures = [
            Text(
                fmt.number(point["median"]), style="bold" if point["median"] == best[share] else ""
            )
            if (point := next(_at(line, share), None))
            else Text(fmt.NOTHING)
            for share in found["shares"]
        ]
        table.add_row("", _name(rows[line["contender"]]), *figures)
    return Group(title, _verdict(found), table)


def _at(line: Mapping[str, Any], share: float) -> Iterator[Mapping[str, Any]]:
    return (point for point in line["points"] if point["share"] == share)


def _verdict(verdict: Mapping[str, Any]) -> RenderableType:
    text = Text(verdict["text"])
    if verdict["mark"]:
        text = Text.assemble((f"{verdict['mark']} ", _MARK_STYLES[verdict["mark"]]), text)
    return Padding(text, (0, 0, 1, 2))


def _throughput_table(rows: Sequence[Mapping[str, Any]], *, name_width: int) -> Table:
    table = _table(name_width)
    table.add_column("slots", justify="right")
    table.add_column("jobs/s", justify="right", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("", ratio=1)
    table.add_column("of ceiling", justify="right")
    table.add_column("ledger", no_wrap=True)
    largest = max((row["throughput_per_s"] or {}).get("high", 0.0) for row in rows)
    for row in rows:
        per_s = row["throughput_per_s"] or {}
        table.add_row(
            Text(row["mark"], style=_MARK_STYLES.get(row["mark"], "")),
            _name(row),
            fmt.count(row["slots"]),
            Text(_figure(row), style="bold"),
            fmt.span(per_s.get("low"), high=per_s.get("high")),
            Bar(largest or 1.0, 0, per_s.get("median", 0.0), color=row_shade(row).dark),
            fmt.percent(row["ceiling_share"]),
            _ledger(row),
        )
    return table


def _cost_table(rows: Sequence[Mapping[str, Any]], *, name_width: int) -> Table:
    table = _table(name_width, header="\ncontender")
    table.add_column("CPU-s\n/1,000", justify="right", no_wrap=True, width=6)
    table.add_column("\nPSS", justify="right", no_wrap=True, ratio=1)
    for span in ("wait", "exec."):
        for index, percentile in enumerate(("p50", "p95", "p99")):
            title = f"{'' if index else span}\n{percentile}"
            table.add_column(title, justify="right", no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(
            Text(row["mark"], style=_MARK_STYLES.get(row["mark"], "")),
            _name(row),
            fmt.number(row["cpu_s_per_1000_jobs"]),
            fmt.size(row["pss_bytes"]),
            *_percentiles(row["wait_s"]),
            *_percentiles(row["execution_s"]),
        )
    return table


def _table(name_width: int, *, header: str = "contender") -> Table:
    """Return an empty table whose first two columns are a row's mark and its contender."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    table.add_column(header, width=max(name_width, len("contender")), no_wrap=True)
    return table


def _name(row: Mapping[str, Any]) -> Text:
    return Text(_called(row), style=row_shade(row).dark)


def _called(row: Mapping[str, Any]) -> str:
    """Return the contender's name; its slots have a column."""
    return label(row, has_slots=False)


def _figure(row: Mapping[str, Any]) -> str:
    """Return the throughput, with a sign where the harness may be what bounds it."""
    number = fmt.number((row["throughput_per_s"] or {}).get("median"))
    return f"{number} {SIGN}" if row["limits"] else number


def _ledger(row: Mapping[str, Any]) -> Text:
    is_whole, text = describe_ledger(row["ledger"])
    return Text(text, style="" if is_whole else "red")


def _percentiles(found: Mapping[str, float] | None) -> list[str]:
    return [fmt.duration((found or {}).get(name)) for name in ("p50", "p95", "p99")]


def _parameters(workload: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.12g}" for name, value in workload["parameters"].items())


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return a line for each reason that a row has; what all rows share, once."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        told = [(row["mark"], reason) for reason in row["reasons"]]
        told += [(SIGN, limit) for limit in row["limits"]]
        told += [("", row["blocking"]["text"])] if row["blocking"] else []
        for mark, reason in told:
            found.setdefault((mark, reason), []).append(row["contender"])
    return [
        Padding(
            Text.assemble(
                (f"{mark or ' '} ", _MARK_STYLES.get(mark, "")),
                ("all" if len(names) == len(rows) > 1 else fmt.listed(names), "bold"),
                f": {reason}",
            ),
            (0, 0, 0, 0),
        )
        for (mark, reason), names in found.items()
    ]
