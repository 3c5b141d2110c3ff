"""What the asyncio pool does with one job: its function, its context, its tasks, its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Generator
from typing import Any

import pytest
from celery.exceptions import Terminated, WorkerLostError

from poolbench.asyncio_pool._bridge import bridge
from tests.conftest import wait_until
from tests.unit.poolbench.asyncio_pool.crew import Crew

_colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


def test_a_job_comes_to_its_value(crew: Crew) -> None:
    """A coroutine, or any other awaitable, is awaited; a plain function is called."""

    async def awaited() -> int:
        await asyncio.sleep(0.01)
        return 7

    class Answer:
        def __await__(self) -> Generator[Any, None, int]:
            yield from asyncio.sleep(0.01).__await__()
            return 42

    def called() -> int:
        return 8

    def returns_awaitable() -> Answer:
        return Answer()

    calls = crew.run(awaited)

    assert calls.value() == "7"
    assert calls.order == ["accepted", "success"]
    assert crew.run(called).value() == "8"
    assert crew.run(returns_awaitable).value() == "42"


@pytest.mark.parametrize("error", [ValueError("out of tea"), MemoryError()])
def test_a_failure_is_told_as_celery_does(crew: Crew, error: Exception) -> None:
    """It comes as a success of the tracer's, with the error inside, as with prefork."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    calls = crew.run(fails)

    assert repr(calls.error()) == repr(error)
    assert calls.order == ["accepted", "success"]


def test_a_cancelled_future_fails_the_job_that_awaits_it(crew: Crew) -> None:
    """Nobody cancelled the job itself, so it has an error like any other."""

    async def awaits_cancelled() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    assert isinstance(crew.run(awaits_cancelled).error(), concurrent.futures.CancelledError)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_plain_job_that_leaves_is_a_lost_worker(crew: Crew, error: BaseException) -> None:
    """What would end a process ends the job alone, and Celery decides what becomes of it."""

    def leaves() -> None:
        raise error

    def stays() -> int:
        return 1

    calls = crew.run(leaves)

    assert isinstance(calls.error(), WorkerLostError)
    assert calls.order == ["accepted", "failure"]
    assert crew.run(stays).value() == "1"


def test_a_job_has_one_context_from_beginning_to_end(crew: Crew) -> None:
    """What it sets is there after an await and in the tasks it starts, and in no other job.

    Neither in one beside it nor in the next.
    """

    async def paints(colour: str) -> list[str]:
        before = _colour.get()
        _colour.set(colour)
        await asyncio.sleep(0.01)
        return [before, await asyncio.create_task(shows()), _colour.get()]

    async def shows() -> str:
        found = _colour.get()
        _colour.set("of a task")
        return found

    job = crew.job(paints)
    calls = {colour: crew.put(job, colour) for colour in ("red", "blue", "green")}

    for colour, one in calls.items():
        assert one.value() == str(["none", colour, colour])


def test_a_plain_job_sees_no_running_loop(crew: Crew) -> None:
    """As in any other pool; so it may run one, and a coroutine job after it finds the pool's."""

    def runs_its_own() -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return asyncio.run(asyncio.sleep(0.01, result="its own"))

    async def finds_the_pools() -> bool:
        task = asyncio.current_task()
        return asyncio.get_running_loop() is crew.pool.loop and task is not None

    assert crew.run(runs_its_own).value() == "'its own'"
    assert crew.run(finds_the_pools).value() == "True"


def test_tasks_of_a_job_work_as_anywhere(crew: Crew) -> None:
    """They have names, return and raise; a group cancels its others; the request is the job's."""

    async def gathers(self: Any) -> list[Any]:
        async def fails() -> None:
            await asyncio.sleep(0.01)
            raise ValueError(self.request.id)

        async def waits() -> None:
            await asyncio.sleep(30)

        waiting = None
        try:
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(waits(), name="it waits")
                group.create_task(fails())
        except* ValueError as errors:
            raised = str(errors.exceptions[0])
        assert waiting is not None
        is_own = raised == self.request.id
        return [waiting.get_name(), waiting.cancelled(), is_own, "waits" in repr(waiting)]

    calls = crew.put(crew.job(gathers, bind=True))

    assert calls.value() == "['it waits', True, True, True]"


def test_a_task_that_its_job_left_behind_goes_on(crew: Crew) -> None:
    """It is nobody's then, and is cancelled when the pool stops."""
    seen: list[str] = []

    async def leaves_one() -> None:
        keep.append(asyncio.create_task(lingers()))

    async def lingers() -> None:
        try:
            await asyncio.sleep(0.05)
            seen.append("went on")
            await asyncio.sleep(60)
        finally:
            seen.append("was cancelled")

    keep: list[asyncio.Task[None]] = []
    crew.run(leaves_one).last()
    wait_until(lambda: seen == ["went on"], what="the task to go on")

    crew.pool.stop()

    assert seen == ["went on", "was cancelled"]


def test_a_job_that_calls_another_gets_its_coroutine(crew: Crew) -> None:
    """Only what Celery calls is awaited for it; a direct call is what it is without the pool."""

    async def inner() -> int:
        await asyncio.sleep(0)
        return 5

    other = crew.job(inner)

    async def outer() -> int:
        found: int = await other()
        return found + 1

    def plain_outer() -> bool:
        coroutine = other()
        coroutine.close()
        return asyncio.iscoroutine(coroutine)

    assert crew.put(other).value() == "5"
    assert crew.run(outer).value() == "6"
    assert crew.run(plain_outer).value() == "True"


def test_a_terminated_job_ends_at_its_await(crew: Crew) -> None:
    """Its `finally` may still await, even when asked twice; Celery hears `Terminated`, once."""
    seen: list[str] = []

    async def waits() -> None:
        try:
            seen.append("began")
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            seen.append("cleaned up")

    calls = crew.run(waits)
    wait_until(lambda: bool(seen), what="the job to run")
    assert calls.handle is not None

    calls.handle.terminate(15)
    calls.handle.terminate(15)

    error = calls.error()
    assert (type(error), error.args) == (Terminated, (15,))
    assert calls.order == ["accepted", "failure"]
    assert seen == ["began", "cleaned up"]


@pytest.mark.parametrize("answer", ["a value", ValueError("of its own")])
def test_what_a_terminated_job_says_counts_nothing(crew: Crew, answer: object) -> None:
    """Neither a value nor an error of its own after the cancellation becomes its result."""
    seen: list[str] = []

    async def swallows() -> object:
        try:
            seen.append("began")
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            if isinstance(answer, Exception):
                raise answer from None
        return answer

    calls = crew.run(swallows)
    wait_until(lambda: bool(seen), what="the job to run")
    assert calls.handle is not None
    calls.handle.terminate(15)

    assert isinstance(calls.error(), Terminated)
    assert calls.order == ["accepted", "failure"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_callback_of_the_loop_that_exits_fails_its_job_alone(
    crew: Crew, error: BaseException
) -> None:
    """What `call_soon` calls is the job's that asked for it; the other job goes on."""

    def leave() -> None:
        raise error

    async def asks() -> None:
        asyncio.get_running_loop().call_soon(leave)
        await asyncio.sleep(30)

    async def stays() -> str:
        await asyncio.sleep(0.2)
        return "stayed"

    other = crew.run(stays)

    assert isinstance(crew.run(asks).error(), WorkerLostError)
    assert other.value() == "'stayed'"


def test_an_exit_that_is_no_jobs_is_logged(crew: Crew, caplog: pytest.LogCaptureFixture) -> None:
    """Of a callback without a job, and of a task that its job left behind; jobs go on."""

    def leave() -> None:
        raise SystemExit(4)

    async def leaves_one() -> None:
        keep.append(asyncio.create_task(exits()))

    async def exits() -> None:
        await asyncio.sleep(0.02)
        raise SystemExit(5)

    async def ordinary() -> int:
        await asyncio.sleep(0.05)
        return 1

    keep: list[asyncio.Task[None]] = []
    crew.pool.call(leave)
    crew.run(leaves_one).last()

    assert crew.run(ordinary).value() == "1"
    wait_until(lambda: "SystemExit(5)" in caplog.text, what="the task's exit")
    assert "A callback on the event loop raised SystemExit(4)" in caplog.text
    assert keep[0].cancelled()


def test_a_job_cannot_swallow_the_exit_of_its_task(crew: Crew) -> None:
    """What it returns after that counts nothing; the other job goes on."""

    async def swallows() -> str:
        try:
            await asyncio.gather(exits(), asyncio.sleep(30))
        except BaseException:  # noqa: BLE001 -- what a careless job does
            return "all is well"
        return "no exit"

    async def exits() -> None:
        await asyncio.sleep(0.01)
        raise SystemExit(3)

    async def stays() -> str:
        await asyncio.sleep(0.1)
        return "stayed"

    other = crew.run(stays)

    assert isinstance(crew.run(swallows).error(), WorkerLostError)
    assert other.value() == "'stayed'"


def test_a_task_may_be_prepared_again_and_called_elsewhere(crew: Crew) -> None:
    """By a later pool of the process, as in tests; outside a pool it returns its coroutine."""

    async def doubles(x: int) -> int:
        return 2 * x

    job = crew.job(doubles)
    bridge(job, pool=crew.pool)
    first = job.run.celery_original
    bridge(job, pool=crew.pool)

    assert job.run.celery_original is first
    assert asyncio.run(job(4)) == 8
    assert crew.put(job, 5).value() == "10"
