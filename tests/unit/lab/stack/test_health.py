"""Whether a service does its work, asked from outside."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lab.stack.health import (
    Status,
    failure,
    heartbeat_problem,
    http_problem,
    redis_problem,
    wait_until_healthy,
    worker_problem,
)
from lab.stack.services import HEARTBEAT_LIMIT_S
from lab.system.redis_server import free_port
from poolbench.settings import load_settings


@pytest.fixture
def web_port(tmp_path: Path) -> Iterator[int]:
    """Port of a server that answers 200 at /health and 404 elsewhere."""
    (tmp_path / "health").touch()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield web.server_address[1]
        web.shutdown()
        thread.join()


STARTING = Status(name="x", state="starting")
RUNNING = Status(name="x", state="running")
OTHER = Status(name="y", state="running")
FAILED = Status(name="y", state="failed", problem="exit code 1")
HUNG = Status(name="x", state="running", problem="no answer")


def test_a_page_that_answers_200_is_healthy(web_port: int) -> None:
    """Any other answer, or none, is a problem with its reason."""
    assert http_problem(web_port, path="/health") == ""
    assert http_problem(web_port, path="/other").endswith("/other answers 404")
    assert http_problem(free_port(), path="/health").startswith("no answer from 127.0.0.1:")


def test_a_heartbeat_must_be_fresh(tmp_path: Path) -> None:
    """An old file is a sign that something hangs."""
    path = tmp_path / "beat"
    assert heartbeat_problem(path) == "not ready: no heartbeat yet"

    path.touch()
    assert heartbeat_problem(path) == ""

    old_s = time.time() - HEARTBEAT_LIMIT_S - 1
    os.utime(path, (old_s, old_s))
    assert heartbeat_problem(path).startswith("no heartbeat for 1")


def test_a_broker_that_is_away_is_problem_for_its_workers_too() -> None:
    """And the reason names no password."""
    environ = {"POOLBENCH_REDIS_URL": f"redis://:hidden@127.0.0.1:{free_port()}/0"}
    settings = load_settings(environ, dotenv=None)

    said = [redis_problem(settings), worker_problem(settings, contender="solo", pid=1)]

    assert said[0].startswith("no answer from 127.0.0.1:")
    assert said[1].startswith("unknown, the broker can't be read: ")
    assert "hidden" not in " ".join(said)


@pytest.mark.parametrize(
    ("answers", "within_s", "found"),
    [
        # one that is not ready yet is asked again
        ([[STARTING, OTHER], [RUNNING, OTHER]], 5, None),
        # nobody waits for what can't come, even if others are still starting
        ([[STARTING, FAILED]], 3_600, FAILED),
        # at the limit, the one that isn't healthy
        ([[STARTING, OTHER]], 0.01, STARTING),
        ([[OTHER, HUNG]], 0.01, HUNG),
    ],
    ids=["all healthy", "one failed", "still starting", "no answer"],
)
def test_waiting_ends_when_all_are_healthy_or_one_has_failed_or_at_the_limit(
    answers: list[list[Status]], within_s: float, found: Status | None
) -> None:
    """It returns the service that isn't healthy."""
    left = list(answers)

    def ask() -> list[Status]:
        return left.pop(0) if len(left) > 1 else left[0]

    assert wait_until_healthy(ask, within_s=within_s) == found


def test_a_failure_is_told_with_the_end_of_its_log() -> None:
    """Name, reason, where the log is, and its last lines without terminal codes."""
    status = replace(FAILED, name="flower")
    log = "".join(f"line {number}\n\n" for number in range(9)) + "\x1b[2Kbad luck\n"

    lines = failure(status, log=log, where="x.log").splitlines()

    assert lines[0] == "flower did not become healthy: exit code 1; x.log ends:"
    assert lines[1:] == ["  line 5", "  line 6", "  line 7", "  line 8", "  bad luck"]
    assert failure(status, log="", where="x.log") == lines[0].partition(";")[0]
