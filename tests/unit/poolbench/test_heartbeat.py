"""What the heartbeat promises over reconnections, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from celery.worker.request import Request

from poolbench.evidence import pool_name
from poolbench.heartbeat import Heartbeat, alive_line, job_levels, touch
from poolbench.records import LINE_MAX_BYTES


class Timer:
    """Fires what is due when it is told to."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_after(self, _s: float, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Keep a call."""
        self.due.append(lambda: call(*args))

    def fire(self) -> None:
        """Make every call kept so far."""
        due, self.due = self.due, []
        for call in due:
            call()


def test_reconnections_leave_one_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """It beats at once and goes on; however often it starts, one beat is due; stopped, none."""
    beats: list[object] = []
    monkeypatch.setattr(Heartbeat, "on_pool", lambda _consumer: None, raising=False)
    monkeypatch.setattr(Heartbeat, "on_beat", beats.append, raising=False)
    consumer = SimpleNamespace(timer=Timer())
    step = Heartbeat(consumer)
    for _ in range(3):
        step.start(consumer)
        step.stop(consumer)
    beats.clear()

    step.start(consumer)
    consumer.timer.fire()
    assert beats == [consumer, consumer]
    assert len(consumer.timer.due) == 1

    step.terminate(consumer)
    consumer.timer.fire()
    assert len(beats) == 2
    assert consumer.timer.due == []


def _consumer(*, queues: int, dispatcher: object = None) -> Any:
    return SimpleNamespace(
        pool=SimpleNamespace(num_processes=3),
        event_dispatcher=dispatcher,
        task_consumer=SimpleNamespace(
            queues=[SimpleNamespace(name=f"queue-{index}") for index in range(queues)]
        ),
    )


def test_it_counts_the_jobs_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reserved ones don't run; those in a bucket wait for a rate limit, unless for a countdown."""
    scheduled = {"a countdown", "a countdown and a limit"}
    bucket = SimpleNamespace(contents=[("a countdown and a limit", 1), ("a limit", 1)])
    # patched, since the sets are Celery's own
    monkeypatch.setattr(state, "scheduled_requests", scheduled)
    monkeypatch.setattr(state, "reserved_requests", {"runs", "waits", "waits too"})
    monkeypatch.setattr(state, "active_requests", {"runs"})
    consumer = SimpleNamespace(
        qos=SimpleNamespace(value=18), task_buckets={"limited": bucket, "free": None}
    )

    counts = {"reserved_jobs": 3, "running_jobs": 1, "countdown_jobs": 2}
    assert job_levels(consumer) == {"prefetch_count": 18, **counts}
    assert job_levels(SimpleNamespace()) == {}


def test_it_counts_countdowns_that_only_the_timer_of_an_older_celery_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Celery 5.7; calls of other kinds in the timer are no jobs."""
    countdowns = [Request.__new__(Request) for _ in range(2)]
    calls = [(countdowns[0],), (countdowns[1], "a bucket", 1), (), ("a heartbeat",)]
    queue = [SimpleNamespace(entry=SimpleNamespace(args=args)) for args in calls]
    monkeypatch.delattr(state, "scheduled_requests")
    monkeypatch.setattr(state, "reserved_requests", {"waits"})
    monkeypatch.setattr(state, "active_requests", set())
    consumer = SimpleNamespace(
        qos=SimpleNamespace(value=8),
        task_buckets={},
        timer=SimpleNamespace(schedule=SimpleNamespace(_queue=queue)),
    )

    levels = job_levels(consumer)

    assert (levels["countdown_jobs"], levels["reserved_jobs"]) == (2, 1)


@pytest.mark.parametrize(
    ("dispatcher", "are_sent"),
    [
        (None, False),
        (SimpleNamespace(enabled=False, groups=set()), False),
        (SimpleNamespace(enabled=True, groups={"worker"}), False),
        (SimpleNamespace(enabled=True, groups={"worker", "task"}), True),
        (SimpleNamespace(enabled=True, groups=set()), True),
    ],
)
def test_it_tells_who_serves_what(dispatcher: object, are_sent: bool) -> None:  # noqa: FBT001
    """Contender, slots, queues, and events of jobs: Celery's own heartbeats are none."""
    line = json.loads(alive_line(_consumer(queues=2, dispatcher=dispatcher), contender="c"))
    assert (line["m"], line["contender"], line["slots"]) == ("alive", "c", 3)
    assert line["queues"] == ["queue-0", "queue-1"]
    assert line["events"] is are_sent


def test_a_worker_of_many_queues_is_still_seen() -> None:
    """A heartbeat is never longer than a line."""
    wire = alive_line(_consumer(queues=5_000), contender="c")
    assert len(wire) < LINE_MAX_BYTES
    assert json.loads(wire)["queues"] == []


def test_pools_are_named_as_people_name_them() -> None:
    """A class that Poolbench doesn't know keeps its own name."""
    assert pool_name("celery.concurrency.thread:TaskPool") == "threads"
    assert pool_name("poolbench.asyncio_pool.pool:TaskPool") == "asyncio"
    assert pool_name("worker.pools.asyncio:TaskPool") == "asyncio", "records of older versions"
    assert pool_name("theirs.pool:Pool") == "theirs.pool:Pool"


def test_a_heartbeat_file_is_renewed_or_the_fault_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that can't be written stops no worker."""
    touch(tmp_path / "alive")
    assert (tmp_path / "alive").exists()
    touch(tmp_path / "no" / "alive")
    assert len(caplog.records) == 1
