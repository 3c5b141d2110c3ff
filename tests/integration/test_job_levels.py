"""Where a contender's jobs are, by the keys in Redis that Celery and the recorder keep."""

from __future__ import annotations

import json
import time
from typing import Any

import redis

from collector.run_manifest import Contender, WorkerGroup
from lab.instruments.job_levels import JobLevels, LevelReader
from poolbench.keys import list_key, queue_name, unacked_keys, worker_key

_SCOPE = "run.0"

_PAIR = Contender(
    name="pair",
    pool="threads",
    slots=3,
    groups=(
        WorkerGroup(name="a", pool="threads", slots=1, queues=("cpu",)),
        WorkerGroup(name="b", pool="threads", slots=2, queues=("", "io")),
    ),
)


def report(client: redis.Redis, pid: int, *, queue: str = "", age_s: float = 0.0) -> None:
    """Let a worker report one job of each state."""
    found: dict[str, Any] = {
        "host": "here",
        "pid": pid,
        "t_ns": time.time_ns() - round(age_s * 1e9),
        "queues": [queue_name("pair", scope=_SCOPE, queue=queue)],
        "prefetch_count": 4,
        **dict.fromkeys(("reserved_jobs", "running_jobs", "countdown_jobs"), 1),
    }
    client.set(worker_key("pair", f"here-{pid}"), json.dumps(found))


def read(client: redis.Redis) -> JobLevels:
    """Return the levels of `_PAIR` now."""
    return LevelReader.of(client, contender=_PAIR, scope=_SCOPE).read()


def test_every_queue_priority_and_worker_is_counted(client: redis.Redis) -> None:
    """The workers of another block have other queues, and don't count."""
    io = queue_name("pair", scope=_SCOPE, queue="io")
    client.lpush(queue_name("pair", scope=_SCOPE), "default")
    client.lpush(list_key(io, priority=3), "3", "3 too")
    client.lpush(queue_name("pair", scope="run.1"), "of another block")
    unacked = unacked_keys("pair", scope=_SCOPE)["unacked_key"]
    client.hset(unacked, mapping={"1": "", "2": ""})
    report(client, 1, queue="cpu")
    report(client, 2, queue="io")
    report(client, 3, queue="other")

    found = read(client)
    assert (found.queue_jobs, found.unacked_jobs) == (3, 2)
    assert (found.prefetch_count, found.reserved_jobs, found.countdown_jobs) == (8, 2, 2)
    assert not found.is_at_rest


def test_counts_are_unknown_if_a_worker_does_not_report(client: redis.Redis) -> None:
    """An old heartbeat is one of a worker whose loop is busy; no sum is made of the others."""
    report(client, 1, queue="cpu")
    report(client, 2, queue="io", age_s=60)

    found = read(client)
    assert (found.queue_jobs, found.prefetch_count, found.counted_ns) == (0, None, None)
