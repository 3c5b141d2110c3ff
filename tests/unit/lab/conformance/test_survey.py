"""A survey as JSON, as Markdown and in the terminal, and the document that is kept."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from lab.conformance.finding import MEANINGS, Outcome, not_tried
from lab.conformance.markdown import write_markdown
from lab.conformance.promises import PROMISES
from lab.conformance.survey import Survey, judge_tries, read_survey
from lab.conformance.terminal import render
from lab.system.paths import ROOT
from poolbench.errors import UsageError
from poolbench.pools import POOLS
from tests.conformance import BREAKS, IGNORED, WORKS, finding, row, survey
from tests.summaries import printed

DOCUMENT = ROOT / "docs" / "pools.md"
KEPT = ROOT / "docs" / "pools.json"


def in_terminal(found: Survey, *, other: Survey | None = None, columns: int = 120) -> str:
    """Return what a terminal of so many columns shows."""
    return printed(render(found, other=other), width=columns)


def in_markdown(found: Survey, *, other: Survey | None = None) -> str:
    """Return the document."""
    return write_markdown(found, json_name="pools.json", other=other)


def other_survey() -> Survey:
    """Return a survey of another Celery, where two cells differ."""
    prefork, threads = finding(BREAKS, "No."), finding(WORKS, "Now.")
    return survey(
        versions={"python": "3.14.0", "celery": "5.5.3"},
        made_at="2025-12-24T00:00:00+00:00",
        pools=("prefork", "threads"),
        rows=(row(PROMISES[0].name, prefork=prefork, threads=threads),),
    )


def several_tries() -> Survey:
    """Return a survey of four tries each, which agree in one cell and not in another."""
    told, died, hung = finding(WORKS, "Told."), finding(BREAKS, "Died.", "exit code: 1"), "Hung."
    gevent = [told, died, told, finding(BREAKS, hung)]
    return survey(
        pools=("prefork", "gevent"),
        rows=(row(PROMISES[0].name, prefork=[told] * 4, gevent=gevent),),
    )


@pytest.mark.parametrize(
    ("tries", "word", "words"),
    [
        ([WORKS], "works", "works"),
        ([WORKS] * 2, "works 2 of 2", "works 2 of 2"),
        ([WORKS, IGNORED], "ignored 1 of 2", "ignored 1 of 2, works 1 of 2"),
        ([Outcome.NOT_TRIED, WORKS], "works 1 of 2", "works 1 of 2, not tried 1 of 2"),
        (
            [WORKS, BREAKS, WORKS, IGNORED],
            "breaks 1 of 4",
            "breaks 1 of 4, ignored 1 of 4, works 2 of 4",
        ),
    ],
)
def test_the_verdict_on_several_tries_is_the_worst_outcome(
    tries: list[Outcome], word: str, words: str
) -> None:
    """Breaks, ignored, works; in any order of the tries, with the evidence of the first such."""
    findings = [finding(outcome, f"{number}") for number, outcome in enumerate(tries)]
    verdict = judge_tries(findings)

    assert (verdict.word, verdict.words) == (word, words)
    assert verdict.seen == f"{tries.index(verdict.outcome)}"
    assert judge_tries(findings[::-1]).outcomes == verdict.outcomes


def test_json_holds_the_whole_survey(tmp_path: Path) -> None:
    """Written and read again it is the same; earlier files have one try each, without counts."""
    path = tmp_path / "survey.json"
    for found in (survey(), several_tries()):
        path.write_text(found.to_json(), encoding="utf-8")
        assert read_survey(path) == found

    content = json.loads(survey().to_json())
    for one in content["rows"]:
        for verdict in one["pools"].values():
            del verdict["outcomes"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_survey(path) == survey()


def test_json_has_the_fields_that_the_document_describes() -> None:
    """A program can rely on these names."""
    content = json.loads(several_tries().to_json())
    first = content["rows"][0]

    assert content["format"] == 1
    assert content["words"] == {str(word): meaning for word, meaning in MEANINGS.items()}
    assert set(first) == {"name", "title", "question", "expected", "pools"}
    assert first["pools"]["gevent"] == {
        "outcome": "breaks",
        "seen": "Died.",
        "evidence": ["exit code: 1"],
        "outcomes": {"breaks": 2, "works": 2},
    }
    for name in (*content, *first, *first["pools"]["gevent"]):
        assert f"`{name}`" in in_markdown(survey())


def damaged(**changes: Any) -> str:
    """Return the JSON of a survey with these changes to its first verdict."""
    content = json.loads(survey().to_json())
    content["rows"][0]["pools"]["prefork"].update(changes)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"format": 1, "rows": []}'),
        survey().to_json().replace('"format": 1', '"format": 99'),
        *(damaged(outcomes=[]), damaged(outcomes={}), damaged(outcomes="works")),
        *(damaged(outcomes=one) for one in ({"fails": 1}, {"breaks": 1}, {"works": 0})),
    ],
)
def test_a_file_that_is_no_survey_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file, and the command that makes a right one."""
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match="not a survey of format 1") as caught:
        read_survey(path)

    assert str(path) in str(caught.value)
    assert "conformance --json" in str(caught.value)
    path.unlink()
    with pytest.raises(UsageError, match=r"wrong\.json: No such file or directory"):
        read_survey(path)


PLAIN, TRIED = in_markdown(survey()), in_markdown(several_tries())
BESIDE = in_markdown(survey(), other=other_survey())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        # a break is bold
        (PLAIN, "| | prefork | threads | gevent |"),
        (PLAIN, "| [soft time limit](#soft-time-limit) | works | ignored | ignored |"),
        (PLAIN, "| [hard time limit](#hard-time-limit) | works | ignored | **breaks** |"),
        (
            PLAIN,
            "docs/pools.md` in 98 s: python 3.14.0, celery 5.7.0; valkey 9.1.2; Linux 6, 2 cores.",
        ),
        (PLAIN, f"Tried: {PROMISES[0].question}\n\nExpected: "),
        (PLAIN, "- **prefork: works.** Told.\n\n  ```text\n  stamps: long Oh 1.0 s\n  ```"),
        # the worst outcome in the table, all of them with the evidence
        (TRIED, "| works 4 of 4 | **breaks 2 of 4** |"),
        (TRIED, "- **gevent: breaks 2 of 4, works 2 of 4.** Died."),
        (TRIED, "Each promise was tried 4 times: the worst"),
        # a cell that is the same or missing shows one outcome
        (BESIDE, "| works (breaks) | ignored (works) | ignored |"),
        (BESIDE, "In brackets, where it differs: celery 5.5"),
        (
            in_markdown(survey(), other=several_tries()),
            "| works | ignored | ignored (breaks 2 of 4) |",
        ),
        (in_markdown(other_survey(), other=several_tries()), "| **breaks** (works 4 of 4) |"),
        (in_terminal(survey()), "breaks: Jobs were lost"),
        (in_terminal(survey()), "stamps: long Oh 1.0 s"),
        (in_terminal(several_tries()), "gevent   breaks 2 of 4, works 2 of 4  Died."),
    ],
)
def test_the_results_are_shown(text: str, part: str) -> None:
    """Table, origin, each promise with its evidence, several tries, another survey."""
    assert part in text


def test_the_terminal_shows_the_table_first() -> None:
    """Counts stand below the outcomes, so that five pools fit into 100 columns."""
    every = {pool: [finding(IGNORED)] * 20 for pool in POOLS}
    wide = survey(pools=tuple(POOLS), rows=(row(PROMISES[0].name, **every),))
    text = in_terminal(survey(), other=other_survey())

    assert text.index("soft time limit") < text.index("tried: --soft-time-limit 1")
    assert re.search(r"works +ignored.*\n +\(breaks\) +\(works\)", text)
    assert re.search(r"hard time limit +works +ignored +breaks", text)
    narrow = in_terminal(wide, columns=100)
    assert re.search(r"soft time limit( +ignored){5} *\n( +20 of 20){5}", narrow)


def test_evidence_is_no_markup() -> None:
    """Brackets in a log line are shown as they are."""
    found = not_tried("[red]no[/red]")

    assert "[red]no[/red]" in in_terminal(survey(rows=(row(PROMISES[0].name, prefork=found),)))


def test_every_link_in_the_table_leads_to_a_heading() -> None:
    """As GitHub makes addresses of headings."""
    rows = tuple(row(promise.name, prefork=finding(WORKS)) for promise in PROMISES)
    text = in_markdown(survey(rows=rows))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    addresses = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= addresses


def test_names_and_titles_are_unique() -> None:
    """A name is an address in JSON and on the command line, a title one in the document."""
    names, titles = {one.name for one in PROMISES}, {one.title for one in PROMISES}

    assert len(names) == len(titles) == len(PROMISES)
    assert all(re.fullmatch(r"[a-z][a-z-]+", name) for name in names)
    assert all(one.question[-1] == one.expected[-1] == "." for one in PROMISES)


def test_the_kept_document_is_made_from_the_kept_json() -> None:
    """Nobody has edited it, and it names no place of the machine that made it."""
    made = write_markdown(read_survey(KEPT), json_name=KEPT.name)

    assert DOCUMENT.read_text(encoding="utf-8") == made
    assert not re.search(r"/(home|root|tmp|work|Users)/|site-packages", KEPT.read_text())


def test_the_kept_document_has_every_pool_tried_with_every_promise_of_the_code() -> None:
    """A new or changed promise needs a new survey: `poolbench conformance --write …`."""
    kept = read_survey(KEPT)
    texts = attrgetter("name", "title", "question", "expected")
    untried = [
        (one.name, pool)
        for one in kept.rows
        for pool in POOLS
        if one.pools[pool].outcome is Outcome.NOT_TRIED
    ]

    assert [texts(one) for one in kept.rows] == [texts(one) for one in PROMISES]
    assert kept.pools == tuple(POOLS)
    # a single slot has no neighbour
    assert untried == [("blocking-call", "solo")]
