"""Prints a profile in a terminal: one screen, or every detail."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from report import format as fmt
from report.legend import CAUSES
from report.palette import pool_shade
from report.profile.model import Profile, Reliance
from report.profile.wording import (
    conditions,
    keys,
    settings_lines,
    task_columns,
    task_lines,
    title,
)
from report.trials.wait_causes import Cause

#: Least width of the table with every column.
WIDE = 120

#: Most tasks, findings and features on the first screen.
_TASKS, _FINDINGS = 12, 6

#: What to do with a first screen.
_NEXT = (
    "\nDetails: --details; as a page: --output FILE.html; which setting fits: poolbench advise FILE"
)

#: Outcome of a promise → its style.
_STYLES = {"works": "green", "ignored": "yellow", "breaks": "bold red", "not tried": "dim"}


class _Screen:
    """The whole profile; its layout depends on the width."""

    def __init__(self, profile: Profile, *, has_details: bool) -> None:
        self._profile = profile
        self._has_details = has_details

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _screen(self._profile, width=options.max_width, has_details=self._has_details)


def render(profile: Profile, *, has_details: bool = False) -> RenderableType:
    """Return the profile for 80 columns or more: the first screen, or every detail."""
    return _Screen(profile, has_details=has_details)


def _screen(profile: Profile, *, width: int, has_details: bool) -> Iterator[RenderableType]:
    yield Text(title(profile), style="bold")
    yield Text(conditions(profile), style="dim")
    yield from _tasks(profile, width=width, has_details=has_details)
    if has_details:
        yield from _task_details(profile)
    yield _heading("What the worker's settings did")
    yield _pairs(settings_lines(profile))
    if has_details:
        yield from _waits(profile)
    yield from _reliance(profile, has_details=has_details)
    if profile.unmet:
        yield _heading("Asked for, and not in effect")
        for unmet in profile.unmet:
            yield _line(f"{unmet.worker}: {unmet.asked}", unmet.effect)
    yield from _findings(profile, has_details=has_details)
    if profile.unknown:
        yield _heading("Unknown")
        for one in profile.unknown:
            yield _line(one.what, f"{one.why}. {one.remedy}")
    if not has_details:
        yield Text(_NEXT, style="dim")


def _tasks(profile: Profile, *, width: int, has_details: bool) -> Iterator[RenderableType]:
    yield _heading("What the jobs are")
    shown = profile.tasks if has_details else profile.tasks[:_TASKS]
    columns = [one for one in task_columns(profile) if width >= WIDE or not one.is_wide]
    table = _table()
    table.add_column("task", overflow="fold", ratio=1, min_width=12)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for task in shown:
        table.add_row(task.name, *(column.show(task) for column in columns))
    yield table
    if rest := profile.tasks[len(shown) :]:
        share = fmt.percent(sum(task.busy_share for task in rest))
        yield Text(f"{fmt.counted(len(rest), noun='more task')}: {share} of the busy time", "dim")
    yield from (Text(key, style="dim") for key in keys(profile))


def _task_details(profile: Profile) -> Iterator[RenderableType]:
    """Yield all that is known of each task, beside the table."""
    for task in profile.tasks:
        yield Text(f"\n{task.name}", style="bold")
        yield _pairs(task_lines(task))


def _waits(profile: Profile) -> Iterator[RenderableType]:
    """Yield the shares of each task's wait by cause."""
    waits = [(task.name, task.waits) for task in profile.tasks if task.waits]
    causes = [cause for cause in Cause if any(cause in one.causes for _, one in waits)]
    if not causes:
        return
    table = _table()
    table.add_column("task", overflow="fold", ratio=1, min_width=12)
    for name in ("mean wait", *(CAUSES[cause][0] for cause in causes)):
        table.add_column(name, justify="right")
    for name, one in waits:
        shares = (one.causes[cause].share if cause in one.causes else None for cause in causes)
        table.add_row(name, fmt.duration(one.mean_s), *map(fmt.percent, shares))
    yield Text()
    yield table


def _reliance(profile: Profile, *, has_details: bool) -> Iterator[RenderableType]:
    if not profile.relied_on:
        return
    yield _heading("What the app relies on, and what each pool does with it")
    pools = list(dict.fromkeys(pool for one in profile.relied_on for pool in one.pools))
    own = {worker.pool for worker in profile.workers}
    table = _table()
    table.add_column("", ratio=1, min_width=16)
    for pool in pools:
        style = f"{'bold ' if pool in own else ''}{pool_shade(pool).dark}"
        table.add_column(Text(pool, style=style), no_wrap=True)
    for one in profile.relied_on:
        table.add_row(one.feature, *(_verdict(one, pool=pool) for pool in pools))
    yield table
    if has_details:
        for one in profile.relied_on:
            shown = f"{', '.join(one.shown_by)}; {fmt.counted(one.executions, noun='execution')}"
            yield _line(one.feature, shown)
            for pool, verdict in one.pools.items():
                yield Padding(
                    Text(f"{pool}: {verdict.outcome}: {verdict.seen}", "dim"), (0, 0, 0, 4)
                )


def _verdict(one: Reliance, *, pool: str) -> Text:
    verdict = one.pools.get(pool)
    outcome = verdict.outcome if verdict else "not tried"
    return Text(outcome, style=_STYLES.get(outcome, ""))


def _findings(profile: Profile, *, has_details: bool) -> Iterator[RenderableType]:
    if not profile.findings:
        return
    yield _heading("What needs attention")
    shown = profile.findings if has_details else profile.findings[:_FINDINGS]
    for one in shown:
        yield _line(one.task, one.text, separator=" ")
    if rest := len(profile.findings) - len(shown):
        yield Text(f"  {rest} more: --details", style="dim")


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _line(name: str, text: str, *, separator: str = ": ") -> RenderableType:
    line = Text.assemble((name, "bold"), separator, text) if name else Text(text)
    return Padding(line, (0, 0, 0, 2))


def _pairs(pairs: list[tuple[str, str]]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1)
    for name, text in pairs:
        table.add_row(name, text)
    return Padding(table, (0, 0, 0, 2))


def _table() -> Table:
    return Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
