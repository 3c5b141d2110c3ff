"""The step in Celery's consumer that shows, every two seconds, that a worker is alive."""

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

#: Between two heartbeats, seconds.
HEARTBEAT_S = 2.0

_log = logging.getLogger("poolbench.probe")


class Heartbeat(bootsteps.StartStopStep):
    """Beats while the consumer has its broker, in the consumer's own loop.

    Each start is a life of its own. Kombu's ``call_repeatedly`` is not used: on gevent it can't be
    cancelled after its first call, so every reconnection would leave one more of them running.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    #: Set by the probe before a worker builds its steps.
    on_pool: Callable[[Any], None]
    on_beat: Callable[[Any], None]

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._life = 0
        type(self).on_pool(consumer)

    def start(self, parent: Any) -> None:
        """Beat now, and again and again."""
        self._life += 1
        self._beat(parent, self._life)

    def stop(self, parent: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Let the next beat be none."""
        self._life += 1

    def terminate(self, parent: Any) -> None:
        """Stop, also in a cold shutdown."""
        self.stop(parent)

    def _beat(self, consumer: Any, life: int) -> None:
        if life == self._life:
            type(self).on_beat(consumer)
            consumer.timer.call_after(HEARTBEAT_S, self._beat, (consumer, life))


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
    # a worker of hundreds of queues is still shown
    return wire if len(wire) < LINE_MAX_BYTES else _dump({**fields, "queues": []})


def _sends_job_events(dispatcher: Any) -> bool:
    """Return whether Celery sends an event for each job, and not only its own heartbeats."""
    if dispatcher is None or not dispatcher.enabled:
        return False
    return not dispatcher.groups or "task" in dispatcher.groups


def touch(path: Path) -> None:
    """Renew a heartbeat file; a file that can't be written is logged."""
    try:
        path.touch()
    except OSError as error:
        _log.warning("the heartbeat file can't be written: %s", error)


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
