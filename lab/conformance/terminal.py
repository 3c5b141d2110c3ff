"""Shows a survey in a terminal: the table first, then what was seen and the evidence."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.conformance.finding import MEANINGS, Outcome
from lab.conformance.survey import Entry, Survey
from lab.conformance.verdict import Verdict
from report.palette import pool_shade

_STYLES = {
    Outcome.WORKS: "green",
    Outcome.IGNORED: "yellow",
    Outcome.BREAKS: "bold red",
    Outcome.NOT_TRIED: "dim",
}

#: Columns that a row's title has at least, so that it wraps between words.
_TITLE_WIDTH = 26


def render(survey: Survey, *, other: Survey | None = None) -> RenderableType:
    """Return the whole survey; ``other`` shows beside it where the two differ."""
    parts: list[RenderableType] = [_head(survey, other=other), _table(survey, other=other), Text()]
    parts += [Text(f"{word}: {meaning}", style="dim") for word, meaning in MEANINGS.items()]
    parts += [_details(entry, pools=survey.pools) for entry in survey.entries]
    return Group(*parts)


def describe(survey: Survey) -> str:
    """Return what was tried, as one line of versions."""
    versions = ", ".join(f"{name} {version}" for name, version in survey.versions.items())
    broker = f"{survey.broker['server']} {survey.broker['version']}"
    return f"{versions}; {broker}; {survey.machine['os']}, {survey.machine['cores']} cores"


def differing_word(survey: Survey, *, other: Survey | None, row: str, pool: str) -> str:
    """Return the other survey's word for a cell, empty where it is the same or has none."""
    here = survey.verdict(row, pool=pool)
    there = other.verdict(row, pool=pool) if other else None
    return there.word if here and there and here.outcome != there.outcome else ""


def tell_tries(survey: Survey) -> str:
    """Return what a count in a cell says; empty where each row was tried once."""
    if survey.tries == 1:
        return ""
    return f"each tried {survey.tries} times: the worst outcome, and how many tries had it"


def _head(survey: Survey, *, other: Survey | None) -> RenderableType:
    lines = [Text(f"What each pool does · celery {survey.celery}", style="bold")]
    lines.append(Text(describe(survey), style="dim"))
    if tries := tell_tries(survey):
        lines.append(Text(tries, style="dim"))
    if other is not None:
        lines.append(Text(f"in brackets, where it differs: celery {other.celery}", style="dim"))
    return Group(*lines)


def _table(survey: Survey, *, other: Survey | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", min_width=_TITLE_WIDTH)
    for pool in survey.pools:
        table.add_column(Text(pool, style=pool_shade(pool).dark), no_wrap=True)
    for entry in survey.entries:
        cells = [_cell(survey, other=other, entry=entry, pool=pool) for pool in survey.pools]
        table.add_row(entry.title.replace("`", ""), *cells)
    return table


def _cell(survey: Survey, *, other: Survey | None, entry: Entry, pool: str) -> Text:
    verdict = entry.verdicts.get(pool)
    if verdict is None:
        return Text("–", style="dim")
    text = Text(verdict.outcome, style=_STYLES[verdict.outcome])
    if verdict.count:
        # below the word: beside it, five pools are wider than a terminal
        text.append(f"\n{verdict.count}")
    if differing := differing_word(survey, other=other, row=entry.name, pool=pool):
        text.append(f"\n({differing})", style="magenta")
    return text


def _details(entry: Entry, *, pools: tuple[str, ...]) -> RenderableType:
    lines: list[RenderableType] = [
        Text(f"\n{entry.title.replace('`', '')}", style="bold"),
        Text(f"tried: {entry.question.replace('`', '')}", style="dim"),
        Text(f"expected: {entry.expected}", style="dim"),
    ]
    seen = [_seen(pool, verdict=entry.verdicts[pool]) for pool in pools if pool in entry.verdicts]
    return Group(*lines, *seen)


def _seen(pool: str, *, verdict: Verdict) -> RenderableType:
    head = Text.assemble(
        (f"{pool:<8} ", pool_shade(pool).dark),
        (f"{verdict.tell()}  ", _STYLES[verdict.outcome]),
        verdict.finding.seen,
    )
    evidence = [Text(line, style="dim") for line in verdict.finding.evidence]
    return Group(Padding(head, (0, 0, 0, 2)), Padding(Group(*evidence), (0, 0, 0, 4)))
