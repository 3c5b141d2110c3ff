"""A worker's presence in a real broker."""

from __future__ import annotations

import json
import socket

import redis

from lab.stack.health import redis_problem, worker_problem
from poolbench.keys import worker_key
from poolbench.settings import Settings, load_settings
from tests.conftest import Server


def settings_of(server: Server, *, password: str | None = None) -> Settings:
    """Return settings that name that broker."""
    url = server.url.replace(server.password, password) if password else server.url
    return load_settings({"POOLBENCH_REDIS_URL": url}, dotenv=None)


def test_a_broker_that_answers_is_healthy(server: Server) -> None:
    """A wrong password is told as such."""
    assert redis_problem(settings_of(server)) == ""
    assert redis_problem(settings_of(server, password="wrong")).endswith("refuses the password")


def test_a_worker_is_healthy_when_its_own_presence_is_there(
    server: Server, client: redis.Redis
) -> None:
    """Another worker or host of the contender, or a garbled key, proves nothing."""
    settings, here = settings_of(server), socket.gethostname()
    client.set(worker_key("solo", "here-1"), "no json")
    client.set(worker_key("solo", "here-2"), json.dumps({"host": here, "pid": 2}))
    client.set(worker_key("threads", "here-3"), json.dumps({"host": here, "pid": 3}))
    client.set(worker_key("solo", "there-4"), json.dumps({"host": "elsewhere", "pid": 4}))

    assert worker_problem(settings, contender="solo", pid=2) == ""
    for pid in (3, 4):
        assert "no heartbeat" in worker_problem(settings, contender="solo", pid=pid)
