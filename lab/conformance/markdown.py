"""Writes a survey as Markdown: the table, the words, and each row with its evidence."""

from __future__ import annotations

import re

from lab.conformance.finding import MEANINGS, Outcome
from lab.conformance.survey import Entry, Survey
from lab.conformance.terminal import describe, differing_word, tell_tries
from lab.conformance.verdict import Verdict

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
name of the pool `outcome` (a word, the worst of all tries), `seen` (a sentence) and `evidence`
(lines) of the first try with that outcome, and `outcomes` (number of tries by word, the worst
first; a file without it is of one try each).
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
    if tries := tell_tries(survey):
        text += f"\n{tries.capitalize()}.\n"
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
    verdict = entry.verdicts.get(pool)
    if verdict is None:
        return "–"
    word = f"**{verdict.word}**" if verdict.outcome is Outcome.BREAKS else verdict.word
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
        if pool in entry.verdicts:
            lines += _seen(pool, verdict=entry.verdicts[pool])
    return "\n".join(lines)


def _seen(pool: str, *, verdict: Verdict) -> list[str]:
    found = verdict.finding
    lines = [f"- **{pool}: {verdict.tell()}.** {found.seen}", ""]
    if found.evidence:
        lines += ["  ```text", *(f"  {line}" for line in found.evidence), "  ```", ""]
    return lines


def _anchor(title: str) -> str:
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
