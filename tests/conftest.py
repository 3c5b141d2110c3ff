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

from lab.system.redis_server import free_port, start_server

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
    folder = tmp_path_factory.mktemp("server")
    port, password = free_port(), secrets.token_hex(16)
    process = start_server(port=port, password=password, folder=folder, log=folder / "server.log")
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    yield Server(url=url, port=port, password=password, pid=process.pid)
    process.kill()
    process.wait()


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
    is_reached: Callable[[], bool], *, what: str, within_s: float = 20.0, every_s: float = 0.02
) -> None:
    """Poll until ``is_reached``; fail with ``what`` was awaited when the deadline passes."""
    deadline_s = time.monotonic() + within_s
    while not is_reached():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(every_s)
