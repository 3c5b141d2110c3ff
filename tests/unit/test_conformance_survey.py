"""A survey as JSON, as Markdown and in the terminal, and the document that is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from lab.conformance.document import write_markdown
from lab.conformance.outcome import MEANINGS, Outcome, breaks, not_tried, works
from lab.conformance.rows import ROWS
from lab.conformance.survey import FORMAT, Survey, read_survey
from lab.conformance.table import render
from lab.stack import ROOT
from poolbench.errors import UsageError
from poolbench.pools import POOLS
from tests.conformance import entry, survey

DOCUMENT = ROOT / "docs" / "pools.md"
KEPT = ROOT / "docs" / "pools.json"


def shown(found: Survey, *, other: Survey | None = None) -> str:
    """Return what a terminal of 120 columns shows."""
    console = Console(width=120, record=True, file=None, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(render(found, other=other))
    return capture.get()


def other_survey() -> Survey:
    """Return a survey of another Celery, where one cell is another."""
    return survey(
        versions={"python": "3.14.0", "celery": "5.5.3"},
        made_at="2025-12-24T00:00:00+00:00",
        entries=(entry(ROWS[0].name, prefork=breaks("No."), threads=works("Now.")),),
    )


def test_json_holds_the_whole_survey(tmp_path: Path) -> None:
    """Written and read again it is the same."""
    path = tmp_path / "survey.json"
    path.write_text(survey().to_json(), encoding="utf-8")

    assert read_survey(path) == survey()


def test_json_has_the_shape_that_the_document_tells() -> None:
    """A program can rely on these names."""
    content = json.loads(survey().to_json())
    first = content["rows"][0]

    assert content["format"] == FORMAT
    assert content["words"] == {str(word): meaning for word, meaning in MEANINGS.items()}
    assert set(first) == {"name", "title", "question", "expected", "pools"}
    assert first["pools"]["prefork"] == {
        "outcome": "works",
        "seen": "Told.",
        "evidence": ["stamps: long Oh 1.0 s"],
    }
    for name in content:
        assert f"`{name}`" in write_markdown(survey(), json_name="pools.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no readable JSON file"),
        ("[]", "no survey of format 1"),
        ('{"format": 99, "rows": []}', "no survey of format 1"),
        ('{"format": 1, "rows": []}', "a survey with parts missing"),
    ],
)
def test_a_file_that_is_no_survey_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """With what is wrong, the file, and what makes a right one."""
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=problem) as caught:
        read_survey(path)

    assert str(path) in str(caught.value)
    assert "conformance --json" in str(caught.value)


def test_a_survey_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A typing error is the user's, without a traceback."""
    with pytest.raises(UsageError, match="no readable JSON file"):
        read_survey(tmp_path / "absent.json")


def test_the_overview_has_a_line_a_row_and_a_column_a_pool() -> None:
    """A break is bold; a cell that was no part of the survey is a dash."""
    text = write_markdown(survey(), json_name="pools.json")

    assert "| | prefork | threads | gevent |" in text
    assert "| [soft time limit](#soft-time-limit) | works | ignored | – |" in text
    assert "| [hard time limit](#hard-time-limit) | works | – | **breaks** |" in text


def test_the_document_says_where_it_comes_from() -> None:
    """Date, command, versions, broker and machine."""
    text = write_markdown(survey(), json_name="pools.json")

    assert "Made on 2026-03-04 by `poolbench conformance --write docs/pools.md` in 98 s" in text
    assert "python 3.14.0, celery 5.7.0; valkey 9.1.2; Linux 6, 2 cores" in text


def test_each_row_has_its_question_its_promise_and_its_evidence() -> None:
    """What was done, what was expected, what was seen."""
    text = write_markdown(survey(), json_name="pools.json")

    assert f"Tried: {ROWS[0].question}" in text
    assert f"Expected: {ROWS[0].expected}" in text
    assert "- **prefork: works.** Told.\n\n  ```text\n  stamps: long Oh 1.0 s\n  ```" in text


def test_every_address_in_the_overview_leads_to_a_heading() -> None:
    """As GitHub makes addresses of headings."""
    entries = tuple(entry(row.name, prefork=works("")) for row in ROWS)
    text = write_markdown(survey(entries=entries), json_name="pools.json")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    addresses = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= addresses


def test_a_cell_that_differs_shows_the_other_word() -> None:
    """In the document and in the terminal; a cell that is the same or new shows one word."""
    text = write_markdown(survey(), json_name="pools.json", other=other_survey())

    assert "| works (breaks) | ignored (works) | – |" in text
    assert "in brackets, where it differs: celery 5.5.3" in text.lower()
    assert re.search(
        r"works +ignored.*\n +\(breaks\) +\(works\)", shown(survey(), other=other_survey())
    )


def test_the_terminal_shows_table_words_and_evidence() -> None:
    """The table first, then each row with what was seen."""
    text = shown(survey())

    assert text.index("soft time limit") < text.index("tried: --soft-time-limit 1")
    assert re.search(r"hard time limit +works +– +breaks", text)
    assert "breaks: Jobs were lost" in text
    assert "stamps: long Oh 1.0 s" in text
    assert "exit code: 1" in text


def test_evidence_is_shown_as_it_is() -> None:
    """Brackets in a log line are no markup."""
    finding = not_tried("[red]no[/red]", "log: Task wait[long] raised [bold]")
    text = shown(survey(entries=(entry(ROWS[0].name, prefork=finding),)))

    assert "Task wait[long] raised [bold]" in text
    assert "[red]no[/red]" in text


def test_names_and_titles_of_rows_are_their_own() -> None:
    """A name is an address in JSON and on the command line, a title one in the document."""
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert re.fullmatch(r"[a-z][a-z-]+", row.name)
        assert row.question.endswith(".")
        assert row.expected.endswith(".")


def test_the_kept_document_is_made_from_the_kept_json() -> None:
    """Nobody has written in it by hand, and the generator is the one that made it."""
    made = write_markdown(read_survey(KEPT), json_name=KEPT.name)

    assert DOCUMENT.read_text(encoding="utf-8") == made


def test_the_kept_document_has_every_row_as_the_code_tries_it() -> None:
    """A row that was added or changed wants a new survey: `poolbench conformance --write …`."""
    kept = {
        entry.name: (entry.title, entry.question, entry.expected)
        for entry in read_survey(KEPT).entries
    }

    assert kept == {row.name: (row.title, row.question, row.expected) for row in ROWS}


def test_the_kept_document_has_every_pool_tried_on_every_row() -> None:
    """Only a single slot that has no neighbour is a reason not to try."""
    kept = read_survey(KEPT)
    untried = [
        (entry.name, pool)
        for entry in kept.entries
        for pool in POOLS
        if entry.findings[pool].outcome is Outcome.NOT_TRIED
    ]

    assert kept.pools == tuple(POOLS)
    assert untried == [("blocking-call", "solo")]


def test_the_kept_document_names_no_place_of_the_machine_that_made_it() -> None:
    """Log lines come without paths and hosts."""
    assert not re.search(r"/(home|root|tmp|work|Users)/|site-packages", KEPT.read_text())
