"""Fixtures that every kind of test shares: a real server, and keys of a test's own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from lab.system.redis_server import RedisServer

# a busy machine is no fault of what is tested
settings.register_profile("poolbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("poolbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running Redis-compatible server."""

    url: str
    port: int
    password: str
    pid: int


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real embedded server for the whole session."""
    with RedisServer(folder=tmp_path_factory.mktemp("server")) as own:
        yield Server(url=own.url(), port=own.port, password=own.password, pid=own.pid)


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client of the session's server, emptied before each test."""
    with redis.Redis.from_url(server.url, decode_responses=True) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def run_id() -> str:
    """A run id of the test's own."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def results_dir(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def wait_until(
    is_reached: Callable[[], bool], *, what: str, within_s: float = 30.0, every_s: float = 0.02
) -> None:
    """Poll until ``is_reached``; fail with ``what`` was awaited when the deadline passes."""
    deadline_s = time.monotonic() + within_s
    while not is_reached():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)
