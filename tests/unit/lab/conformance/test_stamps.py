"""Stamps of jobs, read back, and the jobs' fates."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.conformance.observation import job_fates
from lab.conformance.stamps import Stamps, longest_wait_s, read_stamps
from tests.conformance import stamps

LINES = """\
{"label": "a", "moment": "started", "t_ns": 1000000000, "pid": 7}
{"label": "a", "moment": "interrupted", "t_ns": 2000000000, "pid": 7, "error": "Oh"}
"""


def test_whole_stamps_are_read_back_with_their_facts(tmp_path: Path) -> None:
    """A try may look before the first job has begun, and while a line is being written."""
    path = tmp_path / "stamps"
    assert read_stamps(path) == Stamps()

    path.write_text(f'{LINES}{{"label": "b", "mom', encoding="utf-8")
    read = read_stamps(path)

    assert [one.moment for one in read.all] == ["started", "interrupted"]
    assert read.all[1].error == "Oh"
    assert read.all[0].pid == 7


def test_jobs_in_flight_are_those_without_an_end() -> None:
    """An interruption is an end."""
    found = stamps("a started 0", "b started 1", "c started 1", "a finished 2", "b interrupted 2")

    assert found.in_flight() == 1
    assert found.have("started", "a", "b", "c")
    assert not found.have("finished", "a", "b")


@pytest.mark.parametrize(
    ("moments", "peak"),
    [
        ((), 0),
        (("a started 0", "a finished 1", "b started 1", "b finished 2"), 1),
        (("a started 0", "b started 1", "a finished 2", "c started 3", "b finished 4"), 2),
    ],
)
def test_the_peak_is_the_most_jobs_at_once(moments: tuple[str, ...], peak: int) -> None:
    """An end at the moment of a start frees the slot first."""
    assert stamps(*moments).peak_in_flight() == peak


def test_stamps_are_described_in_seconds_from_the_first() -> None:
    """In the order of time, whatever the order of writing, and cut to a line."""
    found = stamps("b started 11", "a started 10", "a finished 12.5")

    assert found.describe() == "stamps: a started 0.0 s, b started 1.0 s, a finished 2.5 s"
    assert found.describe("b") == "stamps: b started 1.0 s"
    assert found.describe("z") == Stamps().describe() == "stamps: none"

    long = stamps(*(f"job-{number} started {number}" for number in range(14)))
    assert long.describe().endswith("job-9 started 9.0 s, 4 more")


def test_each_job_has_one_fate() -> None:
    """Done, in the queue, in unacked, doubled or lost, and never two of them."""
    seen = stamps(
        *("done started 0", "done finished 1", "cut started 0", "held started 0"),
        *("again started 0", "again finished 1", "twice finished 1", "twice finished 2"),
        "gone started 0",
    )
    sent = ["done", "cut", "held", "again", "twice", "gone", "fresh"]

    # between two looks a job may go from the queue to unacked: `fresh` is in both
    found = job_fates(
        sent, stamps=seen, queued=["cut", "fresh"], unacked=["held", "again", "fresh"]
    )

    assert found.done == {"done"}
    assert found.queued == {"cut", "fresh"}
    assert found.unacked == {"held"}
    assert found.doubled == {"again", "twice"}
    assert found.lost == {"gone"}


def test_the_wait_of_jobs_is_that_of_the_last_to_start() -> None:
    """None as long as one has not started."""
    found = stamps("a started 3", "b started 5", "a finished 6")

    assert longest_wait_s(found, jobs=["a", "b"], since_ns=2_000_000_000) == 3.0
    assert longest_wait_s(found, jobs=["a", "b", "c"], since_ns=0) is None
