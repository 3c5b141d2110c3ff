"""Who would run the jobs: the workers that show themselves in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import redis

from poolbench.keys import queue_name, worker_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The live workers of one contender's queue."""

    contender: str
    workers: int = 0
    #: Jobs that they can have in flight together.
    slots: int = 0
    #: Whether Celery sends an event for each of their jobs, which costs throughput.
    has_events: bool = False


def find_crew(client: redis.Redis, contender: str, *, scope: str = "") -> Crew:
    """Return the workers that listen on a contender's queue at this moment; there may be none."""
    queue = queue_name(contender, scope=scope)
    keys = list(client.scan_iter(match=worker_key(contender, "*"), count=1_000))
    shown = [_read(text) for text in (client.mget(keys) if keys else [])]
    # a worker of very many queues shows none of them
    ours = [each for each in shown if each and queue in (each.get("queues") or [queue])]
    return Crew(
        contender=contender,
        workers=len(ours),
        slots=sum(_slots(each) for each in ours),
        has_events=any(bool(each.get("events")) for each in ours),
    )


def _read(text: Any) -> dict[str, Any]:
    """Return what a worker shows; nothing if its key ended meanwhile or is garbled."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _slots(shown: dict[str, Any]) -> int:
    slots = shown.get("slots")
    return slots if isinstance(slots, int) else 0
