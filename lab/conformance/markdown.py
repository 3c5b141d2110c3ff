"""Writes a survey as Markdown: the table, the outcomes, and each promise with its evidence."""

from __future__ import annotations

import re

from lab.conformance.finding import MEANINGS, Outcome
from lab.conformance.survey import Survey, SurveyRow

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
    versions, *more = survey.describe(other)
    made = f"Made on {survey.made_at[:10]} by `{survey.command}` in {survey.took_s:.0f} s"
    overview = [
        f"| | {' | '.join(survey.pools)} |",
        f"| --- |{' --- |' * len(survey.pools)}",
        *(_overview(row, other=other) for row in survey.rows),
    ]
    parts = [
        _INTRODUCTION,
        "\n\n".join([f"{made}: {versions}.", *more]) + "\n",
        "\n".join(overview) + "\n",
        "".join(f"- **{word}**: {meaning}\n" for word, meaning in MEANINGS.items()),
        *map(_section, survey.rows),
        _FORMAT.format(json=json_name),
    ]
    return "\n".join(parts)


def _overview(row: SurveyRow, *, other: Survey | None) -> str:
    cells = [f"[{row.title}](#{_anchor(row.title)})"]
    for here, there in row.compare(other):
        word = f"**{here.word}**" if here.outcome is Outcome.BREAKS else here.word
        cells.append(f"{word} ({there.word})" if there else word)
    return f"| {' | '.join(cells)} |"


def _section(row: SurveyRow) -> str:
    lines = [f"## {row.title}", "", f"Tried: {row.question}", "", f"Expected: {row.expected}", ""]
    for pool, verdict in row.pools.items():
        lines += [f"- **{pool}: {verdict.words}.** {verdict.seen}", ""]
        if verdict.evidence:
            lines += ["  ```text", *(f"  {line}" for line in verdict.evidence), "  ```", ""]
    return "\n".join(lines)


def _anchor(title: str) -> str:
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
