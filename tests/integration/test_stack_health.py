"""A worker's presence in a real broker."""

from __future__ import annotations

import redis

from lab.stack.health import Health
from poolbench.keys import worker_key
from poolbench.settings import load_settings
from tests.conftest import Server


def health_of(server: Server, *, password: str | None = None) -> Health:
    """Return what asks that broker."""
    url = server.url.replace(server.password, password) if password else server.url
    return Health(load_settings({"POOLBENCH_REDIS_URL": url}, dotenv=None))


def test_a_broker_that_answers_is_healthy(server: Server) -> None:
    """A wrong password is told as such."""
    assert health_of(server).redis_trouble() == ""
    assert health_of(server, password="wrong").redis_trouble().endswith("refuses the password")


def test_a_worker_is_healthy_when_its_own_presence_is_there(
    server: Server, client: redis.Redis
) -> None:
    """Another worker of the contender, or a garbled key, proves nothing."""
    health = health_of(server)
    client.set(worker_key("solo", "here-1"), "no json")
    client.set(worker_key("solo", "here-2"), '{"pid": 2}')
    client.set(worker_key("threads", "here-3"), '{"pid": 3}')

    assert health.worker_trouble("solo", is_ours=lambda p: p["pid"] == 2) == ""
    assert "no sign of life" in health.worker_trouble("solo", is_ours=lambda p: p["pid"] == 3)
