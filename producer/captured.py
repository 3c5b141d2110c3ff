"""Messages as Celery generates them, captured from real calls. Nothing is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from celery import Celery, chain, chord, group
from kombu import Connection
from kombu.transport import memory

#: A message as Celery passes it to a broker's channel, its body encoded.
Message = dict[str, Any]

#: Celery's backend of the results that a captured call stores.
_BACKEND = "cache+memory://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a task."""

    kind: str
    arguments: Mapping[str, Any]
    task_id: str
    headers: Mapping[str, Any]
    #: Whether its message requests that its result be stored.
    stores_result: bool
    #: Celery's options of the call: countdown, expires, priority.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMessage:
    """A message of a user's task, captured by `poolbench.userapp.capture` in the app's Python."""

    #: Celery queue by the app's routes.
    queue: str
    #: 0 if it has none.
    priority: int
    #: The message as kombu's JSON, with marks for what differs by job: the job's id, Poolbench's
    #: header, and the times of its countdown and expiry.
    text: str
    task_id: str
    header: str
    eta: str
    expires: str
    #: Times from the due time until a slot may start it, and until it expires, seconds; 0 without.
    countdown_s: float
    expires_s: float


def write_messages(path: Path, messages: Sequence[Mapping[str, Any]]) -> None:
    """Write captured messages, which have the arguments of the user's tasks, to a private file."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(json.dumps(message) + "\n" for message in messages)


@lru_cache(maxsize=100)
def read_messages(path: str) -> tuple[AppMessage, ...]:
    """Return the messages of such a file, which never changes."""
    with Path(path).open(encoding="utf-8") as lines:
        return tuple(AppMessage(**json.loads(line)) for line in lines)


def capture_message(call: Call, *, queue: str) -> Message:
    """Return the message of a call."""
    with Connection("memory://") as connection:
        _task(call).apply_async(
            kwargs=dict(call.arguments),
            task_id=call.task_id,
            queue=queue,
            headers=call.headers,
            connection=connection,
            **call.options,
        )
        (message,) = _taken(queue)
        return message


def capture_canvas(shape: str, calls: Sequence[Call], *, queue: str) -> list[Message]:
    """Return the first messages of a chain, group or chord of calls.

    The last call of a chord is its body. Calls don't get each other's results. Of a chord, the
    backend needs the number of calls before the body under `chord_size_key`.
    """
    steps = [
        _task(call)
        .si(**call.arguments)
        .set(queue=queue, task_id=call.task_id, headers=call.headers, **call.options)
        for call in calls
    ]
    shapes: Mapping[str, Callable[[], Any]] = {
        "chain": lambda: chain(*steps),
        "group": lambda: group(steps),
        "chord": lambda: chord(steps[:-1], steps[-1]),
    }
    shapes[shape]().apply_async()
    return _taken(queue)


def chord_size_key(group_id: str, *, prefix: str) -> str:
    """Return the key of the number of calls before a chord's body, in Celery's Redis backend.

    ``prefix`` is the backend's ``global_keyprefix``, or empty.
    """
    app = Celery("producer", backend="redis://", set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    backend: Any = app.backend
    return str(backend.get_key_for_group(group_id, ".s"), "ascii")


def _taken(queue: str) -> list[Message]:
    # queues in memory are shared by the process, so this one is deleted
    waiting = memory.Channel.queues.pop(queue)
    return [waiting.get_nowait() for _ in range(waiting.qsize())]


@cache
def _app(*, stores_result: bool) -> Celery:
    """Return the app of the tasks; to make one takes 15 ms of CPU."""
    app = Celery("producer", broker="memory://", backend=_BACKEND, set_as_current=False)
    app.conf.task_ignore_result = not stores_result
    return app


def _task(call: Call) -> Any:
    app = _app(stores_result=call.stores_result)
    # unshared, since Celery would otherwise give it to every app of this process; what a message
    # asks for overrides the worker's setting
    return app.task(name=call.kind, ignore_result=not call.stores_result, shared=False)(_stub)


def _stub(**_arguments: object) -> None:
    """Represents the job in the producer, which never runs it."""
