"""Small programs of the standard library, each run in a process of its own.

Every one is given a `Stage`, which reports to a recorder what its functions do. Without the stage,
they are what the documentation of `threading`, `multiprocessing` and `asyncio` shows.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from lab.learn.stage import Stage

#: A worker counts to this number, and how often it does.
MILLION, TIMES = 1_000_000, 10

#: A waiting coroutine sleeps as long, seconds.
SLEEP_S = 0.02

#: How often each of two threads increments a shared counter.
INCREMENTS = 1_000_000


def count() -> None:
    """Count to a million, in pure Python."""
    number = 0
    while number < MILLION:
        number += 1


def count_often(stage: Stage, times: int = TIMES) -> None:
    """Count to a million several times."""
    for _ in range(times):
        stage.call(count)


def one_thread(stage: Stage) -> None:
    """Do the work of two threads in one."""
    count_often(stage, times=2 * TIMES)


def two_threads(stage: Stage) -> None:
    """Count in two threads: one interpreter, one GIL."""
    threads = [threading.Thread(target=count_often, args=(stage,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def two_processes(stage: Stage) -> None:
    """Count in two processes: each has an interpreter and a GIL of its own."""
    # a fork inherits the stage's pipe
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=count_often, args=(stage,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def two_processes_one_core(stage: Stage) -> None:
    """Count in two processes that share one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    two_processes(stage)


async def count_in_coroutine() -> None:
    """Count to a million: without an await, no other coroutine can run."""
    count()


async def wait_in_coroutine() -> None:
    """Wait at an await: all others can run meanwhile."""
    await asyncio.sleep(SLEEP_S)


async def _twice(stage: Stage, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def often() -> None:
        for _ in range(TIMES):
            await stage.await_call(job)

    await asyncio.gather(often(), often())


def two_counting_coroutines(stage: Stage) -> None:
    """Count in two coroutines of one thread."""
    asyncio.run(_twice(stage, count_in_coroutine))


def two_waiting_coroutines(stage: Stage) -> None:
    """Wait in two coroutines of one thread."""
    asyncio.run(_twice(stage, wait_in_coroutine))


class Counter:
    """A number in memory that threads share."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def next_of(number: int) -> int:
    """Return the next number. Another thread may get the GIL where a function is called."""
    return number + 1


def increment(counter: Counter) -> None:
    """Read, add one, write: another thread may have written in between."""
    for _ in range(INCREMENTS):
        counter.value = next_of(counter.value)


def increment_locked(counter: Counter) -> None:
    """Do the same while no other thread can."""
    for _ in range(INCREMENTS):
        with counter.lock:
            counter.value = next_of(counter.value)


def _in_two_threads(stage: Stage, job: Callable[[Counter], None]) -> None:
    counter = Counter()
    threads = [threading.Thread(target=stage.call, args=(job, counter)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.result = counter.value


def counter_without_lock(stage: Stage) -> None:
    """Increment a counter in two threads."""
    _in_two_threads(stage, increment)


def counter_with_lock(stage: Stage) -> None:
    """Increment a counter in two threads, one at a time."""
    _in_two_threads(stage, increment_locked)


#: The programs by name.
PROGRAMS: Mapping[str, Callable[[Stage], None]] = {
    "one-thread": one_thread,
    "two-threads": two_threads,
    "two-processes": two_processes,
    "two-processes-one-core": two_processes_one_core,
    "two-coroutines-counting": two_counting_coroutines,
    "two-coroutines-waiting": two_waiting_coroutines,
    "counter-without-lock": counter_without_lock,
    "counter-with-lock": counter_with_lock,
}
