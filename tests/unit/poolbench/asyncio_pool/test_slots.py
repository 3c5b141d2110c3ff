"""The slots of the asyncio pool, its end, and whom it tells: without a worker around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from kombu.asynchronous import Hub

from tests.conftest import wait_until
from tests.unit.poolbench.asyncio_pool.crew import CallbackLog, Crew


class Gate:
    """Jobs that wait until they are let go."""

    def __init__(self, crew: Crew) -> None:
        self.crew, self.pool = crew, crew.pool
        self.has_opened = asyncio.Event()
        self.job = crew.job(self.wait, name="gate")

    async def wait(self) -> None:
        """Wait until the gate is open."""
        await self.has_opened.wait()

    def put(self, count: int) -> list[CallbackLog]:
        """Put so many jobs in; return when those run that have a slot, and the others wait."""
        calls = [self.crew.put(self.job) for _ in range(count)]
        self.has(running=min(2, count), waiting=max(0, count - 2))
        return calls

    def has(self, *, running: int, waiting: int) -> None:
        """Wait until so many jobs run and wait."""
        wait_until(
            lambda: (self.pool.info["running"], self.pool.info["waiting"]) == (running, waiting),
            what=f"{running} running and {waiting} waiting",
        )

    def open(self) -> None:
        """Let go the jobs that wait, and those to come."""
        self.pool.call(self.has_opened.set)


@pytest.fixture
def gate(crew: Crew) -> Iterator[Gate]:
    """A gate, opened at the end whatever happened."""
    it = Gate(crew)
    yield it
    it.open()


def test_the_last_slot_can_not_be_taken_away(crew: Crew) -> None:
    """Some that are there can, which a real worker's remote control does elsewhere."""
    crew.pool.shrink(1)

    assert crew.pool.num_processes == 1
    with pytest.raises(ValueError, match="2 of 1 slots"):
        crew.pool.shrink(2)


def test_what_waits_is_forgotten_with_the_connection(crew: Crew, gate: Gate) -> None:
    """Its messages come again over the next one, so it must not run from here."""
    calls = gate.put(5)

    crew.pool.flush()
    gate.open()
    for one in calls[:2]:
        one.last()

    assert [one.order for one in calls[2:]] == [[], [], []]
    assert crew.put(gate.job).value() == "None"


def test_a_closed_pool_begins_nothing(crew: Crew, gate: Gate) -> None:
    """Neither what waited nor what a timer brings later."""
    calls = gate.put(3)

    crew.pool.close()
    late = crew.put(gate.job)
    gate.open()
    for one in calls[:2]:
        one.last()

    crew.pool.stop()
    assert [calls[2].order, late.order] == [[], []]


def test_a_termination_cancels_and_tells_nobody(crew: Crew, gate: Gate) -> None:
    """The broker keeps what was not acknowledged."""
    (calls,) = gate.put(1)

    crew.pool.terminate()

    assert calls.order == ["accepted"]
    assert crew.pool.loop.is_closed()


def test_a_hub_hears_everything_in_its_own_thread(crew: Crew) -> None:
    """Celery's bookkeeping is not made for several threads; an error in it stops nothing."""
    hub = Hub()
    crew.pool.register_with_event_loop(hub)

    calls = [crew.run(_ordinary) for _ in range(3)]
    while not all(one.has_ended for one in calls):
        hub.run_once()

    assert set().union(*(one.threads for one in calls)) == {threading.get_ident()}
    hub.close()


def test_a_cancelled_jobs_slot_is_the_consumers_to_give(crew: Crew, gate: Gate) -> None:
    """In a cold shutdown it cancels all jobs before it closes the pool: none may begin between."""
    hub = Hub()
    crew.pool.register_with_event_loop(hub)
    calls = gate.put(3)
    assert calls[0].handle is not None

    calls[0].handle.terminate(15)

    gate.has(running=1, waiting=1)
    while calls[2].order != ["accepted"]:
        hub.run_once()
    hub.close()


async def _ordinary() -> None:
    await asyncio.sleep(0.01)


def test_an_error_in_celerys_bookkeeping_costs_one_job(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the news of other jobs go on."""

    def confused(*_: object) -> None:
        raise RuntimeError("no such request")

    crew.pool.post(confused)

    assert crew.run(_ordinary).value() == "None"
    assert "no such request" in caplog.text


def test_something_else_than_celery_may_use_the_pool(crew: Crew) -> None:
    """A plain call without a single callback is done as well."""
    done = threading.Event()

    crew.pool.apply_async(done.set)

    assert done.wait(10)
