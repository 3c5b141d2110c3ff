"""Prints a run's result in a terminal: the best contender, its ratio, and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from collector.reasons import Code, Reason, Severity, describe_alike
from collector.run_manifest import Workload
from collector.worker_figures import JOBLESS_MEASURES, WORKER_MEASURES
from report import format as fmt
from report.analyses.sweep_text import describe_law
from report.legend import (
    beside_idle,
    describe_control,
    describe_controls,
    describe_jobs,
    describe_source,
    integrity,
    legend,
    level_findings,
    marks_of,
)
from report.palette import MARK_STYLES
from report.result import RowSummary, Summary, Verdict
from report.rows.reasons import SharedReason, share_reasons
from report.terminal.group_table import group_table
from report.terminal.level_table import level_table
from report.terminal.load_tables import (
    curve_table,
    fairness_table,
    part_table,
    rate_table,
    target_table,
    worker_table,
)
from report.terminal.sweep_tables import (
    render_crossover,
    render_effects,
    render_sweep,
    sentence,
)
from report.terminal.tables import (
    causes_table,
    cost_table,
    limits_table,
    order_table,
    pair_table,
    parts_table,
    ratio_table,
    result_table,
)
from report.terminal.threshold_lines import render_thresholds


class _Screen:
    """The whole report; its layout depends on the width."""

    def __init__(self, summary: Summary, *, has_details: bool) -> None:
        self._summary = summary
        self._has_details = has_details

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        show = _details if self._has_details else _first_screen
        yield from show(self._summary, width=options.max_width)


def render(summary: Summary, *, has_details: bool = False) -> RenderableType:
    """Return the report for 80 columns or more: the first screen, or every detail."""
    return _Screen(summary, has_details=has_details)


def _first_screen(summary: Summary, *, width: int) -> Iterator[RenderableType]:
    """Yield the ledger, a sentence and a table per workload, and each distinct warning once."""
    yield from _account(summary)
    for workload, verdict in zip(summary.workloads, summary.verdicts, strict=True):
        # the A/A control is in the details; here its result is one line
        rows = [row for row in summary.of_workload(workload.name) if not row.is_twin]
        yield Text.assemble(
            "\n", (workload.name, "bold"), "  ", _marked(verdict, text=verdict.headline)
        )
        if workload.recorded:
            yield Text(f"  {describe_source(workload.recorded)}")
        yield _main_table(summary, rows=rows, verdict=verdict, width=width)
        if all(row.is_backlog for row in rows) and (parts := part_table(rows)):
            yield parts
        if order := order_table(rows):
            yield order
        if idle := beside_idle(rows):
            yield Text(f"  {idle}")
        yield from (Text(f"  {finding}") for finding in level_findings(rows))
        yield from _pairs(summary, verdict=verdict)
    yield from _beyond_rows(summary, has_details=False)
    yield Text()
    yield from _warnings(summary)
    if controls := describe_controls(summary):
        yield Text(f"{controls} workloads.", style="dim")
    yield from (Text(note, style="dim") for note in summary.notes)
    has_jobs = any(row.measure not in WORKER_MEASURES for row in summary.rows)
    key = f"{_KEY if has_jobs else ''}Details: --details, docs/marks.md"
    yield Text(key, style="dim")


def _details(summary: Summary, *, width: int) -> Iterator[RenderableType]:
    """Yield every detail, with a section per workload."""
    yield from _account(summary)
    yield from (Text(note, style="dim") for note in (*summary.notes, *summary.remarks))
    for workload, verdict in zip(summary.workloads, summary.verdicts, strict=True):
        yield from _section(summary, workload=workload, verdict=verdict, width=width)
    yield from _beyond_rows(summary, has_details=True)
    yield Text()
    words = [*legend(summary), *_table_words(summary, width=width)]
    for mark, meaning in marks_of(summary).items():
        yield Text(f"{mark} {meaning}", style="dim")
    for word, meaning in words:
        yield Text(f"{word}: {meaning}", style="dim")


#: The meaning of the first screen's columns.
_KEY = (
    "▲ more, ▼ less, = no difference; p95: execution, or response if jobs arrive at a rate; "
    "CPU-s: per 1,000 jobs; MB: PSS. "
)


def _account(summary: Summary) -> Iterator[RenderableType]:
    is_whole, account = integrity(summary)
    yield Text.assemble(
        (summary.title, "bold"), "  ", (account, "green" if is_whole else "bold red")
    )


def _beyond_rows(summary: Summary, *, has_details: bool) -> Iterator[RenderableType]:
    """Yield the results over several rows: crossovers, sweeps, effects and thresholds."""
    for found in summary.crossovers:
        yield render_crossover(summary, found=found)
    for sweep in summary.sweeps:
        # a sweep over texts has no law
        if has_details or describe_law(sweep):
            yield render_sweep(sweep, has_table=has_details)
    yield from render_effects(summary)
    yield from render_thresholds(summary)


def _warnings(summary: Summary) -> Iterator[RenderableType]:
    """Yield the reasons of invalid rows with the rows, and each other kind of reason once."""
    found: dict[tuple[str, ...], dict[str, Reason]] = {}
    for row in summary.rows:
        for one in row.reasons:
            # reasons of earlier versions have only a text, so they can't be grouped
            is_own = one.severity is Severity.INVALID or one.code is Code.RECORDED
            found.setdefault(one.key if is_own else (one.severity, one.code), {})[row.name] = one
    order = [*Severity]
    for rows in sorted(found.values(), key=lambda rows: order.index(_severity(rows))):
        severity = _severity(rows)
        if severity is Severity.INVALID:
            who = fmt.listed([*rows])
        else:
            is_all = len(rows) == len(summary.rows) > 1
            who = "all rows" if is_all else fmt.counted(len(rows), noun="row")
        if severity:
            style = MARK_STYLES.get(severity, "")
            yield Text.assemble(
                (f"{severity} ", style), f"{who}: {describe_alike([*rows.values()])}"
            )


def _severity(rows: Mapping[str, Reason]) -> Severity:
    return next(iter(rows.values())).severity


def _section(
    summary: Summary, *, workload: Workload, verdict: Verdict, width: int
) -> Iterator[RenderableType]:
    rows = summary.of_workload(workload.name)
    has_calls = any(part.call for part in workload.mix)
    is_described = not workload.mix or workload.has_options or workload.recorded or has_calls
    parameters = describe_jobs(workload) if is_described else ""
    if has_calls and not workload.part_names:
        parameters = ", ".join(filter(None, (workload.mix[0].kind, parameters)))
    yield Text.assemble("\n", (workload.name, "bold"), (f"  {parameters}", "dim"))
    yield sentence(verdict.text, mark=verdict.mark)
    yield Text()
    yield _main_table(summary, rows=rows, verdict=verdict, width=width)
    yield from _control(verdict)
    yield from _pairs(summary, verdict=verdict)
    fairness = [one for one in summary.fairness if one.workload == workload.name]
    has_latency = workload.measure not in JOBLESS_MEASURES
    for table in (
        ratio_table(rows, verdict=verdict, width=width),
        target_table(rows),
        part_table(rows),
        cost_table(rows, width=width) if has_latency else None,
        group_table(rows) if has_latency else None,
        parts_table(rows, width=width) if has_latency else None,
        causes_table(rows),
        order_table(rows),
        limits_table(rows, width=width),
        fairness_table(rows, fairness=fairness),
        level_table(rows, width=width),
    ):
        if table:
            yield Text()
            yield table
    yield from map(_reason, share_reasons((row.contender, row.reasons) for row in rows))


def _table_words(summary: Summary, *, width: int) -> list[tuple[str, str]]:
    """Return the terms that only these tables use, each with its meaning."""
    parts = (
        "the parts of a job's time from due to finished; they end when it is sent, received by a "
        "worker, started and done"
    )
    has_parts = parts_table(summary.rows, width=width) is not None if summary.rows else False
    words = [("lag, broker, worker, exec.", parts)] if has_parts else []
    words += [("per core, per GB", "jobs/s for each busy core, and for each 10^9 bytes of PSS")]
    if all(verdict.smallest_difference is None for verdict in summary.verdicts):
        return words
    return [("▲ ▼ =", "more, less, no difference, for all comparisons of a table at once"), *words]


def _pairs(summary: Summary, *, verdict: Verdict) -> Iterator[RenderableType]:
    """Yield every pair of a workload's contenders, where that was asked for."""
    for one in verdict.parts or (verdict,):
        if summary.is_every_pair and one.decisions:
            yield Text(one.part)
            yield pair_table(one)


def _control(verdict: Verdict) -> Iterator[RenderableType]:
    """Yield what the contender that was measured twice shows."""
    pair = verdict.equal_pair
    if pair is not None and pair.ratio is not None and pair.ratio.is_claim:
        yield Text(f"{describe_control(pair)}.", style="dim")


def _main_table(
    summary: Summary, *, rows: Sequence[RowSummary], verdict: Verdict, width: int
) -> Table:
    """Return the table for the workload's measure."""
    measure = rows[0].measure
    if measure in WORKER_MEASURES:
        return worker_table(rows, width=width)
    if measure == "rate":
        return rate_table(rows, width=width)
    if measure == "curve":
        curves = [one for one in summary.curves if one.workload == rows[0].workload]
        return curve_table(rows, curves=curves)
    return result_table(rows, verdict=verdict, width=width)


def _marked(verdict: Verdict, *, text: str) -> Text:
    mark = verdict.mark
    return Text.assemble((f"{mark} ", MARK_STYLES[mark]), text) if mark else Text(text)


def _reason(shared: SharedReason) -> Text:
    """Return a line with a reason, its rows and the remedy."""
    severity = shared.reason.severity
    return Text.assemble(
        (f"{severity or ' '} ", MARK_STYLES.get(severity, "")),
        (shared.who, "bold"),
        f": {shared.reason.text}",
        (f" → {shared.remedy}" if shared.remedy else "", "italic"),
    )
