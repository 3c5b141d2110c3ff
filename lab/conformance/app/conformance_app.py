"""The app of the tried workers: its jobs write a stamp to a file at each moment of their life.

It runs on any Python with Celery, so it imports Celery and the standard library only. Stamps go to
a file instead of Redis, so that they are kept while Redis is away.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import inspect
import json
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from celery import Celery, chord
from celery.exceptions import SoftTimeLimitExceeded

#: File of the stamps, one JSON object on each line.
STAMPS = Path(os.environ["CONFORMANCE_STAMPS"])

#: Whether jobs that wait are coroutines: only the asyncio pool is a custom one.
IS_ASYNC = "CELERY_CUSTOM_WORKER_POOL" in os.environ

app = Celery("conformance")
app.conf.update(
    broker_url=os.environ["CONFORMANCE_BROKER"],
    result_backend=os.environ["CONFORMANCE_BROKER"],
    broker_connection_retry_on_startup=True,
    task_default_queue="jobs",
    # the default of 4 kills children that start at the same time as many others on a busy machine
    worker_proc_alive_timeout=30.0,
    **json.loads(os.environ["CONFORMANCE_SETTINGS"]),
)

#: Memory that jobs of `hold` keep until their process ends.
_held: list[bytearray] = []


def stamp(label: str, *, moment: str, **facts: Any) -> None:
    """Append a moment of a job to the file; the line is in the file when this returns."""
    line = {
        "label": label,
        "moment": moment,
        "t_ns": time.time_ns(),
        "pid": os.getpid(),
        **facts,
    }
    with STAMPS.open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def name_of(error: BaseException) -> str:
    """Return the name of the exception class that a job would catch."""
    is_limit = isinstance(error, SoftTimeLimitExceeded)
    return SoftTimeLimitExceeded.__name__ if is_limit else type(error).__name__


async def sleep(seconds: float) -> None:
    """Wait in the pool's own way: on the event loop in asyncio, else in `time.sleep`."""
    if IS_ASYNC:
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)  # noqa: ASYNC251 -- without an event loop


def run_without_loop(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Return a plain function equivalent to a coroutine function that never suspends."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            function(*args, **kwargs).send(None)
        except StopIteration as end:
            return end.value

    return run


def register(function: Callable[..., Any], **options: Any) -> Any:
    """Register a function as a job under its own name; as a coroutine in the asyncio pool only."""
    if inspect.iscoroutinefunction(function) and not IS_ASYNC:
        function = run_without_loop(function)
    return app.task(**{"name": function.__name__, **options})(function)


async def wait(label: str, seconds: float) -> str:
    """Wait, and stamp an exception that interrupts the wait."""
    stamp(label, moment="started")
    try:
        await sleep(seconds)
    except BaseException as error:
        stamp(label, moment="interrupted", error=name_of(error))
        raise
    stamp(label, moment="finished")
    return label


register(wait)
# the same job, acknowledged late with all settings
register(wait, name="wait_late", acks_late=True)


@register
async def meet(label: str, every_s: float) -> str:
    """Wait until the clock's next multiple of a time, where all jobs of this kind end together."""
    return await wait(label, every_s - time.time() % every_s)


@register
async def tick(label: str, seconds: float, every_s: float) -> None:
    """Wake up again and again; stamp the longest time between two wake-ups."""
    stamp(label, moment="started")
    last_s, gap_s = time.monotonic(), 0.0
    for _ in range(round(seconds / every_s)):
        await sleep(every_s)
        now_s = time.monotonic()
        last_s, gap_s = now_s, max(gap_s, now_s - last_s)
    stamp(label, moment="finished", gap_s=gap_s)


@register
async def crash(label: str, after_s: float) -> None:
    """Kill the process that runs this job, as the kernel does when it runs out of memory."""
    stamp(label, moment="started")
    await sleep(after_s)
    os.kill(os.getpid(), signal.SIGKILL)


@register
def block(label: str, seconds: float) -> None:
    """Wait inside a C function: it releases the GIL, and blocks an event loop."""
    stamp(label, moment="started")
    ctypes.CDLL(None).usleep(int(seconds * 1e6))
    stamp(label, moment="finished")


@register
def hold(label: str, megabytes: int) -> None:
    """Allocate memory that is freed only when the process ends."""
    stamp(label, moment="started")
    _held.append(bytearray(b"x") * (megabytes << 20))
    stamp(label, moment="finished")


@register
def add_one(label: str, number: int) -> int:
    """Return the number after this one."""
    stamp(label, moment="started")
    stamp(label, moment="finished")
    return number + 1


@register
def add_up(numbers: list[int], label: str) -> int:
    """Return a sum, and stamp it."""
    stamp(label, moment="started")
    total = sum(numbers)
    stamp(label, moment="finished", total=total)
    return total


@register
def open_chord(label: str, parts: int) -> None:
    """Send a chord from inside the worker, so that the tried Celery does all of the work."""
    stamp(label, moment="started")
    header = [
        app.signature("add_one", kwargs={"label": f"part-{number}", "number": number})
        for number in range(parts)
    ]
    chord(header, app=app)(app.signature("add_up", kwargs={"label": "sum"}))
    stamp(label, moment="finished")
