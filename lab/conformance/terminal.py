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
        *(Text(line, style="dim") for line in survey.describe(other)),
        _table(survey, other=other),
        Text(),
        *(Text(f"{word}: {meaning}", style="dim") for word, meaning in MEANINGS.items()),
        *(part for row in survey.rows for part in _details(row)),
    )


def _table(survey: Survey, *, other: Survey | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", min_width=_TITLE_WIDTH)
    for pool in survey.pools:
        table.add_column(Text(pool, style=pool_shade(pool).dark), no_wrap=True)
    for row in survey.rows:
        cells = [_cell(verdict, other=there) for verdict, there in row.compare(other)]
        table.add_row(row.title.replace("`", ""), *cells)
    return table


def _cell(verdict: Verdict, *, other: Verdict | None) -> Text:
    text = Text(verdict.outcome, style=_STYLES[verdict.outcome])
    if verdict.count:
        # below the outcome: next to it, five pools would be wider than a terminal
        text.append(f"\n{verdict.count}")
    if other:
        text.append(f"\n({other.word})", style="magenta")
    return text


def _details(row: SurveyRow) -> list[RenderableType]:
    return [
        Text(f"\n{row.title.replace('`', '')}", style="bold"),
        Text(f"tried: {row.question.replace('`', '')}", style="dim"),
        Text(f"expected: {row.expected}", style="dim"),
        *(_seen(pool, verdict=verdict) for pool, verdict in row.pools.items()),
    ]


def _seen(pool: str, *, verdict: Verdict) -> RenderableType:
    head = Text.assemble(
        (f"{pool:<8} ", pool_shade(pool).dark),
        (f"{verdict.words}  ", _STYLES[verdict.outcome]),
        verdict.seen,
    )
    evidence = [Text(line, style="dim") for line in verdict.evidence]
    return Group(Padding(head, (0, 0, 0, 2)), Padding(Group(*evidence), (0, 0, 0, 4)))
