"""Reads the live workers of a contender from their heartbeats in Redis."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from poolbench.keys import worker_key

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGroup:
    """The live workers of one contender together."""

    workers: int = 0
    #: Jobs that they can have in flight together.
    slots: int = 0
    #: Whether Celery sends an event for each of their jobs, which costs throughput.
    has_events: bool = False


def live_workers(client: redis.Redis, contender: str) -> list[dict[str, Any]]:
    """Return the heartbeats of a contender's live workers, as `poolbench.heartbeat` writes them.

    Keys that have expired meanwhile, or that another program wrote, are skipped.
    """
    keys = list(client.scan_iter(match=worker_key(contender, "*"), count=1_000))
    found = []
    for text in cast("list[str | None]", client.mget(keys)) if keys else ():
        try:
            heartbeat = json.loads(text or "")
        except ValueError:
            continue
        if isinstance(heartbeat, dict):
            found.append(heartbeat)
    return found


def live_keys(client: redis.Redis, contender: str, *, queues: Collection[str]) -> list[str]:
    """Return the keys of the heartbeats of a contender's live workers on any of these queues."""
    return [
        worker_key(contender, f"{worker.get('host')}-{worker.get('pid')}")
        for worker in live_workers(client, contender)
        if not set(queues).isdisjoint(worker.get("queues") or ())
    ]


def find_workers(client: redis.Redis, contender: str, *, queue: str | None = None) -> WorkerGroup:
    """Return the current workers of a contender; there may be none.

    Args:
        client: any client of the broker.
        contender: the contender's name.
        queue: only workers of this queue; None for all.
    """
    workers = [
        worker
        for worker in live_workers(client, contender)
        # a worker with very many queues reports none of them
        if queue is None or queue in (worker.get("queues") or [queue])
    ]
    slots = (worker.get("slots") for worker in workers)
    return WorkerGroup(
        workers=len(workers),
        slots=sum(count for count in slots if isinstance(count, int)),
        has_events=any(bool(worker.get("events")) for worker in workers),
    )
