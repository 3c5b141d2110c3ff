"""A stand-in uses its slot as long as its segments say; the precision is a benchmark's question."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from celery.app.task import Context
from celery.exceptions import Retry

from poolbench import stand_in
from poolbench.errors import PlannedError

SEGMENTS: dict[str, Any] = {
    "held_ms": 6.0,
    "released_ms": 4.0,
    "wait_ms": 20.0,
    "blocking_ms": 5.0,
}


def test_computing_is_the_threads_cpu_time() -> None:
    """Neither waits nor other processes' load shorten or lengthen it."""
    from_ns = time.thread_time_ns()

    stand_in.work(**SEGMENTS)

    assert (time.thread_time_ns() - from_ns) / 1e6 == pytest.approx(10, rel=0.2)


def test_a_job_lasts_at_least_as_long_as_its_segments() -> None:
    """They follow one another in the slot."""
    from_s = time.perf_counter()

    stand_in.work(**SEGMENTS)

    assert time.perf_counter() - from_s > 0.034


def test_an_awaited_stand_in_lets_others_run_while_it_waits() -> None:
    """Two of them wait at once, and compute one after the other."""

    async def both() -> float:
        from_s = time.perf_counter()
        await asyncio.gather(
            stand_in.work_async(wait_ms=300.0), stand_in.work_async(wait_ms=300.0, held_ms=1.0)
        )
        return time.perf_counter() - from_s

    assert 0.29 < asyncio.run(both()) < 0.59


def test_memory_is_in_use_and_not_only_reserved() -> None:
    """The kernel gives a page to a process when it is written."""
    memory = stand_in._allocate(100_000)

    assert memory is not None
    assert len(memory) == 100_000
    assert all(memory[::4_096])


class _Task:
    """What the job's function uses of a Celery task."""

    def __init__(self, *, retries: int) -> None:
        self.request = Context(retries=retries)
        self.countdowns: list[float] = []

    def retry(self, *, countdown: float) -> Retry:
        self.countdowns.append(countdown)
        return Retry()


def test_each_attempt_has_segments_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded job that was retried twice is retried twice, after the recorded countdowns."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(stand_in, "work", lambda **segments: seen.append(segments))
    later = [[0.5, 2, 0, 0, 0, 0], [1.5, 3, 0, 0, 0, 0]]
    tasks = [_Task(retries=done) for done in range(3)]
    for task in tasks[:2]:
        with pytest.raises(Retry):
            stand_in._job(task, retries=later, held_ms=1)
    stand_in._job(tasks[2], retries=later, held_ms=1)

    assert [one["held_ms"] for one in seen] == [1, 2, 3]
    assert [task.countdowns for task in tasks] == [[0.5], [1.5], []]


def test_a_planned_failure_comes_after_the_work() -> None:
    """A job that failed when it was recorded fails again, as planned."""
    with pytest.raises(PlannedError):
        stand_in._job(_Task(retries=0), ending={"fails": True}, held_ms=0.1)
