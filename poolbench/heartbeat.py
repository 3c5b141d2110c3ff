"""The step in Celery's consumer that reports every two seconds that a worker is alive."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import bootsteps

from poolbench.evidence import class_path, host, pool_name
from poolbench.records import FORMAT, LINE_MAX_BYTES, Moment

#: Interval between two heartbeats, seconds.
HEARTBEAT_S = 2.0

_log = logging.getLogger("poolbench.probe")


class Heartbeat(bootsteps.StartStopStep):
    """Writes a heartbeat while the consumer is connected, in the consumer's own loop.

    Each start has a number, and a stop ends the timer of that number. kombu's ``call_repeatedly``
    is not used: on gevent it can't be cancelled after its first call, so each reconnection would
    leave one more timer running.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    #: Set by the probe before a worker builds its steps.
    on_pool: Callable[[Any], None]
    on_beat: Callable[[Any], None]

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._start_number = 0
        type(self).on_pool(consumer)

    def start(self, parent: Any) -> None:
        """Write a heartbeat now and every `HEARTBEAT_S`."""
        self._start_number += 1
        self._beat(parent, self._start_number)

    def stop(self, parent: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Stop the heartbeats."""
        self._start_number += 1

    def terminate(self, parent: Any) -> None:
        """Stop, also in a cold shutdown."""
        self.stop(parent)

    def _beat(self, consumer: Any, number: int) -> None:
        if number == self._start_number:
            type(self).on_beat(consumer)
            consumer.timer.call_after(HEARTBEAT_S, self._beat, (consumer, number))


def alive_line(consumer: Any, *, contender: str) -> bytes:
    """Return the heartbeat of a worker: its identity, pool, slots and queues."""
    fields = {
        "v": FORMAT,
        "m": Moment.ALIVE,
        "t_ns": time.time_ns(),
        "contender": contender,
        "pool": pool_name(class_path(consumer.pool)),
        "slots": consumer.pool.num_processes,
        "events": _sends_job_events(consumer.event_dispatcher),
        "host": host(),
        "pid": os.getpid(),
        "queues": [queue.name for queue in consumer.task_consumer.queues],
    }
    wire = _dump(fields)
    # a worker with hundreds of queues is reported without them
    return wire if len(wire) < LINE_MAX_BYTES else _dump({**fields, "queues": []})


def _sends_job_events(dispatcher: Any) -> bool:
    """Return whether Celery sends an event for each job, and not only its own heartbeats."""
    if dispatcher is None or not dispatcher.enabled:
        return False
    return not dispatcher.groups or "task" in dispatcher.groups


def touch(path: Path) -> None:
    """Set the time of a heartbeat file; log a warning if it can't be written."""
    try:
        path.touch()
    except OSError as error:
        _log.warning("the heartbeat file can't be written: %s", error)


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
