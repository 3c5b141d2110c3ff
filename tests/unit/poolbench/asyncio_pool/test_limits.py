"""Time limits in the asyncio pool, and what it says of a job that blocks its loop."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from poolbench.asyncio_pool import _blocked
from tests.conftest import wait_until
from tests.unit.poolbench.asyncio_pool.crew import Crew


def test_a_soft_limit_may_be_survived(crew: Crew) -> None:
    """It is raised once, at the await; the job's task is then no longer being cancelled."""

    async def survives() -> list[Any]:
        try:
            await asyncio.sleep(30)
        except SoftTimeLimitExceeded:
            task = asyncio.current_task()
            await asyncio.sleep(0.02)
            return ["survived", task.cancelling() if task else None]
        return []

    calls = crew.put(crew.job(survives), soft_timeout=0.05, timeout=20)

    assert calls.value() == "['survived', 0]"
    assert calls.words[1] == ("soft", 0.05)


async def _waits(delay_s: float = 30) -> None:
    await asyncio.sleep(delay_s)


def test_a_soft_limit_that_is_not_caught_fails_the_job(crew: Crew) -> None:
    """With the exception that prefork raises."""
    error = crew.put(crew.job(_waits), soft_timeout=0.05).error()

    assert type(error) is SoftTimeLimitExceeded


@pytest.mark.parametrize("inside_s", [0, 30], ids=["leaving", "inside"])
def test_a_soft_limit_ends_a_group_of_tasks(crew: Crew, inside_s: float) -> None:
    """Whether the job waits within the group or for its end, no task of it is left running.

    Raised within, it comes in an exception group on Python 3.11 and 3.12, as other errors do.
    """

    async def waits_in_a_group() -> list[Any]:
        tasks = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(asyncio.sleep(30)) for _ in range(2)]
                await asyncio.sleep(inside_s)
        except* SoftTimeLimitExceeded:
            await asyncio.sleep(0.01)
        own = asyncio.current_task()
        return [*(task.cancelled() for task in tasks), own.cancelling() if own else None]

    calls = crew.put(crew.job(waits_in_a_group), soft_timeout=0.05)

    assert calls.value() == "[True, True, 0]"


def test_a_soft_limit_leaves_locks_as_a_cancellation_does(crew: Crew) -> None:
    """A job that gives up waiting for a lock is no longer in its queue."""
    lock = asyncio.Lock()

    async def waits_for_the_lock() -> str:
        async with lock:
            try:
                async with asyncio.timeout(30):
                    await lock.acquire()
            except SoftTimeLimitExceeded:
                return "gave up"
        return "has it"

    assert crew.put(crew.job(waits_for_the_lock), soft_timeout=0.05).value() == "'gave up'"
    assert not lock.locked()


def test_a_hard_limit_is_told_when_the_job_has_ended(crew: Crew) -> None:
    """Celery hears the limit and nothing else, after the job's own clean-up."""
    seen: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            seen.append("cleaned up")

    calls = crew.put(crew.job(waits), timeout=0.05)

    assert calls.last() == 0.05
    assert (calls.order, seen) == (["accepted", "timeout"], ["cleaned up"])


def test_the_hard_limit_comes_after_a_soft_one_that_was_ignored(crew: Crew) -> None:
    """Both are reported, each once."""

    async def ignores() -> None:
        try:
            await asyncio.sleep(30)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(30)

    calls = crew.put(crew.job(ignores), soft_timeout=0.05, timeout=0.15)

    calls.last()
    assert calls.order == ["accepted", "soft", "timeout"]


def test_limits_of_the_worker_hold_for_jobs_without_their_own(crew: Crew) -> None:
    """As `--time-limit` says; a job's own goes first."""
    crew.pool.options["timeout"] = 0.05
    job = crew.job(_waits)

    assert crew.put(job, 30).last() == 0.05
    assert crew.put(job, 0.2, timeout=20).value() == "None"
    assert crew.pool.info["timeouts"] == [0, 0.05]


def test_stretches_without_an_await_add_up(crew: Crew) -> None:
    """Those of the job and of its tasks; of waits alone they are zero, and not unknown."""
    requests: list[Any] = []

    async def blocks(self: Any) -> None:
        _busy(0.06)
        await asyncio.sleep(0.1)
        await asyncio.gather(child(), child())
        requests.append(self.request)

    async def child() -> None:
        await asyncio.sleep(0.01)
        _busy(0.06)

    async def waits(self: Any) -> None:
        await asyncio.sleep(0.1)
        requests.append(self.request)

    for function in (blocks, waits):
        crew.put(crew.job(function, bind=True)).last()

    assert 180_000_000 <= requests[0].loop_blocked_ns < 2_000_000_000
    assert requests[1].loop_blocked_ns == 0
    assert crew.pool.info["blocked"]["stretches"] == 3
    assert crew.pool.info["blocked"]["longest-by"] == "blocks"


def test_the_log_names_what_blocks_at_once_and_then_now_and_then(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first stretch at once, those that follow together, with the longest of each kind."""
    monkeypatch.setattr(_blocked, "LOG_EVERY_S", 0.5)

    def rude() -> None:
        _busy(0.06)

    with caplog.at_level(logging.WARNING, logger="celery.pool.asyncio"):
        job = crew.job(rude)
        for _ in range(3):
            crew.put(job).last()
        wait_until(lambda: len(caplog.messages) == 2, what="two lines")

    assert "by rude (1 x, " in caplog.messages[0]
    assert "by rude (2 x, " in caplog.messages[1]


def _busy(for_s: float) -> None:
    until_s = time.perf_counter() + for_s
    while time.perf_counter() < until_s:
        time.sleep(0.005)
