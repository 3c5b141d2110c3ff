"""Prints a comparison of two runs in a terminal: every ratio with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.compare.model import Comparison, Outcome, RowChange
from report.compare.wording import by_condition, forced, headline, legend, remarks, side
from report.legend import MARKS
from report.palette import MARK_STYLES
from report.result import Checked
from report.verdicts.metrics import FIGURES, Figure

#: Outcome → the sign after a ratio, and its style.
SIGNS: Mapping[Outcome, tuple[str, str]] = {
    Outcome.BETTER: ("+", "green"),
    Outcome.WORSE: ("-", "bold red"),
    Outcome.SAME: ("", ""),
    Outcome.UNPROVED: ("", "yellow"),
    Outcome.TOO_FEW: ("", ""),
    Outcome.NOT_COMPARED: ("", "dim"),
}

_THROUGHPUT = FIGURES["throughput"]
_MAIN = (_THROUGHPUT, FIGURES["cpu"], FIGURES["pss"])


def render(comparison: Comparison, *, checked: Sequence[Checked]) -> RenderableType:
    """Return the whole comparison, for 80 columns or more."""
    workloads = list(dict.fromkeys(row.workload for row in comparison.rows))
    parts: list[RenderableType] = [
        Text(side("A", summary=comparison.a)),
        Text(side("B", summary=comparison.b)),
        *(Text(one, style="bold red") for one in forced(comparison)),
        *(Text(one, style="dim") for one in remarks(comparison)),
        *(_section(comparison, workload=workload) for workload in workloads),
        Text(),
        Text(headline(comparison), style="bold"),
        *_conditions(checked),
        Text(),
        *(Text(f"{word} {meaning}", style="dim") for word, meaning in MARKS.items()),
        *(Text(f"{word} {meaning}", style="dim") for word, meaning in legend(comparison)),
    ]
    return Group(*parts)


def _section(comparison: Comparison, *, workload: str) -> RenderableType:
    rows = [row for row in comparison.rows if row.workload == workload]
    title = Text(f"\n{workload}", style="bold")
    return Group(title, _throughput_table(rows), Text(), _span_table(rows), *_reasons(rows))


def _throughput_table(rows: Sequence[RowChange]) -> Table:
    table = _table(rows)
    for title in ("jobs/s A", "B"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("B ÷ A", "CPU", "PSS"):
        table.add_column(title, justify="right", no_wrap=True, ratio=1)
    table.add_column("throughput", no_wrap=True, width=13)
    for row in rows:
        change = row.change(_THROUGHPUT)
        values = [_THROUGHPUT.show(value) for value in (change.a, change.b)]
        outcome = Text(change.outcome, style=SIGNS[change.outcome][1])
        table.add_row(*_name(row), *values, *_cells(row, figures=_MAIN), outcome)
    return table


def _span_table(rows: Sequence[RowChange]) -> Table:
    spans = [figure for figure in FIGURES.values() if figure.span]
    table = _table(rows)
    for figure in spans:
        title = figure.title.replace("execution", "exec.")
        table.add_column(title, justify="right", no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(*_name(row), *_cells(row, figures=spans))
    return table


def _table(rows: Sequence[RowChange]) -> Table:
    width = max(len("contender"), *(len(row.contender) for row in rows))
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    table.add_column("contender", width=width, no_wrap=True)
    return table


def _name(row: RowChange) -> tuple[Text, Text]:
    return Text(row.mark, style=MARK_STYLES.get(row.mark, "")), Text(row.contender)


def _cells(row: RowChange, *, figures: Sequence[Figure]) -> Iterator[Text]:
    """Yield the ratio of each figure with its sign, and its interval below."""
    for change in map(row.change, figures):
        sign, style = SIGNS[change.outcome]
        if change.ratio is None:
            yield Text(fmt.NOTHING, style="dim")
            continue
        value = fmt.times(change.ratio.value).removesuffix(" ×")
        span = fmt.interval(change.ratio.low, high=change.ratio.high).strip("[]")
        yield Text.assemble((f"{value} {sign}".rstrip(), style or "bold"), (f"\n{span}", "dim"))


def _reasons(rows: Sequence[RowChange]) -> list[RenderableType]:
    """Return a line for each distinct reason, with its contenders."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for reason in row.reasons:
            found.setdefault((row.mark, reason), []).append(row.contender)
    return [
        Text.assemble(
            (f"{mark or ' '} ", MARK_STYLES.get(mark, "")),
            ("all" if len(names) == len(rows) > 1 else fmt.listed(names), "bold"),
            f": {reason}",
        )
        for (mark, reason), names in found.items()
    ]


def _conditions(checked: Sequence[Checked]) -> list[RenderableType]:
    """Return a line for each condition, and for each row that doesn't pass it."""
    lines: list[RenderableType] = []
    for head, bad in by_condition(checked):
        lines.append(Text(head, style="" if bad else "green"))
        lines += [
            Padding(Text.assemble((f"{one.status} ", "bold red"), one.text), (0, 0, 0, 2))
            for one in bad
        ]
    return lines
