"""Shows a run's summary in a terminal: what each workload's pools did, and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import integrity, legend, marks_of
from report.palette import row_shade
from report.rows.reasons import tell
from report.statistics.significance import POWER_WORDS
from report.terminal.load_tables import curve_table, fairness_table, rate_table
from report.terminal.sweep_tables import render_effects, render_sweeps
from report.terminal.tables import (
    MARK_STYLES,
    called,
    cost_table,
    overview,
    parts_table,
    throughput_table,
)
from report.terminal.threshold_lines import render_thresholds


class _Screen:
    """The whole report; how much of it stands side by side depends on the terminal."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self._summary = summary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _parts(self._summary, width=options.max_width)


def render(summary: Mapping[str, Any]) -> RenderableType:
    """Return the whole report; it wants 80 columns, and shows more on 100 and on 140."""
    return _Screen(summary)


def _parts(summary: Mapping[str, Any], *, width: int) -> Iterator[RenderableType]:
    """Give what a reader wants first, first: is it whole, who leads, what to know; then details."""
    is_whole, account = integrity(summary)
    yield Text(summary["title"], style="bold")
    yield Text(account, style="green" if is_whole else "bold red")
    if table := overview(summary, width=width):
        yield Padding(table, (1, 0))
    for note in summary["notes"]:
        yield Text(note, style="dim")
    for workload, verdict in zip(summary["workloads"], summary["verdicts"], strict=True):
        yield _section(summary, workload=workload, verdict=verdict, width=width)
    for found in summary["crossovers"]:
        yield _crossover(summary, found=found)
    yield from render_sweeps(summary)
    yield from render_effects(summary)
    yield from render_thresholds(summary)
    yield Text()
    words = [*legend(summary), *_signs(summary, width=width)]
    for word, meaning in [
        *marks_of(summary).items(),
        *((f"{word}:", told) for word, told in words),
    ]:
        yield Text(f"{word} {meaning}", style="dim")


def _has_parts(summary: Mapping[str, Any], *, width: int) -> bool:
    return parts_table(summary["rows"], width=width) is not None


def _signs(summary: Mapping[str, Any], *, width: int) -> list[tuple[str, str]]:
    """Return the words that only these tables use, each with its meaning."""
    parts = (
        "a job's time from due to finished: until it is sent, until its worker has it, until a "
        "slot has it, until it is done"
    )
    words = [("lag, broker, worker, exec.", parts)] if _has_parts(summary, width=width) else []
    words += [("a core, a GB", "jobs/s for each core kept busy, and for each 10^9 bytes of PSS")]
    if all(verdict["smallest_difference"] is None for verdict in summary["verdicts"]):
        return words
    return [
        ("▲ ▼ =", "more, less, no difference: beyond noise and chance, of all that is compared"),
        ("noise", "by how much one contender, measured twice, may differ from itself"),
        ("would see", f"the smallest difference that {POWER_WORDS} like this one would show"),
        *words,
    ]


def _section(
    summary: Mapping[str, Any],
    *,
    workload: Mapping[str, Any],
    verdict: Mapping[str, Any],
    width: int,
) -> RenderableType:
    rows = [row for row in summary["rows"] if row["workload"] == workload["name"]]
    title = Text.assemble("\n", (workload["name"], "bold"), (f"  {_parameters(workload)}", "dim"))
    table = parts_table(rows, width=width)
    split: list[RenderableType] = [Text(), table] if table else []
    parts: list[RenderableType] = [
        title,
        _verdict(verdict),
        _main_table(summary, rows=rows, verdict=verdict, width=width),
        *_noise(verdict),
        Text(),
        cost_table(rows, width=width),
        *split,
        *_fairness(summary, rows=rows),
        *_reasons(rows),
    ]
    return Group(*parts)


def _fairness(
    summary: Mapping[str, Any], *, rows: Sequence[Mapping[str, Any]]
) -> list[RenderableType]:
    """Return how each part of a mix fared; nothing where jobs are of one kind."""
    found = [one for one in summary["fairness"] if one["workload"] == rows[0]["workload"]]
    table = fairness_table(rows, fairness=found)
    return [Text(), table] if table else []


def _noise(verdict: Mapping[str, Any]) -> list[RenderableType]:
    """Return what the contender that was measured twice tells of the noise."""
    pair = verdict.get("equal_pair")
    if pair is None or pair["ratio"] is None or verdict["noise_floor"] is None:
        return []
    ratio = pair["ratio"]
    figure = f"{fmt.times(ratio['value'])} {fmt.interval(ratio['low'], high=ratio['high'])}"
    return [
        Text.assemble(
            ("Noise ", "bold"),
            (f"{pair['contender']} against itself: {figure}; ", ""),
            (f"differences up to {fmt.percent(verdict['noise_floor'])} count for nothing.", ""),
            style="dim",
        )
    ]


def _crossover(summary: Mapping[str, Any], *, found: Mapping[str, Any]) -> RenderableType:
    """Return throughput over the share of computing: a contender a line, the leader bold."""
    rows = {row["contender"]: row for row in summary["rows"]}
    title = Text.assemble(
        "\n", (found["kind"], "bold"), ("  jobs/s by the share of a job that computes", "dim")
    )
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    width = max(len(called(rows[line["contender"]])) for line in found["lines"])
    table.add_column("contender", width=max(width, len("contender")), no_wrap=True)
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
        row = rows[line["contender"]]
        table.add_row("", Text(called(row), style=row_shade(row).dark), *figures)
    return Group(title, _verdict(found), table)


def _at(line: Mapping[str, Any], share: float) -> Iterator[Mapping[str, Any]]:
    return (point for point in line["points"] if point["share"] == share)


def _verdict(verdict: Mapping[str, Any]) -> RenderableType:
    text = Text(verdict["text"])
    if verdict["mark"]:
        text = Text.assemble((f"{verdict['mark']} ", MARK_STYLES[verdict["mark"]]), text)
    return Padding(text, (0, 0, 1, 2))


def _main_table(
    summary: Mapping[str, Any],
    *,
    rows: Sequence[Mapping[str, Any]],
    verdict: Mapping[str, Any],
    width: int,
) -> Table:
    """Return the table of what was measured: a throughput, a rate that came, or a curve."""
    measure = rows[0].get("measure", "capacity")
    if measure == "rate":
        return rate_table(rows)
    if measure == "curve":
        curves = [one for one in summary["curves"] if one["workload"] == rows[0]["workload"]]
        return curve_table(rows, curves=curves)
    return throughput_table(rows, verdict=verdict, width=width)


def _parameters(workload: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.12g}" for name, value in workload["parameters"].items())


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return a line for each reason that rows have, with what to do."""
    return [
        Text.assemble(
            (f"{one.mark or ' '} ", MARK_STYLES.get(one.mark, "")),
            (one.who, "bold"),
            f": {one.text}",
            (f" → {one.remedy}" if one.remedy else "", "italic"),
        )
        for one in tell(rows)
    ]
