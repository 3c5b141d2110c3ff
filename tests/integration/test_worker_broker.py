"""What a worker says when its broker can't be used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.server import free_port
from poolbench.errors import ExitCode, StackError
from poolbench.settings import load_settings
from tests.conftest import Server
from tests.integration.working import ROOT
from worker.broker import wait_for_broker


def test_a_broker_that_answers_is_taken(server: Server) -> None:
    """The check returns as soon as the broker answers."""
    wait_for_broker(load_settings({"POOLBENCH_REDIS_URL": server.url}, dotenv=None))


def test_a_broker_that_is_away_is_named() -> None:
    """After the wait the message says where it looked and which variables decide that."""
    port = free_port()
    settings = load_settings({"POOLBENCH_REDIS_PORT": str(port)}, dotenv=None)

    with pytest.raises(
        StackError, match=rf"127\.0\.0\.1:{port} can't be reached.*POOLBENCH_REDIS_URL"
    ):
        wait_for_broker(settings, within_s=0.1)


def test_an_impossible_database_is_refused(server: Server) -> None:
    """What the broker itself refuses isn't tried again."""
    url = server.url.removesuffix("/0") + "/9999"

    with pytest.raises(StackError, match="refuses us"):
        wait_for_broker(load_settings({"POOLBENCH_REDIS_URL": url}, dotenv=None), within_s=60.0)


def test_a_wrong_password_ends_the_worker_with_one_line(server: Server) -> None:
    """Celery alone would try for ever; we say so at once, exit 3, and don't print the password."""
    url = f"redis://:not-the-secret@127.0.0.1:{server.port}/0"
    environ = {**os.environ, "POOLBENCH_REDIS_URL": url, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "worker", "--pool", "gevent"]

    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=30
    )

    assert done.returncode == ExitCode.STACK
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"worker: the broker at 127.0.0.1:{server.port} refuses us: ")
    assert "not-the-secret" not in line
