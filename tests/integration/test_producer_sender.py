"""The lab's sender: the messages in the queue, and how it is stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from lab.fixtures.sender import Sender
from poolbench.errors import StackError
from poolbench.jobs import HEADER
from poolbench.keys import queue_name, run_key, sent_field
from poolbench.records import TrialPlan
from producer.mixes import Mix, MixPart
from producer.publisher import Sent
from tests.conftest import Server, wait_until
from tests.wire import queued


@pytest.fixture
def sender(server: Server) -> Iterator[Sender]:
    """A sender on the session's server."""
    with Sender(redis_url=server.url) as one:
        yield one


def plan_of(*, trial: int, count: int) -> TrialPlan:
    """Return the plan of a trial without a worker."""
    return TrialPlan(
        trial=trial, contender="c", pool="solo", slots=1, kind="io.sleep", count=count,
        parameters={"delay_ms": 0.0},
    )  # fmt: skip


def answer(sender: Sender) -> Sent:
    """Return the sender's answer when all is sent."""
    found: list[Sent] = []

    def is_answered() -> bool:
        found.extend(filter(None, [sender.poll()]))
        return bool(found)

    wait_until(is_answered, what="the sender answers")
    return found[0]


def test_jobs_go_out_at_their_times(sender: Sender, client: redis.Redis, run_id: str) -> None:
    """Each after its offset, in order, and counted in the run's hash."""
    offsets_s = [0.0, 0.05, 0.1]

    sender.begin(plan_of(trial=0, count=3), run=run_id, scope=run_id, offsets_s=offsets_s, mix=None)
    sent = answer(sender)

    headers = [
        message["headers"][HEADER] for message in queued(client, queue_name("c", scope=run_id))
    ]
    due_ns = [header["due_ns"] - sent.first_due_ns for header in headers]
    assert due_ns == [0, 50_000_000, 100_000_000]
    assert all(header["sent_ns"] >= header["due_ns"] for header in headers)
    assert all("part" not in header for header in headers)
    assert (sent.count, sent.is_complete) == (3, True)
    assert client.hget(run_key(run_id), sent_field(0)) == "3"


def test_each_job_of_a_mix_is_of_its_part(sender: Sender, client: redis.Redis, run_id: str) -> None:
    """Kind and part go together, across batches, in the order that was drawn."""
    parts = (
        MixPart(name="short", kind="io.sleep", parameters={"delay_ms": 1.0}),
        MixPart(name="long", kind="cpu.primes", parameters={"units": 9}),
    )
    order = [number % 3 == 0 for number in range(1_200)]
    mix = Mix(parts=parts, order=[int(is_long) for is_long in order])

    sender.begin(
        plan_of(trial=0, count=1_200), run=run_id, scope=run_id, offsets_s=[0.0] * 1_200, mix=mix
    )
    answer(sender)

    messages = queued(client, queue_name("c", scope=run_id))
    assert [message["headers"][HEADER]["seq"] for message in messages] == list(range(1_200))
    assert [
        (message["headers"]["task"], message["headers"][HEADER]["part"]) for message in messages
    ] == [("cpu.primes", "long") if is_long else ("io.sleep", "short") for is_long in order]
    assert len({message["headers"]["id"] for message in messages}) == 1_200


def test_a_stopped_trial_reports_what_was_sent(
    sender: Sender, client: redis.Redis, run_id: str
) -> None:
    """A job due in an hour keeps it neither from its answer nor from the next trial.

    The lab raises the sender's error for a trial that was sent before.
    """
    sender.begin(
        plan_of(trial=0, count=2), run=run_id, scope=run_id, offsets_s=[0.0, 3_600.0], mix=None
    )
    wait_until(
        lambda: queued(client, queue_name("c", scope=run_id)) != [], what="the first job is sent"
    )

    sender.stop()
    cut = answer(sender)
    sender.begin(
        plan_of(trial=1, count=2), run=run_id, scope=run_id, offsets_s=[0.0, 0.0], mix=None
    )
    whole = answer(sender)

    assert (cut.count, cut.is_complete) == (1, False)
    assert (whole.count, whole.is_complete) == (2, True)
    assert client.hmget(run_key(run_id), sent_field(0), sent_field(1)) == ["1", "2"]
    sender.begin(
        plan_of(trial=1, count=2), run=run_id, scope=run_id, offsets_s=[0.0, 0.0], mix=None
    )
    with pytest.raises(StackError, match="were sent before"):
        answer(sender)


def test_a_sender_that_ended_is_reported() -> None:
    """Without a broker there is no answer, and the message has the exit code."""
    with Sender(redis_url="redis://127.0.0.1:1/0") as sender:
        wait_until(lambda: sender._process.poll() is not None, what="it gives up")

        with pytest.raises(StackError, match="exit code 3"):
            sender.poll(wait_s=1.0)
