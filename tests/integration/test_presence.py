"""Which workers would run the jobs, by the keys that they keep in Redis."""

from __future__ import annotations

import json

import redis

from poolbench.keys import queue_name, worker_key
from poolbench.presence import WorkerGroup, find_workers
from tests.integration.producer_stand_ins import show_worker


def test_workers_of_one_contender_are_added_up(client: redis.Redis) -> None:
    """Workers on several hosts serve one queue together; others' are not counted."""
    show_worker(client, "gevent", slots=100, name="a-1")
    show_worker(client, "gevent", slots=20, name="b-7", has_events=True)
    show_worker(client, "gevent-acks", slots=3, name="a-2")
    show_worker(client, "solo", slots=1, name="a-3")

    group = find_workers(client, "gevent")

    assert group == WorkerGroup(workers=2, slots=120, has_events=True)


def test_workers_of_another_scope_are_not_there(client: redis.Redis) -> None:
    """A lab run's worker has another queue; one that shows no queues, for want of room, counts."""
    here, there = queue_name("gevent"), queue_name("gevent", scope="lab-run")
    show_worker(client, "gevent", scope="lab-run")

    assert find_workers(client, "gevent", queue=here) == WorkerGroup()
    assert find_workers(client, "gevent", queue=there).workers == 1
    client.set(worker_key("gevent", "a-1"), json.dumps({"slots": 2, "queues": []}))
    assert find_workers(client, "gevent", queue=here) == WorkerGroup(workers=1, slots=2)


def test_a_garbled_key_is_no_worker(client: redis.Redis) -> None:
    """Somebody else's key does not stop the producer."""
    for number, text in enumerate(("", "{", "[]", "3", "null")):
        client.set(worker_key("gevent", f"a-{number}"), text)

    assert find_workers(client, "gevent") == WorkerGroup()
