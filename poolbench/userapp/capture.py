"""Captures the messages of a user's tasks from the app's own ``apply_async``. Nothing is sent.

The app publishes into kombu's transport in memory. Its handlers of ``before_task_publish`` and
``after_task_publish`` run, and so does what its own ``apply_async`` does besides.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from celery.backends.base import DisabledBackend
from celery.backends.cache import CacheBackend
from celery.utils.time import maybe_iso8601
from kombu import Connection
from kombu.transport import memory
from kombu.utils.imports import symbol_by_name
from kombu.utils.json import dumps

from poolbench.jobs import HEADER
from poolbench.userapp import MAX_MESSAGES, MEMORY_BROKER
from poolbench.userapp.failure import AppError, shortened
from poolbench.userapp.find import check_celery, check_tasks, find_app

#: Size of a call's messages after which no more are captured, bytes.
MAX_BYTES = 32_000_000


def capture(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messages of calls, each with marks in place of what differs by job.

    ``request`` has the app's ``module``, and ``calls``, each a mapping of the ``task``, ``args``
    and ``kwargs`` or the ``function`` of the job's number that returns them, the ``count`` of jobs,
    and the ``options`` of ``apply_async``. The answer has ``calls``: the fields of
    `producer.captured.AppMessage` for each message.

    Raises:
        AppError: if a call can't be captured.
    """
    check_celery()
    app: Any = find_app(request["module"])
    check_tasks(app, (call["task"] for call in request["calls"]))
    if app.conf.task_always_eager:
        raise AppError("eager", "task_always_eager is set: the app runs its tasks where it calls")
    with Connection(MEMORY_BROKER) as connection:
        _check_in_memory(app)
        # a queue is bound to its exchange by its consumer
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()
        return {"calls": [_capture_call(app, call, connection) for call in request["calls"]]}


def _check_in_memory(app: Any) -> None:
    """Check that the app connects to nothing when it publishes: a call may ask for its result."""
    if app.connection_for_write().info()["transport"] != "memory":
        raise AppError("broker", "broker_write_url is not redirected by the environment")
    if not isinstance(app.backend, (CacheBackend, DisabledBackend)):
        raise AppError("backend", "result_backend is not redirected by the environment")


def _capture_call(app: Any, call: Mapping[str, Any], connection: Connection) -> list[Any]:
    messages: list[dict[str, Any]] = []
    size = 0
    for number, (args, kwargs) in enumerate(_arguments(call)):
        what = f"job {number} of {call['task']}" if call["function"] else call["task"]
        message = _capture_message(app, call, args, kwargs, what=what, connection=connection)
        messages.append(message)
        size += len(message["text"])
        if size > MAX_BYTES:
            break
    return messages


def _arguments(call: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the arguments of each message of a call."""
    if not call["function"]:
        yield call["args"], call["kwargs"]
        return
    function = _function(call["function"])
    for number in range(min(call["count"], MAX_MESSAGES)):
        where = f"{call['function']}({number})"
        try:
            found = function(number)
        except Exception as error:
            raise AppError("arguments", f"{where} raised {shortened(error)}") from error
        is_pair = isinstance(found, tuple) and len(found) == 2
        if is_pair and isinstance(found[0], (list, tuple)) and isinstance(found[1], Mapping):
            yield found
        elif isinstance(found, (list, tuple)):
            yield found, {}
        else:
            kind = type(found).__name__
            raise AppError(
                "arguments", f"{where} returned {kind}", remedy="return args or (args, kwargs)"
            )


def _function(name: str) -> Callable[[int], Any]:
    try:
        found = symbol_by_name(name)
    except Exception as error:
        raise AppError("arguments", f"{name} can't be imported: {shortened(error)}") from error
    if not callable(found):
        raise AppError("arguments", f"{name} is no function")
    return found  # type: ignore[no-any-return]  # checked when it returns


def _capture_message(
    app: Any,
    call: Mapping[str, Any],
    args: Any,
    kwargs: Any,
    *,
    what: str,
    connection: Connection,
) -> dict[str, Any]:
    queues = memory.Channel.queues
    for queue in queues.values():
        queue.queue.clear()
    begun_s = time.time()
    try:
        app.tasks[call["task"]].apply_async(
            args=args, kwargs=kwargs, connection=connection, **call["options"]
        )
    except Exception as error:
        raise AppError("arguments", f"{what} can't be called: {shortened(error)}") from error
    taken = [
        (name, queue.get_nowait()) for name, queue in queues.items() for _ in range(queue.qsize())
    ]
    if len(taken) != 1:
        number = len(taken) or "no"
        messages = "messages" if taken else "message in a queue of the app"
        raise AppError("message", f"{what} sends {number} {messages}; a try needs one in one queue")
    ((queue_name, message),) = taken
    return _marked(app, call, message, queue=queue_name, begun_s=begun_s)


def _marked(
    app: Any,
    call: Mapping[str, Any],
    message: dict[str, Any],
    *,
    queue: str,
    begun_s: float,
) -> dict[str, Any]:
    headers, properties = message["headers"], message["properties"]
    if "id" not in headers:
        raise AppError("protocol", "task_protocol = 1 is too old", remedy="use task_protocol = 2")
    declared = app.amqp.queues.get(queue)
    if declared is not None and declared.exchange.type == "fanout":
        raise AppError(
            "message", f"{call['task']} goes to every worker: {queue} has a fanout exchange"
        )
    # kombu's delivery tag only has to be unique: the job's id is
    properties["delivery_tag"] = headers["id"]
    marks = {name: secrets.token_hex(16) for name in (HEADER, "eta", "expires")}
    delays_s = {}
    for name, option in (("eta", "countdown"), ("expires", "expires")):
        if headers.get(name):
            delays_s[name] = _delay_s(
                app, headers[name], given=call["options"].get(option), begun_s=begun_s
            )
            headers[name] = marks[name]
    headers[HEADER] = marks[HEADER]
    return {
        "queue": queue,
        "priority": int(properties.get("priority") or 0),
        "text": dumps(message),
        "task_id": headers["id"],
        "header": marks[HEADER],
        "eta": marks["eta"],
        "expires": marks["expires"],
        "countdown_s": delays_s.get("eta", 0.0),
        "expires_s": delays_s.get("expires", 0.0),
    }


def _delay_s(app: Any, text: str, *, given: float | None, begun_s: float) -> float:
    """Return the seconds from a call until a time in its message; ``given`` if the call has it."""
    if given is not None:
        return float(given)
    at: Any = maybe_iso8601(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=app.timezone)
    delay_s: float = at.timestamp() - begun_s
    return max(0.0, round(delay_s, 3))
