"""Reads where a contender's jobs are at one time: in its queues, or in its workers.

Only Redis is asked. The workers report their counts with their heartbeats, each second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import redis

from collector.run_manifest import Contender
from poolbench.keys import queue_lists, queue_name, unacked_keys
from poolbench.presence import live_keys

#: kombu's default key of unacknowledged messages.
UNACKED_KEY = "unacked"

#: All priorities: a queue has lists for some of them, by default 0, 3, 6 and 9.
PRIORITIES = range(10)

#: Greatest age of a heartbeat that counts, seconds. A worker whose loop is busy doesn't report.
FRESH_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLevels:
    """Jobs of one contender by where they are; None where one of its workers doesn't report."""

    #: Time of the workers' counts: of the oldest of their heartbeats, Unix ns.
    counted_ns: int | None = None
    #: Messages in its queues, and messages that a worker has and hasn't acknowledged.
    queue_jobs: int
    unacked_jobs: int
    #: As `poolbench.heartbeat.job_levels` counts them, the sum over its workers.
    prefetch_count: int | None = None
    reserved_jobs: int | None = None
    running_jobs: int | None = None
    countdown_jobs: int | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether its workers report that they have no job."""
        return 0 == self.reserved_jobs == self.running_jobs == self.countdown_jobs


#: The counts in a heartbeat.
_COUNTS = ("prefetch_count", "reserved_jobs", "running_jobs", "countdown_jobs")


class LevelReader:
    """Reads the levels of one contender's jobs."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        lists: Sequence[str],
        unacked: str,
        workers: Sequence[str],
        broker: redis.Redis | None = None,
    ) -> None:
        """Set the keys of its queues, of the unacknowledged messages, and of its workers.

        ``broker`` has the messages, if they are in another database than the heartbeats.
        """
        self._client, self._broker = client, broker or client
        self._lists, self._unacked, self._workers = lists, unacked, workers

    @classmethod
    def of_app(cls, client: redis.Redis, *, contender: Contender, broker: redis.Redis) -> Self:
        """Return the reader of a contender that runs a user's app, on a database of its own."""
        queues = sorted(contender.queues_consumed)
        return cls(
            client,
            lists=[key for queue in queues for key in queue_lists(queue, steps=PRIORITIES)],
            unacked=UNACKED_KEY,
            workers=live_keys(client, contender.name, queues=queues),
            broker=broker,
        )

    @classmethod
    def of(cls, client: redis.Redis, *, contender: Contender, scope: str) -> Self:
        """Return the reader of a contender whose workers run in a scope."""
        queues = [
            queue_name(contender.name, scope=scope, queue=queue)
            for queue in sorted(contender.queues_consumed)
        ]
        return cls(
            client,
            lists=[key for queue in queues for key in queue_lists(queue, steps=PRIORITIES)],
            unacked=unacked_keys(contender.name, scope=scope)["unacked_key"],
            workers=live_keys(client, contender.name, queues=queues),
        )

    def read(self) -> JobLevels:
        """Return the levels now, in one exchange with each database."""
        with self._broker.pipeline(transaction=False) as trip:
            for key in self._lists:
                trip.llen(key)
            trip.hlen(self._unacked)
            if self._workers and self._broker is self._client:
                trip.mget(self._workers)
            found: list[Any] = trip.execute()
        heartbeats: list[bytes | None] = []
        if self._workers and self._broker is self._client:
            heartbeats = found.pop()
        elif self._workers:
            heartbeats = cast("list[bytes | None]", self._client.mget(self._workers))
        return JobLevels(
            queue_jobs=sum(found[:-1]),
            unacked_jobs=found[-1],
            **_sum(heartbeats, since_ns=time.time_ns() - round(FRESH_S * 1e9)),
        )

    def read_at_rest(self, *, since_ns: int, within_s: float) -> JobLevels:
        """Return the first levels at rest that the workers counted after ``since_ns``.

        If there are none within ``within_s``, return the last ones.
        """
        deadline_s = time.monotonic() + within_s
        while True:
            found = self.read()
            is_new = found.counted_ns is not None and found.counted_ns >= since_ns
            if (is_new and found.is_at_rest) or time.monotonic() > deadline_s:
                return found
            time.sleep(0.05)


def _sum(heartbeats: Iterable[bytes | None], *, since_ns: int) -> dict[str, int]:
    """Return the sums of the workers' counts; empty if one of them has none, or an old one."""
    beats = [json.loads(text or "{}") for text in heartbeats]
    if not beats or any(beat.get("t_ns", 0) < since_ns for beat in beats):
        return {}
    if not all(name in beat for beat in beats for name in _COUNTS):
        return {}
    sums = {name: sum(beat[name] for beat in beats) for name in _COUNTS}
    return {"counted_ns": min(beat["t_ns"] for beat in beats), **sums}
