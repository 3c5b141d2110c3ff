"""The asyncio pool with many jobs in flight: what happens in a short time is reported together.

A real hub turns in a thread of its own, as Celery's consumer turns it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import weakref
from collections.abc import Iterator

import pytest
from kombu.asynchronous import Hub

from poolbench.asyncio_pool.pool import GATHER_FROM
from tests.conftest import wait_until
from tests.unit.poolbench.asyncio_pool.crew import CallbackLog, Crew, started_crew

SLOTS = 2 * GATHER_FROM


class Hall:
    """Jobs that are held, each until it is let go, in a pool whose consumer has a hub."""

    def __init__(self, crew: Crew, *, hub: Hub) -> None:
        self.crew = crew
        self.hub = hub
        self.doors: dict[int, asyncio.Event] = {}
        self.job = crew.job(self._wait, name="held")

    async def _wait(self, number: int) -> None:
        self.doors[number] = asyncio.Event()
        await self.doors[number].wait()

    def fill(self, count: int) -> list[CallbackLog]:
        """Put jobs in; return when they are held and Celery knows that they began."""
        calls = [self.crew.put(self.job, number) for number in range(count)]
        wait_until(lambda: all(one.order == ["accepted"] for one in calls), what="jobs to begin")
        wait_until(lambda: len(self.doors) == count, what="jobs to be held")
        return calls

    def let_go(self, number: int, *, running: int) -> None:
        """Let one end; return when it has left its slot, whoever knows it."""
        self.crew.pool.call(self.doors[number].set)
        wait_until(lambda: self.crew.pool.info["running"] == running, what="a job to end")

    def let_turn(self) -> None:
        """Return when loop and hub have done what they were called for until now."""
        # the hub makes calls before it looks at its pipes: twice, so that it looked between
        for call in (self.crew.pool.call, self.hub.call_soon, self.hub.call_soon):
            has_turned = threading.Event()
            call(has_turned.set)
            assert has_turned.wait(10.0)

    def hand_over(self) -> None:
        """Let the time be over for which the pool gathers."""
        self.crew.pool.call(self.crew.pool._hand_over)


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """An empty hall, whose pool gathers until the test hands over."""
    monkeypatch.setattr("poolbench.asyncio_pool.pool.GATHER_S", 60.0)
    with started_crew(slots=SLOTS) as crew:
        hub, is_over = Hub(), threading.Event()
        crew.pool.register_with_event_loop(hub)
        # the hub looks up now and then, to see that it is over
        hub.call_repeatedly(0.01, lambda: None)

        def turn() -> None:
            while not is_over.is_set():
                hub.run_once()

        thread = threading.Thread(target=turn)
        thread.start()
        try:
            yield Hall(crew, hub=hub)
        finally:
            is_over.set()
            thread.join()
            hub.close()


def test_ends_are_told_together(hall: Hall) -> None:
    """When the time is over, for as long as there are some; then the next is reported at once."""
    count = GATHER_FROM + 4
    calls = hall.fill(count)  # the first beginning has begun it
    hall.hand_over()
    hall.let_go(0, running=count - 1)
    wait_until(lambda: calls[0].has_ended, what="the first end to be reported")

    for number, one in enumerate(calls[1:3], 1):
        hall.let_go(number, running=count - number - 1)
        hall.let_turn()
        assert not one.has_ended
        hall.hand_over()
        wait_until(lambda one=one: one.has_ended, what=f"end {number} to be reported")  # type: ignore[misc]

    hall.hand_over()  # nothing has happened since
    hall.let_go(3, running=count - 4)
    wait_until(lambda: calls[3].has_ended, what="the fourth to be reported at once")


def test_what_arrives_begins_when_the_time_is_over(hall: Hall) -> None:
    """Though slots are free; after a time without news, it begins at once."""
    count = GATHER_FROM + 4
    hall.fill(count)
    late = hall.crew.put(hall.job, count)
    hall.let_turn()
    assert hall.crew.pool.info["waiting"] == 1

    hall.hand_over()
    wait_until(lambda: late.order == ["accepted"], what="the job to begin")

    hall.hand_over()
    hall.hand_over()
    soon = hall.crew.put(hall.job, count + 1)
    wait_until(lambda: soon.order == ["accepted"], what="the next to begin at once")


def test_of_few_jobs_each_is_told_at_once(hall: Hall) -> None:
    """Where there are few, a slot could stand still for a gathering."""
    count = GATHER_FROM - 1
    calls = hall.fill(count)

    for number, one in enumerate(calls):
        hall.let_go(number, running=count - number - 1)
        wait_until(lambda one=one: one.has_ended, what="an end to be reported")  # type: ignore[misc]


def test_a_beginning_is_told_at_once(hall: Hall) -> None:
    """An early acknowledgement must not wait while the job runs; so are earlier ends."""
    count = GATHER_FROM + 4
    calls = hall.fill(count)
    hall.crew.pool.shrink(SLOTS - count)  # so all slots are taken, and an end gives one away
    late = hall.crew.put(hall.job, count)

    hall.let_go(0, running=count)

    wait_until(lambda: late.order == ["accepted"], what="the job to begin")
    wait_until(lambda: calls[0].has_ended, what="the end to be reported")


def test_gathering_holds_no_job(hall: Hall) -> None:
    """The one that began it, with its context, can be forgotten while others go on."""
    count = GATHER_FROM + 4
    calls = hall.fill(count)
    handles = [weakref.ref(one.handle) for one in calls if one.handle is not None]
    assert len(handles) == count

    for number, one in enumerate(calls):
        one.handle = None
        hall.let_go(number, running=count - number - 1)
    hall.hand_over()
    wait_until(lambda: all(one.has_ended for one in calls), what="all to be reported")

    gc.collect()
    assert [handle() for handle in handles] == [None] * count


def test_none_is_forgotten_where_gathering_begins_and_ends(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs come just as the pool stops to gather, again and again: each begins, and ends."""
    monkeypatch.setattr("poolbench.asyncio_pool.pool.GATHER_S", 0.001)
    hall.fill(GATHER_FROM)
    draw = random.Random(5)
    job = hall.crew.job(asyncio.sleep, name="short")

    calls = []
    for _ in range(400):
        calls.append(hall.crew.put(job, draw.uniform(0.0, 0.002)))
        time.sleep(draw.uniform(0.0, 0.004))
        if draw.random() < 0.2:
            wait_until(lambda: calls[-1].has_ended, what="a job to end")

    wait_until(lambda: all(one.has_ended for one in calls), what="all to be reported")
    assert {tuple(one.order) for one in calls} == {("accepted", "success")}
