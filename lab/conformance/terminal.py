"""Shows a survey in a terminal: the table first, then what happened, with the evidence."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.conformance.finding import MEANINGS, Outcome
from lab.conformance.survey import Survey, SurveyRow, Verdict
from report.palette import pool_shade

_STYLES = {
    Outcome.WORKS: "green",
    Outcome.IGNORED: "yellow",
    Outcome.BREAKS: "bold red",
    Outcome.NOT_TRIED: "dim",
}

#: Least width of the titles' column, so that they wrap between words.
_TITLE_WIDTH = 26


def render(survey: Survey, *, other: Survey | None = None) -> RenderableType:
    """Return the whole survey, with the outcomes of ``other`` where the two differ."""
    return Group(
        Text(f"What each pool does · celery {survey.celery}", style="bold"),
        *(Text(line, style="dim") for line in describe(survey, other=other)),
        _table(survey, other=other),
        Text(),
        *(Text(f"{word}: {meaning}", style="dim") for word, meaning in MEANINGS.items()),
        *(part for row in survey.rows for part in _details(row, pools=survey.pools)),
    )


def describe(survey: Survey, *, other: Survey | None) -> list[str]:
    """Return sentences about what was tried: versions, number of tries, the other survey."""
    versions = ", ".join(f"{name} {version}" for name, version in survey.versions.items())
    broker = f"{survey.broker['server']} {survey.broker['version']}"
    machine = f"{survey.machine['os']}, {survey.machine['cores']} cores"
    lines = [f"{versions}; {broker}; {machine}"]
    if survey.tries > 1:
        tries = f"Each promise was tried {survey.tries} times"
        lines.append(f"{tries}: the worst outcome, and the number of tries that had it.")
    if other is not None:
        lines.append(f"In brackets, where it differs: celery {other.celery}, {other.made_at[:10]}.")
    return lines


def differing_word(survey: Survey, *, other: Survey | None, name: str, pool: str) -> str:
    """Return the other survey's outcome for a cell; empty if it is the same or missing."""
    here = survey.verdict(name, pool=pool)
    there = other.verdict(name, pool=pool) if other else None
    return there.word if here and there and here.outcome != there.outcome else ""


def _table(survey: Survey, *, other: Survey | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", min_width=_TITLE_WIDTH)
    for pool in survey.pools:
        table.add_column(Text(pool, style=pool_shade(pool).dark), no_wrap=True)
    for row in survey.rows:
        cells = [_cell(survey, other=other, row=row, pool=pool) for pool in survey.pools]
        table.add_row(row.title.replace("`", ""), *cells)
    return table


def _cell(survey: Survey, *, other: Survey | None, row: SurveyRow, pool: str) -> Text:
    verdict = row.pools.get(pool)
    if verdict is None:
        return Text("–", style="dim")
    text = Text(verdict.outcome, style=_STYLES[verdict.outcome])
    if verdict.count:
        # below the outcome: next to it, five pools would be wider than a terminal
        text.append(f"\n{verdict.count}")
    if differing := differing_word(survey, other=other, name=row.name, pool=pool):
        text.append(f"\n({differing})", style="magenta")
    return text


def _details(row: SurveyRow, *, pools: tuple[str, ...]) -> list[RenderableType]:
    return [
        Text(f"\n{row.title.replace('`', '')}", style="bold"),
        Text(f"tried: {row.question.replace('`', '')}", style="dim"),
        Text(f"expected: {row.expected}", style="dim"),
        *(_seen(pool, verdict=row.pools[pool]) for pool in pools if pool in row.pools),
    ]


def _seen(pool: str, *, verdict: Verdict) -> RenderableType:
    head = Text.assemble(
        (f"{pool:<8} ", pool_shade(pool).dark),
        (f"{verdict.words}  ", _STYLES[verdict.outcome]),
        verdict.seen,
    )
    evidence = [Text(line, style="dim") for line in verdict.evidence]
    return Group(Padding(head, (0, 0, 0, 2)), Padding(Group(*evidence), (0, 0, 0, 4)))
