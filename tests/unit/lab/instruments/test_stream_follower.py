"""A trial's view of the stream: which jobs have ended, and how many ran at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from lab.instruments.stream_follower import StreamFollower, TrialView
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.records import FORMAT, Moment
from tests.conftest import Server
from tests.wire import encode_line


def line(moment: Moment, **known: Any) -> dict[str, Any]:
    """Return a line of trial 0, job 0, as the probe would write it."""
    base = {"v": FORMAT, "m": moment, "t_ns": 1, "nonce": "aa", "trial": 0, "seq": 0}
    return {**base, **known}


def add(client: redis.Redis, run: str, *lines: bytes) -> None:
    """Put lines into a run's stream as one entry, as the recorder does."""
    client.xadd(records_stream(run), {LINES_FIELD: b"".join(lines)})


@pytest.mark.parametrize(
    ("moment", "known", "has_ended"),
    [
        (Moment.FINISHED, {"state": "SUCCESS"}, True),
        (Moment.FINISHED, {"state": "FAILURE"}, True),
        # a retried or rejected job comes again; a hard time limit's finish has no state
        (Moment.FINISHED, {"state": "RETRY"}, False),
        (Moment.FINISHED, {"state": "REJECTED"}, False),
        (Moment.FINISHED, {"state": None}, False),
        # a job whose slot was killed by its time limit; one that may be redelivered
        (Moment.VERDICT, {"outcome": "timed-out"}, True),
        (Moment.VERDICT, {"outcome": "lost-worker"}, False),
    ],
)
def test_only_a_final_outcome_ends_a_job(
    *, moment: Moment, known: dict[str, str | None], has_ended: bool
) -> None:
    """The trial waits for every other job until the stall limit."""
    view = TrialView()

    view.take(line(moment, **known))

    assert bool(view.ended) is has_ended


def test_peak_overlap_counts_what_ran_at_one_instant() -> None:
    """Two that overlap and one after them make a peak of two."""
    view = TrialView()
    for nonce, start_ns, end_ns in (("a", 0, 10), ("b", 5, 15), ("c", 15, 20)):
        view.take(line(Moment.STARTED, nonce=nonce, t_ns=start_ns))
        view.take(line(Moment.FINISHED, nonce=nonce, t_ns=end_ns, state="SUCCESS"))

    assert view.peak_overlap() == 2


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client that decodes nothing, as the lab's."""
    with redis.Redis.from_url(server.url) as connection:
        yield connection


def test_each_line_is_read_once(client: redis.Redis, run_id: str) -> None:
    """Two reads see each entry once, and leave the stream to the collector."""
    follower = StreamFollower(client, run=run_id)
    view = follower.view(0)
    view.lines = []
    for seq in range(3):
        add(client, run_id, encode_line(line(Moment.FINISHED, seq=seq, state="SUCCESS")))

    for _ in range(2):
        follower.read(wait_s=0.01)

    assert len(view.lines) == 3
    assert view.ended == {0, 1, 2}
    assert client.xlen(records_stream(run_id)) == 3


def test_garbled_lines_and_those_of_other_trials_are_skipped(
    client: redis.Redis, run_id: str
) -> None:
    """They don't hide the good one; only trials whose view was asked for take memory."""
    follower = StreamFollower(client, run=run_id)
    good, other = (
        encode_line(line(Moment.FINISHED, trial=trial, state="SUCCESS")) for trial in (0, 7)
    )
    view = follower.view(0)
    add(client, run_id, b'{"v":1,"m"\n', b"\xff\xfe\n", b'{"v":99,"m":"x"}\n', other, good)

    follower.read(wait_s=0.1)

    assert view.ended == {0}
    assert follower.view(7).ended == set()
