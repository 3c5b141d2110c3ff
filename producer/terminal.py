"""Renders trials for the terminal: ledger, figures, and why following a trial ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from poolbench import format as fmt
from poolbench.summaries import Ledger, Percentiles
from producer.follow import Ending, Followed
from producer.summary import TrialSummary

_BACKLOG_NOTE = "All jobs were due at once: the wait is a job's place in the queue."

_MARK_STYLES = {"!": "bold red", "~": "yellow", "?": "cyan"}


def render_trial(
    trial: TrialSummary, *, is_backlog: bool = False, is_over: bool = True
) -> RenderableType:
    """Return one trial's ledger and figures; in a backlog the wait is the place in the queue."""
    waited = "place in the queue, all due at once" if is_backlog else "from due to started"
    figures = _grid()
    figures.add_row("ledger", _ledger(trial.ledger, is_over=is_over))
    figures.add_row("throughput", Text(f"{fmt.number(trial.throughput_per_s)} jobs/s"))
    spans = _grid()
    for _ in range(3):
        spans.add_column(justify="right", min_width=8, no_wrap=True)
    spans.add_column(style="dim")
    spans.add_row("", *(Text(name, "dim") for name in Percentiles.__slots__), "")
    for name, found, meaning in (
        ("wait", trial.wait_s, waited),
        ("execution", trial.execution_s, "from started to finished"),
        ("lag", trial.lag_s, "from due to sent"),
    ):
        spans.add_row(name, *_percentiles(found), meaning)
    title = Text.assemble(
        (trial.contender, "bold"),
        f", {fmt.counted(trial.slots, noun='slot')}",
        (f" · {trial.kind}", "dim"),
    )
    body = Padding(Group(figures, Text(), spans), (1, 0, 0, 2), expand=False)
    return Group(Text(), title, body, *_remarks([trial]))


def render_comparison(
    trials: Sequence[TrialSummary], *, is_backlog: bool = False
) -> RenderableType:
    """Return a table of pools, and the notes for reading it."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", expand=True)
    table.add_column("", width=1)
    table.add_column("\npool", no_wrap=True)
    for name in ("slots", "done", "jobs/s"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    for span in ("wait", "execution"):
        for index, name in enumerate(Percentiles.__slots__):
            title = f"{'' if index else span}\n{name}"
            table.add_column(title, justify="right")
    for trial in trials:
        table.add_row(
            Text(trial.mark, style=_MARK_STYLES.get(trial.mark, "")),
            trial.contender,
            f"{trial.slots:,}",
            _done(trial.ledger),
            Text(fmt.number(trial.throughput_per_s), style="bold"),
            *_percentiles(trial.wait_s),
            *_percentiles(trial.execution_s),
        )
    notes = [Text(_BACKLOG_NOTE, "dim")] if is_backlog else []
    if len({trial.slots for trial in trials}) > 1:
        each = ", ".join(f"{trial.contender} {trial.slots:,}" for trial in trials)
        text = f"The slots differ ({each}): this compares the workers' settings, not pools alone."
        notes.append(Text(text, "dim"))
    lines = [Text(), *notes] if notes else []
    return Group(Text(), table, *_remarks(trials), *lines)


def _ledger(ledger: Ledger, *, is_over: bool) -> Text:
    rest, word, style = "lost", "does not close", "bold red"
    if ledger.is_closed:
        word, style = "closed", "green"
    elif not is_over:
        rest, word, style = "in flight", "still open", "yellow"
    expired = f"+ {ledger.expired:,} expired " if ledger.expired else ""
    return Text.assemble(
        f"{ledger.sent:,} sent = {ledger.done:,} done + {ledger.failed:,} failed "
        f"{expired}+ {ledger.lost:,} {rest}  ",
        (word, style),
        (f"\n{ledger.retried:,} retried, {ledger.duplicated:,} duplicated", "dim"),
    )


def _done(ledger: Ledger) -> Text:
    if ledger.done == ledger.sent:
        return Text(f"{ledger.done:,}")
    return Text(f"{ledger.done:,}/{ledger.sent:,}", style="bold red")


def _percentiles(found: Percentiles | None) -> list[str]:
    return [fmt.duration(span_s) for span_s in (astuple(found) if found else (None,) * 3)]


def _remarks(trials: Sequence[TrialSummary]) -> list[RenderableType]:
    """Return one line for each reason, with all trials that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for trial in trials:
        for reason in trial.reasons:
            found.setdefault((trial.mark, reason), []).append(trial.contender)
    lines = []
    for (mark, reason), named in found.items():
        names = "" if len(named) == len(trials) else f"{', '.join(named)}: "
        style = _MARK_STYLES.get(mark, "")
        lines.append(Text.assemble((f"{mark or ' '} ", style), (names, "bold"), reason))
    return [Text(), *lines] if lines else []


def _grid() -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="dim", min_width=10)
    return grid


def explain(followed: Followed, *, sent: int) -> str:
    """Return one line with the reason why a trial is not closed, and its counts."""
    still = fmt.duration(followed.still_s)
    reason = {
        Ending.STALLED: f"no job ended for {still}, although workers are live",
        Ending.NO_WORKERS: f"no worker is live any more, and no job ended for {still}",
        Ending.TIMED_OUT: "not finished within --timeout",
        Ending.NO_COLLECTOR: f"no collector published anything within {still} (see: make ps)",
        Ending.STOPPED: "stopped waiting",
    }[followed.ending]
    if followed.trial is None:
        return f"{reason}: {fmt.counted(sent, noun='job')} sent; their records are kept"
    ledger = followed.trial.ledger
    return (
        f"{reason}: of {fmt.counted(ledger.sent, noun='job')} sent, {ledger.done:,} done, "
        f"{ledger.failed:,} failed, {ledger.lost:,} not ended"
    )
