"""Writes a survey as Markdown: the table, the words, and each row with its evidence."""

from __future__ import annotations

import re

from lab.conformance.outcome import MEANINGS, Finding, Outcome
from lab.conformance.survey import Entry, Survey
from lab.conformance.table import describe, differing_word

_INTRODUCTION = """\
# What each pool does with what Celery promises

Nothing here is quoted from documentation or source: every cell was tried on a real worker with a
real Redis, and judged by what could be seen from outside it: stamps that the jobs wrote, the
queue and `unacked`, exit codes, log lines, answers to `inspect`.
"""

_SHAPE = """\
## The same for programs

[`{json}`]({json}), or `poolbench conformance --json`: `format` (1; another number is another
shape), `made_at` (UTC), `command`, `took_s`, `versions` (of the workers' interpreter, by package),
`broker` (`server`, `version`, `origin`), `machine`, `words` (meaning by word), `pools` (names, in
order) and `rows`: each with `name`, `title`, `question`, `expected` and `pools`, which holds by
name of the pool `outcome` (a word), `seen` (a sentence) and `evidence` (lines).
"""


def write_markdown(survey: Survey, *, json_name: str, other: Survey | None = None) -> str:
    """Return the document; ``json_name`` is the file beside it that holds the same as JSON."""
    parts = [
        _INTRODUCTION,
        _origin(survey, other=other),
        _overview(survey, other=other),
        _words(),
        *(_section(entry, pools=survey.pools) for entry in survey.entries),
        _SHAPE.format(json=json_name),
    ]
    return "\n".join(parts)


def _origin(survey: Survey, *, other: Survey | None) -> str:
    text = (
        f"Made on {survey.made_at[:10]} by `{survey.command}` in {survey.took_s:.0f} s: "
        f"{describe(survey)}.\n"
    )
    if other is not None:
        text += f"\nIn brackets, where it differs: celery {other.celery}, {other.made_at[:10]}.\n"
    return text


def _overview(survey: Survey, *, other: Survey | None) -> str:
    rows = [
        f"| | {' | '.join(survey.pools)} |",
        f"| --- |{' --- |' * len(survey.pools)}",
    ]
    for entry in survey.entries:
        cells = [_cell(survey, other=other, entry=entry, pool=pool) for pool in survey.pools]
        rows.append(f"| [{entry.title}](#{_anchor(entry.title)}) | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(survey: Survey, *, other: Survey | None, entry: Entry, pool: str) -> str:
    found = entry.findings.get(pool)
    if found is None:
        return "–"
    word = f"**{found.outcome}**" if found.outcome is Outcome.BREAKS else str(found.outcome)
    differing = differing_word(survey, other=other, row=entry.name, pool=pool)
    return f"{word} ({differing})" if differing else word


def _words() -> str:
    return "\n".join(f"- **{word}**: {meaning}" for word, meaning in MEANINGS.items()) + "\n"


def _section(entry: Entry, *, pools: tuple[str, ...]) -> str:
    lines = [
        f"## {entry.title}",
        "",
        f"Tried: {entry.question}",
        "",
        f"Expected: {entry.expected}",
        "",
    ]
    for pool in pools:
        if pool in entry.findings:
            lines += _seen(pool, found=entry.findings[pool])
    return "\n".join(lines)


def _seen(pool: str, *, found: Finding) -> list[str]:
    lines = [f"- **{pool}: {found.outcome}.** {found.seen}", ""]
    if found.evidence:
        lines += ["  ```text", *(f"  {line}" for line in found.evidence), "  ```", ""]
    return lines


def _anchor(title: str) -> str:
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
