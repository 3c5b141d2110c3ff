"""Which workers would run the jobs, by the keys that they keep in Redis."""

from __future__ import annotations

import json

import redis

from poolbench.keys import queue_name, worker_key
from poolbench.presence import WorkerGroup, find_workers
from tests.integration.producer_stand_ins import show_worker


def test_workers_of_another_scope_are_not_there(client: redis.Redis) -> None:
    """A lab run's worker has another queue; one that shows no queues, for want of room, counts."""
    here, there = queue_name("gevent"), queue_name("gevent", scope="lab-run")
    show_worker(client, "gevent", scope="lab-run")

    assert find_workers(client, "gevent", queue=here) == WorkerGroup()
    assert find_workers(client, "gevent", queue=there).workers == 1
    client.set(worker_key("gevent", "a-1"), json.dumps({"slots": 2, "queues": []}))
    assert find_workers(client, "gevent", queue=here) == WorkerGroup(workers=1, slots=2)
