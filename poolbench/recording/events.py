"""What the probe of a recorded worker reports to its recorder: one message an event.

A job waits while its probe writes, so the probe only collects values, and the recorder makes the
stored lines of them (`execution_lines`), many at a time. A message is a tuple in the format of
`marshal`, the fastest of Python's own: a number for its type, and then the members of the type. A
message that is `bytes` is a line to be stored as it is. Writer and reader are the same interpreter,
at the two ends of a private pipe.
"""

from __future__ import annotations

import marshal
import select
from typing import Any, NamedTuple, TypeAlias

#: Version of marshal's format: the last one that doesn't look for repeated objects.
FORMAT = 2

#: Longest message, which is written to a pipe in one piece, bytes.
MESSAGE_MAX_BYTES = getattr(select, "PIPE_BUF", 512)

#: Most characters of a text in a message that would be longer.
_CUT_CHARS = 80


class Pool(NamedTuple):
    """The worker's pool is about to start."""

    pool_seen: str
    #: Name of the worker.
    worker: str


class Queue(NamedTuple):
    """A queue that the worker takes messages from, of one route or of all others."""

    #: Exchange and routing key; None for all that aren't reported.
    route: tuple[object, object] | None
    #: None if it is unknown.
    name: str | None


class Message(NamedTuple):
    """A message that Celery ends without receiving it; a verdict follows."""

    nonce: int
    kind: str
    job_id: object
    attempt: object


class Received(NamedTuple):
    """Celery's consumer has received a message."""

    nonce: int
    t_ns: int
    kind: str
    job_id: object
    attempt: object
    parent_id: object
    root_id: object
    published_ns: object
    eta_s: float | None
    size_bytes: int | None
    priority: object
    exchange: object
    routing_key: object


class Started(NamedTuple):
    """A slot is about to call the job's function."""

    nonce: int
    t_ns: int
    pid: int
    #: Identity of the slot in its process.
    slot: int
    thread_id: int
    are_sockets_patched: bool
    is_gil_enabled: bool
    #: Resident memory of the process, bytes; None if it was not read.
    rss_bytes: int | None


class Finished(NamedTuple):
    """A slot has finished a job."""

    nonce: int
    t_ns: int
    pid: int
    state: str | None
    cpu_ns: int | None
    work_ns: int | None
    blocked_ns: int | None
    running_ns: int | None
    rss_bytes: int | None
    child_cpu_ns: int | None


class Verdict(NamedTuple):
    """Celery's verdict on an execution."""

    #: The nonce, or the id of a job: then it is about its last execution.
    execution: int | str
    t_ns: int
    outcome: str
    #: Name of the error's class.
    error: str


class GilMeasured(NamedTuple):
    """The helper of ``--gil-probe`` has found out whether the job on a core holds the GIL."""

    t_ns: int
    pid: int
    thread_id: int
    is_held: bool


Event: TypeAlias = Pool | Queue | Message | Received | Started | Finished | Verdict | GilMeasured

_TYPES = (Pool, Queue, Message, Received, Started, Finished, Verdict, GilMeasured)

#: Numbers of the types.
POOL, QUEUE, MESSAGE, RECEIVED, STARTED, FINISHED, VERDICT, GIL_MEASURED = range(len(_TYPES))


def pack(*values: Any) -> bytes:
    """Return a message: a type's number and its members, or a line. Long texts are cut if needed.

    Raises:
        ValueError: if a value is of a type that marshal doesn't know.
    """
    message = marshal.dumps(values if len(values) > 1 else values[0], FORMAT)
    if len(message) > MESSAGE_MAX_BYTES and len(values) > 1:
        message = marshal.dumps(tuple(map(_cut, values)), FORMAT)
    return message


def unpack(stream: bytes) -> tuple[list[Event | bytes], bytes]:
    """Return the messages in a stream, and what is left of it: the beginning of another one."""
    found: list[Event | bytes] = []
    at = 0
    view = memoryview(stream)
    while at < len(stream):
        try:
            message = marshal.loads(view[at:])  # noqa: S302 -- of this worker's own processes
        except EOFError:
            return found, stream[at:]
        # marshal doesn't tell how much it has read
        at += len(marshal.dumps(message, FORMAT))
        if isinstance(message, bytes):
            found.append(message)
        else:
            number, *members = message
            found.append(_TYPES[number](*members))
    return found, b""


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_CUT_CHARS]
    return value if isinstance(value, (int, float, bool, type(None))) else None
