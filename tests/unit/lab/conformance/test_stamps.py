"""What jobs stamped, read back, and the account of what became of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.conformance.job_fates import account
from lab.conformance.stamps import Story, read_story
from tests.conformance import story

LINES = """\
{"label": "a", "moment": "started", "t_ns": 1000000000, "pid": 7, "thread": 8}
{"label": "a", "moment": "interrupted", "t_ns": 2000000000, "pid": 7, "thread": 8, "error": "Oh"}
"""


def test_stamps_are_read_back_with_their_facts(tmp_path: Path) -> None:
    """What a job wrote beside the moment is kept."""
    (tmp_path / "stamps").write_text(LINES, encoding="utf-8")

    read = read_story(tmp_path / "stamps")

    assert [one.moment for one in read.stamps] == ["started", "interrupted"]
    assert read.errors("a") == ("Oh",)
    assert read.stamps[0].pid == 7


def test_a_file_that_no_job_has_written_is_an_empty_story(tmp_path: Path) -> None:
    """A try may look before the first job has begun."""
    assert read_story(tmp_path / "stamps") == Story()


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    """A reader that comes between two writes sees whole stamps alone."""
    (tmp_path / "stamps").write_text(f'{LINES}{{"label": "b", "mom', encoding="utf-8")

    assert len(read_story(tmp_path / "stamps").stamps) == 2


def test_jobs_under_way_are_those_without_an_end() -> None:
    """An interruption is an end."""
    told = story("a started 0", "b started 1", "c started 1", "a finished 2", "b interrupted 2")

    assert told.under_way() == 1
    assert told.have("started", labels=["a", "b", "c"])
    assert not told.have("finished", labels=["a", "b"])


@pytest.mark.parametrize(
    ("stamps", "peak"),
    [
        ((), 0),
        (("a started 0", "a finished 1", "b started 1", "b finished 2"), 1),
        (("a started 0", "b started 1", "a finished 2", "c started 3", "b finished 4"), 2),
    ],
)
def test_the_peak_is_the_most_jobs_at_once(stamps: tuple[str, ...], peak: int) -> None:
    """An end at the moment of a start frees the slot first."""
    assert story(*stamps).peak_overlap() == peak


def test_a_story_is_told_in_seconds_from_its_first_stamp() -> None:
    """In the order of time, whatever the order of writing."""
    told = story("b started 11", "a started 10", "a finished 12.5")

    assert told.tell() == "stamps: a started 0.0 s, b started 1.0 s, a finished 2.5 s"
    assert told.tell("b") == "stamps: b started 1.0 s"
    assert told.tell("z") == Story().tell() == "stamps: none"


def test_a_long_story_is_cut_and_says_so() -> None:
    """Evidence is a line, not a page."""
    told = story(*(f"job-{number} started {number}" for number in range(14)))

    assert told.tell().endswith("job-9 started 9.0 s, 4 more")


def test_each_job_stands_under_one_heading() -> None:
    """Done, in the queue, in unacked, doubled or lost, and never under two of them."""
    told = story(
        *("done started 0", "done finished 1", "cut started 0", "held started 0"),
        *("again started 0", "again finished 1", "twice finished 1", "twice finished 2"),
        "gone started 0",
    )
    sent = ["done", "cut", "held", "again", "twice", "gone", "fresh"]

    found = account(sent, story=told, queued=["cut", "fresh"], unacked=["held", "again"])

    assert found.done == {"done"}
    assert found.queued == {"cut", "fresh"}
    assert found.unacked == {"held"}
    assert found.doubled == {"again", "twice"}
    assert found.lost == {"gone"}


def test_a_job_in_the_queue_and_in_unacked_counts_once() -> None:
    """Between two looks a job may go from one to the other."""
    found = account(["a"], story=Story(), queued=["a"], unacked=["a"])

    assert found.queued == {"a"}
    assert not found.unacked | found.lost


def test_an_account_names_only_what_there_is() -> None:
    """Counts that are nought say nothing."""
    found = account(["a", "b"], story=story("a finished 1"), queued=[], unacked=[])

    assert found.tell() == "jobs: 1 done, 1 lost"
