"""What a worker says when its broker can't be used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import redis

from lab.system.paths import ROOT
from lab.system.redis_server import free_port
from poolbench.calibration import read_calibration
from poolbench.errors import ExitCode, StackError
from poolbench.jobs import JOB_KINDS
from poolbench.keys import CALIBRATION
from poolbench.settings import load_settings
from tests.conftest import Server
from tests.processes import run_python
from worker import cli
from worker.broker import wait_for_broker


def test_a_calibration_is_published_where_producers_look(
    client: redis.Redis, server: Server, tmp_path: Path
) -> None:
    """One command leaves what every kind with units costs, and tells the same."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "POOLBENCH_REDIS_URL": server.url}

    words = ("calibrate", "--publish", "--json")
    done = run_python("-m", "worker", *words, environ=environ, folder=tmp_path)

    assert done.returncode == ExitCode.OK, done.stderr
    found = read_calibration(str(client.get(CALIBRATION)))
    assert found == json.loads(done.stdout)
    assert found.keys() == {name for name, kind in JOB_KINDS.items() if kind.calibrated}


def test_a_calibration_without_a_broker_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the broker's address."""
    port = str(free_port())
    monkeypatch.setenv("POOLBENCH_REDIS_PORT", port)

    assert cli.main(["calibrate", "--publish"]) == ExitCode.STACK
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"worker: Redis at 127.0.0.1:{port} doesn't answer")


def test_a_broker_that_is_away_is_named() -> None:
    """After the wait the message says where it looked and which variables decide that."""
    port = free_port()
    settings = load_settings({"POOLBENCH_REDIS_PORT": str(port)}, dotenv=None)

    with pytest.raises(
        StackError, match=rf"127\.0\.0\.1:{port} can't be reached.*POOLBENCH_REDIS_URL"
    ):
        wait_for_broker(settings, within_s=0.1)


def test_an_impossible_database_is_refused(server: Server) -> None:
    """The check returns as soon as the broker answers; what it refuses isn't tried again."""
    wait_for_broker(load_settings({"POOLBENCH_REDIS_URL": server.url}, dotenv=None))
    url = server.url.removesuffix("/0") + "/9999"

    with pytest.raises(StackError, match="refuses commands"):
        wait_for_broker(load_settings({"POOLBENCH_REDIS_URL": url}, dotenv=None), within_s=60.0)


def test_a_wrong_password_ends_the_worker_with_one_line(server: Server) -> None:
    """Celery alone would try for ever; we say so at once, exit 3, and don't print the password."""
    url = f"redis://:not-the-secret@127.0.0.1:{server.port}/0"
    environ = {**os.environ, "POOLBENCH_REDIS_URL": url, "PYTHONWARNINGS": "ignore"}

    done = run_python("-m", "worker", "--pool", "gevent", environ=environ, within_s=30)

    assert done.returncode == ExitCode.STACK
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"worker: the broker at 127.0.0.1:{server.port} refuses commands: ")
    assert "not-the-secret" not in line
