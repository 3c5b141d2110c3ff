"""The threads that jobs of the asyncio pool use: how many, whose calls, and how they end."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Iterator

import pytest

from poolbench.asyncio_pool._threads import FEWEST_THREADS, MOST_THREADS, CallThreads
from tests.conftest import wait_until
from tests.unit.poolbench.asyncio_pool.crew import started_crew


@pytest.fixture
def threads() -> Iterator[CallThreads]:
    """Threads for fifty slots."""
    it = CallThreads(slots=lambda: 50)
    yield it
    it.shutdown()


def test_each_slot_has_a_thread() -> None:
    """As many calls run at once as there are slots: here each waits for all the others."""
    count = FEWEST_THREADS + 10
    barrier = threading.Barrier(count, timeout=10)

    async def meets() -> int:
        return await asyncio.to_thread(barrier.wait)

    with started_crew(slots=count) as crew:
        job = crew.job(meets)
        calls = [crew.put(job) for _ in range(count)]

        assert sorted(int(one.value()) for one in calls) == list(range(count))


def test_threads_are_created_when_needed_and_used_again(threads: CallThreads) -> None:
    """Calls one after another share a thread."""
    found = {threads.submit(threading.get_ident).result() for _ in range(20)}

    assert len(found) == 1


@pytest.mark.parametrize(("slots", "most"), [(1, FEWEST_THREADS), (100, 100), (5000, MOST_THREADS)])
def test_threads_are_bounded(slots: int, most: int) -> None:
    """By the slots, by 256, and never by less than asyncio has by itself."""
    threads = CallThreads(slots=lambda: slots)
    gate = threading.Event()

    futures = [threads.submit(gate.wait) for _ in range(MOST_THREADS + 10)]

    assert threads._thread_count == most
    gate.set()
    assert all(future.result(10) for future in futures)
    threads.shutdown()


def test_unfinished_calls_are_named(threads: CallThreads) -> None:
    """By their function, however it is wrapped, and never by its arguments."""
    gate = threading.Event()

    async def leaves_one() -> None:
        await asyncio.wait_for(asyncio.to_thread(gate.wait, 10), 0.05)

    with started_crew() as crew, pytest.raises(TimeoutError):
        raise crew.run(leaves_one).error()
    direct = threads.submit(gate.wait, 10)
    partial = threads.submit(functools.partial(gate.wait, 10))

    assert threads.unfinished() == ("Event.wait", "Event.wait")
    gate.set()
    assert direct.result(10)
    assert partial.result(10)
    wait_until(lambda: not threads.unfinished(), what="the end of the call")


def test_errors_go_where_the_call_is_awaited(threads: CallThreads) -> None:
    """`SystemExit` too: it ends neither the thread nor the process."""
    future = threads.submit(functools.partial(int, "seven"))
    leaving = threads.submit(exit, 3)

    with pytest.raises(ValueError, match="seven"):
        future.result(10)
    with pytest.raises(SystemExit):
        leaving.result(10)
    assert threads.submit(int, "7").result(10) == 7


def test_no_call_is_taken_after_the_end(threads: CallThreads) -> None:
    """A call that runs goes on meanwhile; `shutdown` doesn't wait for it."""
    gate = threading.Event()
    future = threads.submit(gate.wait, 10)
    begun_s = time.monotonic()

    threads.shutdown(wait=True)

    with pytest.raises(RuntimeError, match="no thread can be used"):
        threads.submit(int)
    assert not future.done()
    gate.set()
    assert future.result(10)
    assert time.monotonic() - begun_s < 10
