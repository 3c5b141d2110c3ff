"""The step in Celery's consumer that reports every second that a worker is alive, and its jobs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker import state
from celery.worker.request import Request

from poolbench.evidence import class_path, pool_name
from poolbench.machine import host
from poolbench.records import LINE_MAX_BYTES, Moment, encode_line

#: Interval between two heartbeats, seconds.
HEARTBEAT_S = 1.0

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


def alive_line(consumer: Any, *, contender: str, **counts: int) -> bytes:
    """Return the heartbeat of a worker: its identity, pool, slots, queues and `job_levels`.

    ``counts`` are further members.
    """
    fields = {
        "contender": contender,
        "pool": pool_name(class_path(consumer.pool)),
        "slots": slots_of(consumer.pool),
        "events": _sends_job_events(consumer.event_dispatcher),
        "host": host(),
        "pid": os.getpid(),
        **job_levels(consumer),
        **counts,
        "queues": [queue.name for queue in consumer.task_consumer.queues],
    }
    line = encode_line(Moment.ALIVE, **fields)
    # a worker with hundreds of queues is reported without them
    return (
        line
        if len(line) < LINE_MAX_BYTES
        else encode_line(Moment.ALIVE, **{**fields, "queues": []})
    )


def slots_of(pool: Any) -> int:
    """Return the number of a pool's slots.

    Before Celery 5.7, gevent's ``num_processes`` is the number of running greenlets.
    """
    is_gevent = pool_name(class_path(pool)) == "gevent"
    return int(pool.limit if is_gevent else pool.num_processes)


def job_levels(consumer: Any) -> dict[str, int]:
    """Return how many jobs a worker may prefetch, and how many it has, by name.

    ``prefetch_count`` is 0 without a limit. ``countdown_jobs`` wait for the end of a countdown,
    ``reserved_jobs`` for a slot or a rate limit, and ``running_jobs`` have a slot. The result is
    empty if they can't be counted.
    """
    try:
        scheduled = _scheduled_requests(consumer)
        running = len(state.active_requests)
        # a job with a countdown and a rate limit counts as the former until it is released
        limited = sum(
            request not in scheduled
            for bucket in tuple(consumer.task_buckets.values())
            if bucket
            for request, _ in tuple(bucket.contents)
        )
        return {
            "prefetch_count": consumer.qos.value,
            "reserved_jobs": max(0, len(state.reserved_requests) - running) + limited,
            "running_jobs": running,
            "countdown_jobs": len(scheduled),
        }
    except (AttributeError, TypeError):
        return {}


def _scheduled_requests(consumer: Any) -> Collection[Any]:
    """Return the requests that wait for the end of a countdown."""
    counted: Collection[Any] | None = getattr(state, "scheduled_requests", None)
    if counted is not None:
        return counted
    # Celery before 5.7 has them in its timer alone; its public `queue` sorts a copy
    timed = [one.entry.args for one in tuple(consumer.timer.schedule._queue)]  # noqa: SLF001
    return {args[0] for args in timed if args and isinstance(args[0], Request)}


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
