"""A Celery app whose jobs run in any pool: as coroutines if asked for, else as plain functions."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from celery import Celery, Task, signals
from celery.app import trace
from celery.exceptions import Ignore, Reject
from pydantic import BaseModel

#: Where jobs write down what no result tells.
DIARY = Path(os.environ["POOL_APP_DIARY"])

IS_ASYNC = os.environ.get("POOL_APP_COROUTINES") == "1"

app = Celery("pools", broker=os.environ["POOL_APP_URL"], backend=os.environ["POOL_APP_URL"])
app.conf.update(
    task_default_queue=os.environ["POOL_APP_QUEUE"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"unacked_restore_throttle": 1, "max_connections": 200},
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_hijack_root_logger=False,
    **json.loads(os.environ.get("POOL_APP_SETTINGS", "{}")),
)


if os.environ.get("POOL_APP_UVLOOP") == "1":
    import uvloop

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        uvloop.install()


if os.environ.get("POOL_APP_WRAPS_TRACER") == "1":

    def _build_tracer(name: str, task: Any, *args: Any, _original: Any, **options: Any) -> Any:
        """Put something around a task's function, as Sentry does, and then build its tracer."""
        function = task.run

        def run(*args: Any, **kwargs: Any) -> Any:
            found = function(*args, **kwargs)
            write_down(f"traced {name} {found}")
            return found

        task.run = run
        return _original(name, task, *args, **options)

    trace.build_tracer = functools.partial(_build_tracer, _original=trace.build_tracer)


def write_down(word: object) -> None:
    """Add a line to the diary, whole."""
    with open(DIARY, "ab", buffering=0) as file:  # noqa: PTH123 -- unbuffered
        file.write(f"{word}\n".encode())


async def pause(delay_s: float) -> None:
    """Wait as the pool lets jobs wait."""
    if IS_ASYNC:
        await asyncio.sleep(delay_s)
    else:
        time.sleep(delay_s)  # noqa: ASYNC251 -- nobody else waits on it then


def job(name: str, **options: Any) -> Callable[..., Any]:
    """Register a coroutine function: as it is, or run to its end without a loop."""

    def register(function: Callable[..., Coroutine[Any, Any, object]]) -> Any:
        as_task: Any = app.task  # its stubs know each option by type
        return as_task(function if IS_ASYNC else _plain(function), name=name, **options)

    return register


def _plain(function: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., object]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> object:
        try:
            function(*args, **kwargs).send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it waited for something else than `pause`")

    return run


class Answer(BaseModel):
    """What a job with ``pydantic=True`` takes and returns."""

    value: int


class Hooked(Task):  # type: ignore[type-arg]  # Celery's own isn't generic when it runs
    """A task class of somebody's own, with hooks and a call of its own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Put something around the function."""
        return f"<{super().__call__(*args, **kwargs)}>"

    def before_start(self, task_id: str, *_: Any) -> None:
        """Write it down."""
        write_down(f"before {task_id}")

    def on_success(self, retval: Any, task_id: str, *_: Any) -> None:
        """Write it down."""
        write_down(f"success {task_id} {retval}")

    def after_return(self, status: str, _: Any, task_id: str, *__: Any) -> None:
        """Write it down."""
        write_down(f"after {task_id} {status}")


class AsyncCall(Task):  # type: ignore[type-arg]
    """A task class whose call is a coroutine too."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Put something around the function."""
        found = super().__call__(*args, **kwargs)
        return f"({await found if IS_ASYNC else found})"


@job("add")
async def add(x: int, y: int = 0) -> int:
    """Add after a moment."""
    await pause(0.01)
    return x + y


@job("total")
async def total(numbers: list[int]) -> int:
    """Add up what a group found."""
    await pause(0.01)
    return sum(numbers)


@job("doubled", pydantic=True)
async def doubled(answer: Answer) -> Answer:
    """Take a model and return one."""
    await pause(0.01)
    return Answer(value=2 * answer.value)


@job("replaces", bind=True)
async def replaces(self: Any, x: int) -> Any:
    """Let another job take its place."""
    await pause(0.01)
    return self.replace(app.signature("add", args=(x, 1)))


@job("on-error")
async def on_error(request: Any, error: BaseException, traceback: Any) -> None:  # noqa: ARG001
    """Write down which job failed and why: an error callback of the newer kind."""
    await pause(0.01)
    write_down(f"on-error {request.id} {type(error).__name__}")


@job("note")
async def note(word: str, other: str) -> None:
    """Write down two words: as an immutable signature, an error callback with its own arguments."""
    await pause(0.01)
    write_down(f"note {word} {other}")


@job("on-error-fails")
async def on_error_fails(request: Any, error: BaseException, traceback: Any) -> None:  # noqa: ARG001
    """Fail as an error callback."""
    await pause(0.01)
    raise KeyError(request.id)


if IS_ASYNC:

    @app.task(name="on-error-of")
    async def on_error_of(task_id: str) -> None:
        """Write down which job failed: an error callback of the older kind, sent as a job."""
        await pause(0.01)
        write_down(f"on-error-of {task_id}")

else:

    @app.task(name="on-error-of")
    def on_error_of(task_id: str) -> None:
        """Write down which job failed: an error callback of the older kind, sent as a job."""
        write_down(f"on-error-of {task_id}")


@app.task(name="plain")
def plain(x: int) -> int:
    """Be no coroutine anywhere."""
    return x + 1


@job("fails")
async def fails() -> None:
    """Fail for an ordinary reason."""
    await pause(0.01)
    raise ValueError("out of tea")


@job("retries", bind=True, max_retries=3)
async def retries(self: Any, times: int) -> int:
    """Ask for other attempts."""
    await pause(0.01)
    if self.request.retries < times:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@job("autoretries", bind=True, autoretry_for=(OSError,), default_retry_delay=0, max_retries=2)
async def autoretries(self: Any, times: int) -> int:
    """Fail in a way that Celery is asked to retry."""
    await pause(0.01)
    if self.request.retries < times:
        raise OSError("again")
    return int(self.request.retries)


@job("rejects")
async def rejects() -> None:
    """Refuse its message for good."""
    await pause(0.01)
    raise Reject("not mine", requeue=False)


@job("ignores")
async def ignores() -> None:
    """Leave no result."""
    await pause(0.01)
    raise Ignore


@job("identity", bind=True)
async def identity(self: Any, delay_s: float) -> list[str]:
    """Tell its id, before and after a wait, and by Celery's proxy of the present job."""
    before = self.request.id
    await pause(delay_s)
    current: Any = app.current_task
    return [before, self.request.id, current.request.id]


@job("waits", acks_late=True)
async def waits(delay_s: float, word: str = "") -> str:
    """Wait, and write down that it has; its message is acknowledged late."""
    write_down(f"begun {word}")
    await pause(delay_s)
    write_down(f"done {word}")
    return word


@job("gated", acks_late=True)
async def gated(word: str) -> str:
    """Wait until the test opens the gate; the message is acknowledged late."""
    return await _pass_gate(word)


@job("gated-early")
async def gated_early(word: str) -> str:
    """Wait until the test opens the gate; the message is acknowledged early."""
    return await _pass_gate(word)


async def _pass_gate(word: str) -> str:
    write_down(f"begun {word}")
    while not (DIARY.parent / f"open-{word}").exists():
        await pause(0.02)
    write_down(f"done {word}")
    return word


@app.task(name="blocks-until")
def blocks_until(word: str) -> None:
    """Wait until the test opens the gate, without letting anybody else."""
    while not (DIARY.parent / f"open-{word}").exists():
        time.sleep(0.02)


@job("limited", rate_limit="5/s")
async def limited() -> None:
    """Be allowed five times a second."""
    await pause(0)


@job("hooked", base=Hooked)
async def hooked(x: int) -> int:
    """Be of a task class with hooks."""
    await pause(0.01)
    return x


@job("async-call", base=AsyncCall)
async def async_call(x: int) -> int:
    """Be of a task class whose call is a coroutine."""
    await pause(0.01)
    return x


@job("hard", time_limit=0.3)
async def hard(delay_s: float) -> None:
    """Have a hard time limit."""
    try:
        await pause(delay_s)
    finally:
        write_down("hard: left")


@job("stubborn", time_limit=0.2)
async def stubborn(delay_s: float) -> str:
    """Swallow its cancellation and go on."""
    until_s = time.monotonic() + delay_s
    while time.monotonic() < until_s:
        try:
            await pause(delay_s)
        except asyncio.CancelledError:
            write_down("stubborn: swallowed")
    return "a result that must not count"


@app.task(name="blocks")
def blocks(delay_s: float = 0.0) -> None:
    """Wait without letting anybody else."""
    time.sleep(delay_s)


@app.task(name="exits")
def exits() -> None:
    """Leave as if the process were its own."""
    raise SystemExit(3)


@app.task(name="dies")
def dies() -> None:
    """Take its process along."""
    os.kill(os.getpid(), signal.SIGKILL)


@job("exits-in-task")
async def exits_in_task(word: str) -> str:
    """Leave, from a task that the job started, while another of its tasks waits."""

    async def leave() -> None:
        await asyncio.sleep(0.05)
        raise SystemExit(word)

    try:
        await asyncio.gather(leave(), asyncio.sleep(60))
    finally:
        write_down(f"exits-in-task: left {word}")
    return word


@job("stops-loop")
async def stops_loop() -> str:
    """Stop the event loop, as no job should, and wait for it nevertheless."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    return "went on"


@job("breaks-loop")
async def breaks_loop() -> None:
    """Break the event loop for good: its selector can't be used any more."""
    await asyncio.sleep(0.3)  # until its beginning has been acknowledged
    loop: Any = asyncio.get_running_loop()
    loop._selector.close()
    await asyncio.sleep(60)


@job("in-threads")
async def in_threads(count: int, delay_s: float) -> float:
    """Wait in several threads at once; return how long that took, seconds."""
    begun_s = time.monotonic()
    await asyncio.gather(*(asyncio.to_thread(time.sleep, delay_s) for _ in range(count)))
    return time.monotonic() - begun_s


@job("leaves-call")
async def leaves_call(word: str) -> None:
    """Return while a call of its own goes on in a thread, until the test opens the gate."""
    keep.append(asyncio.ensure_future(asyncio.to_thread(blocks_until.run, word)))
    await asyncio.sleep(0.05)


#: Tasks that jobs left behind: the event loop keeps weak references alone.
keep: list[asyncio.Future[None]] = []


@signals.task_prerun.connect
def _before(task_id: str, **_: object) -> None:
    write_down(f"prerun {task_id}")


@signals.task_postrun.connect
def _after(task_id: str, state: str | None, **_: object) -> None:
    write_down(f"postrun {task_id} {state}")


@signals.task_success.connect
def _succeeded(sender: Any, **_: object) -> None:
    write_down(f"signal success {sender.request.id}")


@signals.task_failure.connect
def _failed(task_id: str, exception: BaseException, **_: object) -> None:
    write_down(f"signal failure {task_id} {type(exception).__name__}")


@signals.task_retry.connect
def _retried(request: Any, **_: object) -> None:
    write_down(f"signal retry {request.id}")


@signals.task_revoked.connect
def _revoked(request: Any, **_: object) -> None:
    write_down(f"signal revoked {request.id}")
