"""Writes a survey as Markdown: the table, the outcomes, and each promise with its evidence."""

from __future__ import annotations

import re

from lab.conformance.finding import MEANINGS, Outcome
from lab.conformance.survey import Survey, SurveyRow
from lab.conformance.terminal import describe, differing_word

_INTRODUCTION = """\
# What each pool does with what Celery promises

This document quotes neither documentation nor source code. Each cell was tried on a real worker
with a real Redis, and judged by what can be observed from outside the worker: stamps that the jobs
wrote, the queue and `unacked`, exit codes, log lines, answers to `inspect`.
"""

_FORMAT = """\
## The same for programs

[`{json}`]({json}), or `poolbench conformance --json`, has these fields: `format` (1; it changes
with the fields), `made_at` (UTC), `command`, `took_s`, `versions` (of the workers' interpreter, by
package), `broker` (`server`, `version`, `origin`), `machine`, `words` (meaning by outcome), `pools`
(names, in order) and `rows`. A row has `name`, `title`, `question`, `expected` and `pools`. That
holds by pool: `outcome` (the worst of all tries), `seen` (a sentence) and `evidence` (lines) of the
first try with that outcome, and `outcomes` (number of tries by outcome, the worst first; a file
without it contains one try each).
"""


def write_markdown(survey: Survey, *, json_name: str, other: Survey | None = None) -> str:
    """Return the document; ``json_name`` is the file next to it that contains the same as JSON."""
    meanings = [f"- **{word}**: {meaning}" for word, meaning in MEANINGS.items()]
    parts = [
        _INTRODUCTION,
        _origin(survey, other=other),
        _overview(survey, other=other),
        "\n".join(meanings) + "\n",
        *(_section(row, pools=survey.pools) for row in survey.rows),
        _FORMAT.format(json=json_name),
    ]
    return "\n".join(parts)


def _origin(survey: Survey, *, other: Survey | None) -> str:
    versions, *more = describe(survey, other=other)
    made = f"Made on {survey.made_at[:10]} by `{survey.command}` in {survey.took_s:.0f} s"
    return "\n\n".join([f"{made}: {versions}.", *more]) + "\n"


def _overview(survey: Survey, *, other: Survey | None) -> str:
    lines = [
        f"| | {' | '.join(survey.pools)} |",
        f"| --- |{' --- |' * len(survey.pools)}",
    ]
    for row in survey.rows:
        cells = [_cell(survey, other=other, row=row, pool=pool) for pool in survey.pools]
        lines.append(f"| [{row.title}](#{_anchor(row.title)}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(survey: Survey, *, other: Survey | None, row: SurveyRow, pool: str) -> str:
    verdict = row.pools.get(pool)
    if verdict is None:
        return "–"
    word = f"**{verdict.word}**" if verdict.outcome is Outcome.BREAKS else verdict.word
    differing = differing_word(survey, other=other, name=row.name, pool=pool)
    return f"{word} ({differing})" if differing else word


def _section(row: SurveyRow, *, pools: tuple[str, ...]) -> str:
    lines = [f"## {row.title}", "", f"Tried: {row.question}", "", f"Expected: {row.expected}", ""]
    for pool in pools:
        if verdict := row.pools.get(pool):
            lines += [f"- **{pool}: {verdict.words}.** {verdict.seen}", ""]
            if verdict.evidence:
                lines += ["  ```text", *(f"  {line}" for line in verdict.evidence), "  ```", ""]
    return "\n".join(lines)


def _anchor(title: str) -> str:
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
