"""A survey as JSON, as Markdown and in the terminal, and the document that is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from lab.conformance.finding import MEANINGS, Outcome, breaks, ignored, not_tried, works
from lab.conformance.markdown import write_markdown
from lab.conformance.promises import ROWS
from lab.conformance.survey import FORMAT, Survey, read_survey
from lab.conformance.terminal import render
from lab.system.paths import ROOT
from poolbench.errors import UsageError
from poolbench.pools import POOLS
from tests.conformance import entry, survey

DOCUMENT = ROOT / "docs" / "pools.md"
KEPT = ROOT / "docs" / "pools.json"


def shown(found: Survey, *, other: Survey | None = None, columns: int = 120) -> str:
    """Return what a terminal of so many columns shows."""
    console = Console(width=columns, record=True, file=None, quiet=True)
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


def test_a_file_from_before_there_were_counts_is_of_one_try_each(tmp_path: Path) -> None:
    """The format is the same: a reader of either finds what it knows."""
    content = json.loads(survey().to_json())
    for row in content["rows"]:
        for found in row["pools"].values():
            del found["outcomes"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    assert read_survey(path) == survey()


@pytest.mark.parametrize("outcomes", [[], {"fails": 1}, {"breaks": 1}, {"works": 0}, "works"])
def test_counts_that_fit_no_outcome_are_refused(tmp_path: Path, outcomes: object) -> None:
    """A file that was changed by hand is told from a survey."""
    content = json.loads(survey().to_json())
    content["rows"][0]["pools"]["prefork"]["outcomes"] = outcomes
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(UsageError, match="parts missing or wrong"):
        read_survey(path)


def several_tries() -> Survey:
    """Return a survey of four tries each, which agree in one cell and not in another."""
    tried = entry(
        ROWS[0].name,
        prefork=[works("Told.")] * 4,
        gevent=[works("Told."), breaks("Died.", "exit code: 1"), works("Told."), breaks("Hung.")],
    )
    return survey(entries=(tried,))


def test_json_holds_how_many_tries_had_which_outcome(tmp_path: Path) -> None:
    """The worst outcome is the word, and the sentence that of its first try."""
    path = tmp_path / "survey.json"
    path.write_text(several_tries().to_json(), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))["rows"][0]["pools"]["gevent"]

    assert found == {
        "outcome": "breaks",
        "seen": "Died.",
        "evidence": ["exit code: 1"],
        "outcomes": {"breaks": 2, "works": 2},
    }
    assert read_survey(path) == several_tries()


def test_the_document_counts_tries() -> None:
    """The worst outcome in the table, all of them beside the evidence."""
    text = write_markdown(several_tries(), json_name="pools.json")

    assert "| works 4 of 4 | – | **breaks 2 of 4** |" in text
    assert "- **gevent: breaks 2 of 4, works 2 of 4.** Died." in text
    assert "Each tried 4 times" in text
    assert "tried 1 times" not in write_markdown(survey(), json_name="pools.json")


def test_the_terminal_counts_tries_within_100_columns() -> None:
    """Below the word in the table, so that five pools fit; beside it with the evidence."""
    every = {pool: [ignored("")] * 20 for pool in POOLS}
    text = shown(survey(pools=tuple(POOLS), entries=(entry(ROWS[0].name, **every),)), columns=100)

    assert re.search(r"soft time limit( +ignored){5} *\n( +20 of 20){5}", text)
    assert "gevent   breaks 2 of 4, works 2 of 4  Died." in shown(several_tries())


def test_the_other_survey_s_count_stands_beside_its_word() -> None:
    """Where the words differ."""
    text = write_markdown(survey(), json_name="pools.json", other=several_tries())

    assert "| works | ignored | – |" in text
    swapped = write_markdown(other_survey(), json_name="pools.json", other=several_tries())
    assert "| **breaks** (works 4 of 4) |" in swapped


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
        "outcomes": {"works": 1},
    }
    for name in content:
        assert f"`{name}`" in write_markdown(survey(), json_name="pools.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no readable JSON file"),
        ("[]", "no survey of format 1"),
        ('{"format": 99, "rows": []}', "no survey of format 1"),
        ('{"format": 1, "rows": []}', "a survey with parts missing or wrong"),
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
        if entry.verdicts[pool].outcome is Outcome.NOT_TRIED
    ]

    assert kept.pools == tuple(POOLS)
    assert untried == [("blocking-call", "solo")]


def test_the_kept_document_names_no_place_of_the_machine_that_made_it() -> None:
    """Log lines come without paths and hosts."""
    assert not re.search(r"/(home|root|tmp|work|Users)/|site-packages", KEPT.read_text())
