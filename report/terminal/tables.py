"""The tables of a workload in a terminal: results, waits and costs, and parts of the response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from collector.reasons import Severity
from report import format as fmt
from report.legend import CAUSES, SIGNS, describe_ledger
from report.palette import MARK_STYLES, row_shade
from report.result import LESS_IS_BETTER, Decided, RowSummary, Verdict, find_decided
from report.statistics.percentiles import Tail
from report.statistics.ratios import Ratio
from report.statistics.significance import Finding
from report.trials.latency_spans import PARTS
from report.trials.limits import RowLimits
from report.trials.wait_causes import Cause
from report.verdicts.metrics import COMPARED
from report.verdicts.naming import label

#: Finding → the style of its sign, for a figure of which more is better.
_STYLES: Mapping[Finding, str] = {Finding.MORE: "bold green", Finding.LESS: "bold red"}

#: Smallest width, columns, for the intervals of ratios, and for throughput per core and per GB.
WIDE = 100
#: Smallest width, columns, for p99.9, and for p99 of a job's parts.
WIDEST = 140

#: What a narrow table of ratios shows.
_RATIOS = ("cpu", "pss", "p95_wait", "p95_execution")

#: Largest width of a name, columns; a longer name wraps.
NAME_COLUMNS = 18

#: Width of a ratio, columns: "? 0.95–1.05".
RATIO_COLUMNS = 11


def result_table(rows: Sequence[RowSummary], *, verdict: Verdict, width: int) -> Table:
    """Return the table of throughput, ratio to the baseline, latency and cost."""
    is_backlog = all(row.is_backlog for row in rows)
    table = new_table(rows, most=NAME_COLUMNS if width < WIDE else None)
    table.add_column("slots", justify="right", no_wrap=True)
    is_search = rows[0].measure == "sustain"
    title = "sustained/s [range]" if is_search else "jobs/s [range]"
    table.add_column(title, justify="right", no_wrap=True)
    to_baseline = f"× {verdict.baseline or 'baseline'}"
    # if all jobs are done, the head of the report says so once
    has_accounts = any(row.ledger.done != row.ledger.sent for row in rows)
    if width < WIDE:
        room = RATIO_COLUMNS if has_accounts else len("× ") + NAME_COLUMNS
        to_baseline = _broken(to_baseline, room=room)
    table.add_column(to_baseline, justify="right")
    for title in ("p95", "CPU-s", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    if has_accounts:
        table.add_column("ledger", no_wrap=width >= WIDE)
    for row in rows:
        is_whole, account = describe_ledger(row.ledger)
        latency = row.execution_s if is_backlog else row.response_s
        table.add_row(
            *head(row, most=NAME_COLUMNS if width < WIDE else None),
            fmt.count(row.slots),
            _throughput(row),
            _to_baseline(row, verdict=verdict, width=width),
            fmt.duration(latency.p95 if latency else None),
            fmt.number(row.cpu_s_per_1000_jobs),
            fmt.number(None if row.pss_bytes is None else row.pss_bytes / 1e6),
            *([Text(account, style="" if is_whole else "red")] if has_accounts else []),
            style="dim" if row.is_twin else "",
        )
    return table


def cost_table(rows: Sequence[RowSummary], *, width: int) -> Table:
    """Return the table of the ceiling's share, and the percentiles of wait and execution."""
    names = ("p50", "p95", "p99", *(("p99_9",) if width >= WIDEST else ()))
    figures = 2 * len(names) + (3 if width >= WIDE else 1)
    # a mark, and columns as wide as "23.2 ms"
    most = max(width - 2 - 8 * figures, len("contender"))
    table = new_table(rows, header="\ncontender", most=most)
    table.add_column("of\nceiling", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("jobs/s\nper core", justify="right", no_wrap=True, ratio=1)
        table.add_column("\nper GB", justify="right", no_wrap=True, ratio=1)
    percentile_columns(table, spans=("wait", "exec."), names=names)
    for row in rows:
        cells = [fmt.percent(row.ceiling_share)]
        if width >= WIDE:
            cells += [fmt.number(row.per_busy_core_per_s), fmt.number(row.per_gb_per_s)]
        cells += [*durations(row.wait_s, names=names), *durations(row.execution_s, names=names)]
        table.add_row(*head(row, most=most), *cells, style="dim" if row.is_twin else "")
    return table


def ratio_table(rows: Sequence[RowSummary], *, verdict: Verdict, width: int) -> Table | None:
    """Return each contender's other figures as multiples of the baseline's; None without any."""
    shown = [
        figure
        for figure in map(COMPARED.get, verdict.figures)
        if figure and (width >= WIDEST or figure.measure or figure.name in _RATIOS)
    ]
    if not shown:
        return None
    most = NAME_COLUMNS if width < WIDE else None
    table = new_table(rows, header=f"× {verdict.baseline}", most=most)
    for figure in shown:
        table.add_column(figure.title, justify="right")
    for row in rows:
        cells = [
            _decided(
                find_decided(found, contender=row.contender, against=verdict.baseline),
                is_cost=True,
            )
            for found in (verdict.figures[figure.name] for figure in shown)
        ]
        if any(cell.plain for cell in cells):
            table.add_row(*head(row, most=most), *cells)
    return table


def pair_table(verdict: Verdict) -> Table:
    """Return every comparison of a workload, the larger side first, by contender."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("contender", f"× {verdict.figure}", "of"):
        table.add_column(title, no_wrap=title != "of")
    decisions: Sequence[Decided] = verdict.decisions
    if verdict.figure in LESS_IS_BETTER:
        # the ratios are of 1 ÷ the figure
        decisions = [
            replace(one, ratio=one.ratio.inverse(), decision=one.decision.inverse())
            for one in decisions
        ]
    turned = [one if one.ratio.value >= 1 else one.inverse() for one in decisions]
    faster = [name for name, ratio in verdict.to_baseline.items() if ratio.value >= 1]
    names = dict.fromkeys([*faster, verdict.baseline, *verdict.to_baseline])
    order = {name: place for place, name in enumerate(names)}
    for one in sorted(
        turned, key=lambda one: (order.get(one.contender, len(order)), one.ratio.value)
    ):
        table.add_row(one.contender, _decided(one), one.against)
    return table


def parts_table(rows: Sequence[RowSummary], *, width: int) -> Table | None:
    """Return the table of the parts of a job's time; None for backlogs unless it is wide enough.

    In a backlog, most of the time is the wait in the broker, a place in the queue, so the table is
    less useful.
    """
    if width < WIDEST and all(row.is_backlog for row in rows):
        return None
    names = ("p50", "p95", *(("p99",) if width >= WIDEST else ()))
    table = new_table(rows, header="\ncontender")
    spans = {"prefetch": "worker", "execution": "exec."}
    percentile_columns(table, spans=[spans.get(part, part) for part in PARTS], names=names)
    for row in rows:
        parts = row.wait_parts_s
        cells = [
            cell
            for part in (parts.lag, parts.broker, parts.prefetch, parts.execution)
            for cell in durations(part, names=names)
        ]
        table.add_row(*head(row), *cells, style="dim" if row.is_twin else "")
    return table


def causes_table(rows: Sequence[RowSummary]) -> Table | None:
    """Return the table of the mean wait and its shares by cause, by part of a mix; or None."""
    found = [(row, waits) for row in rows for waits in row.wait_causes]
    causes = [cause for cause in Cause if any(cause in waits.causes for _, waits in found)]
    if not causes:
        return None
    table = new_table(rows)
    if any(waits.part for _, waits in found):
        table.add_column("part", no_wrap=True)
    table.add_column("mean wait", justify="right", no_wrap=True)
    for cause in causes:
        table.add_column(CAUSES[cause][0], justify="right", ratio=1)
    for row, waits in found:
        times = [waits.causes.get(cause) for cause in causes]
        table.add_row(
            *head(row),
            *([waits.part or "all"] if len(row.wait_causes) > 1 else []),
            fmt.duration(waits.mean_s),
            *(fmt.percent(one.share if one else None) for one in times),
            style="dim" if row.is_twin else "",
        )
    return table


def order_table(rows: Sequence[RowSummary]) -> Table | None:
    """Return the table of the pairs of jobs that started by priority; None without priorities."""
    if not any(row.start_order for row in rows):
        return None
    table = new_table(rows)
    table.add_column("started by priority", justify="right", no_wrap=True)
    table.add_column("of pairs that waited together", no_wrap=True)
    table.add_column("", ratio=1)
    for row in rows:
        if order := row.start_order:
            table.add_row(*head(row), fmt.percent(order.share), fmt.count(order.pairs), "")
    return table


def limits_table(rows: Sequence[RowSummary], *, width: int) -> Table | None:
    """Return the table of limits and their effects, and of processes; None without any."""
    if all(row.limits is None and row.processes is None for row in rows):
        return None
    most = NAME_COLUMNS if width < WIDE else None
    table = new_table(rows, header="\ncontender", most=most)
    for title in (
        *("limit\ncores", "\nthrottled", "cores\nstopped"),
        *("limit\nmemory", "\npeak", "\nkilled", "\nprocesses"),
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        limits = row.limits or RowLimits()
        table.add_row(
            *head(row, most=most),
            fmt.number(limits.cpus),
            fmt.percent(limits.throttled_share),
            fmt.number(limits.throttled_cores),
            fmt.size(limits.memory_bytes),
            fmt.size(limits.memory_peak_bytes),
            fmt.count(limits.oom_kills),
            fmt.count(row.processes),
            style="dim" if row.is_twin else "",
        )
    return table


def plain_table() -> Table:
    """Return an empty table in the common style, whose first column is a mark."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=1)
    return table


def new_table(
    rows: Sequence[RowSummary],
    *,
    header: str = "contender",
    most: int | None = None,
    names: Sequence[str] = (),
) -> Table:
    """Return an empty table whose first two columns are a row's mark and its contender.

    ``most`` is the maximum width of the second: see `head`. ``names`` are other texts in it.
    """
    table = plain_table()
    name_width = max(len(name) for name in (*map(called, rows), *names, "contender"))
    table.add_column(header, width=min(name_width, most or name_width), no_wrap=True)
    return table


def head(row: RowSummary, *, most: int | None = None) -> list[Text]:
    """Return a row's mark and its contender, the first two cells of every table.

    A name that is longer than ``most`` wraps.
    """
    mark = Text(row.mark, style=MARK_STYLES.get(row.mark, ""))
    name = _broken(called(row), room=most) if most else called(row)
    return [mark, Text(name, style=row_shade(row).dark)]


def called(row: RowSummary) -> str:
    """Return the contender's name without its slots, which have their own column."""
    return label(row, has_slots=False)


def _broken(name: str, *, room: int) -> str:
    """Return a name in lines of at most ``room`` columns, wrapped after "-", "." or "_"."""
    lines = []
    while len(name) > room:
        end = max(name.rfind(sign, 0, room) for sign in "-._") + 1 or room
        lines.append(name[:end])
        name = name[end:]
    return "\n".join([*lines, name])


def percentile_columns(table: Table, *, spans: Iterable[str], names: Sequence[str]) -> None:
    """Add a column for each percentile of each span."""
    for span in spans:
        for index, name in enumerate(names):
            title = f"{'' if index else span}\n{name.replace('_', '.')}"
            table.add_column(title, justify="right", no_wrap=True, ratio=1)


def _throughput(row: RowSummary) -> Text:
    """Return the throughput with its range, and a sign if the harness may be the limit."""
    per_s = row.throughput_per_s
    if per_s is None:
        return Text(fmt.NOTHING)
    sign = f" {Severity.LIMITED}" if row.is_near_limit else ""
    return Text.assemble(
        (f"{fmt.number(per_s.median)}{sign}", "" if row.is_twin else "bold"),
        (f" [{fmt.span(per_s.low, high=per_s.high)}]", "dim"),
    )


def _to_baseline(row: RowSummary, *, verdict: Verdict, width: int) -> Text:
    """Return a row's ratio to the baseline, with the sign of its finding."""
    if row.is_twin:
        ratio = verdict.equal_pair.ratio if verdict.equal_pair else None
        return Text(f"A/A {_bare(ratio)}" if ratio else "A/A")
    if row.contender == verdict.baseline:
        return Text("1")
    decided = verdict.decided(row.contender, against=verdict.baseline)
    return _decided(decided, has_interval=width >= WIDE)


def _decided(decided: Decided | None, *, has_interval: bool = True, is_cost: bool = False) -> Text:
    """Return a ratio with a sign for what it shows; nothing where there is none."""
    if decided is None:
        return Text("")
    finding, ratio = decided.decision.finding, decided.ratio
    style = "" if is_cost else _STYLES.get(finding, "")
    if finding is Finding.TOO_FEW:
        shown = fmt.times_range(ratio.low, high=ratio.high).removesuffix(" ×")
    elif has_interval:
        shown = f"{_bare(ratio)} {fmt.interval(ratio.low, high=ratio.high)}"
    else:
        shown = _bare(ratio)
    return Text.assemble((f"{SIGNS[finding]} ", style), shown)


def _bare(ratio: Ratio) -> str:
    return fmt.times(ratio.value).removesuffix(" ×")


def durations(found: Tail | None, *, names: Sequence[str]) -> list[str]:
    """Return the named percentiles as text."""
    return [fmt.duration(getattr(found, name, None)) for name in names]
