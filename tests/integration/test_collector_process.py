"""`python -m collector` as a process: how it starts, waits, stops and complains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
import redis

from collector.store import RunFolder
from lab.system.redis_server import RedisServer
from poolbench.errors import ExitCode
from poolbench.keys import RUNS, records_stream, run_key, summary_key
from poolbench.records import TrialPlan
from tests.conftest import Server, wait_until
from tests.processes import running_python
from tests.wire import encode_line


class Collector:
    """A collector in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], *, log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        """Return what it has said so far."""
        return self._log.read_text()

    def says(self, text: str, times: int = 1) -> Callable[[], bool]:
        """Return whether it has said something so many times, as a question to poll."""
        return lambda: self.log().count(text) >= times

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)


@contextmanager
def collector(tmp_path: Path, *arguments: str, **environ: str) -> Iterator[Collector]:
    """Run a collector; it is killed if the test doesn't stop it."""
    log = tmp_path / "collector.log"
    words = ("-m", "collector", *arguments)
    with running_python(*words, log=log, environ={**os.environ, **environ}) as process:
        yield Collector(process, log=log)


def submit(client: redis.Redis, run: str) -> None:
    """Leave a run of one job in Redis: all is sent, and done."""
    plan = TrialPlan(trial=0, contender="solo", pool="solo", slots=1, kind="io.sleep")
    client.hset(run_key(run), mapping={"source": "producer", "trials": json.dumps([asdict(plan)])})
    client.hset(run_key(run), mapping={"created_ns": 1, "sent_all_ns": 2, "sent:0": 1})
    client.zadd(RUNS, {run: time.time()})
    for moment in ("received", "started", "finished"):
        line = {
            "v": 1, "m": moment, "run": run, "trial": 0, "seq": 0, "attempt": 0, "nonce": "n",
            "t_ns": time.time_ns(), "due_ns": 1, "sent_ns": 1, "state": "SUCCESS",
        }  # fmt: skip
        client.xadd(records_stream(run), {"lines": encode_line(line)})


def wait_closed(client: redis.Redis, run: str) -> None:
    """Wait until the run is published as closed."""

    def is_closed() -> bool:
        text = client.get(summary_key(run))
        return isinstance(text, str) and json.loads(text)["state"] == "closed"

    wait_until(is_closed, what="the run is published as closed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_collects_until_told_to_stop(
    server: Server, client: redis.Redis, run_id: str, tmp_path: Path, number: int
) -> None:
    """The run is published and stored; the end is clean, and told in one line."""
    heartbeat = tmp_path / "heartbeat"
    submit(client, run_id)
    settings = {
        "POOLBENCH_REDIS_URL": server.url,
        "POOLBENCH_HEARTBEAT_FILE": str(heartbeat),
        "POOLBENCH_RESULTS_DIR": str(tmp_path / "results"),
    }
    with collector(tmp_path, **settings) as running:
        wait_closed(client, run_id)
        assert heartbeat.exists()

        assert running.stop(number) == ExitCode.OK

    assert RunFolder(tmp_path / "results" / run_id).read_jobs()["outcome"].to_list() == ["done"]
    lines = [line.partition(" ")[2] for line in running.log().splitlines()]
    assert lines == [
        f"collecting from 127.0.0.1:{server.port} into {tmp_path / 'results'}",
        f"run {run_id}: closed, 1 sent, 1 done",
        "stopped",
    ]
    assert server.password not in running.log()


def test_broker_that_is_away_is_waited_for(run_id: str, tmp_path: Path) -> None:
    """Started before the broker, and again when the broker restarts: it goes on, one line each."""
    server = RedisServer(folder=tmp_path / "server")
    url = server.url()

    with collector(tmp_path, "--results", str(tmp_path / "r"), POOLBENCH_REDIS_URL=url) as running:
        for count in (1, 2):
            wait_until(running.says("is away", count), what="it says that Redis is away")
            with server:
                wait_until(running.says("Redis is back", count), what="it says that Redis is back")
                with redis.Redis.from_url(url, decode_responses=True) as client:
                    submit(client, f"{run_id}-{count}")
                    wait_closed(client, f"{run_id}-{count}")
        assert running.stop() == ExitCode.OK

    assert server.password not in running.log()


def test_stop_is_quick_though_the_broker_hangs(server: Server, tmp_path: Path) -> None:
    """A broker that accepts and never answers doesn't hold up the end."""
    with collector(
        tmp_path, "--results", str(tmp_path / "r"), POOLBENCH_REDIS_URL=server.url
    ) as running:
        wait_until(running.says("collecting from"), what="it has started")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            code = running.stop()
        finally:
            os.kill(server.pid, signal.SIGCONT)

    assert code == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "complaint"),
    [
        pytest.param(
            [], {"POOLBENCH_REDIS_URL": "redis://:wrong@127.0.0.1:{port}/0"}, ExitCode.STACK,
            "collector: Redis at 127.0.0.1:{port} refuses the password", id="wrong-password",
        ),
        pytest.param(
            [], {"POOLBENCH_REDIS_PORT": "none"}, ExitCode.USAGE,
            "collector: POOLBENCH_REDIS_PORT = 'none' is invalid", id="bad-setting",
        ),
        pytest.param(
            ["--stall-after", "-1"], {}, ExitCode.USAGE,
            "collector: --stall-after = -1 is invalid", id="bad-option",
        ),
        pytest.param(
            ["--results", "{taken}"], {}, ExitCode.STORAGE,
            "collector: {taken}: File exists. Check the disk", id="results-is-a-file",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_served_is_one_clear_line(
    server: Server,
    tmp_path: Path,
    arguments: list[str],
    environ: dict[str, str],
    code: ExitCode,
    complaint: str,
) -> None:
    """The exit code of its kind, one line of complaint, no traceback and no password."""
    taken = tmp_path / "taken"
    taken.write_text("in the way")
    words = {"port": str(server.port), "taken": str(taken)}
    arguments = [argument.format(**words) for argument in ["--results", str(tmp_path), *arguments]]
    environ = {name: value.format(**words) for name, value in environ.items()}

    with collector(tmp_path, *arguments, **environ) as running:
        assert running.process.wait(timeout=20) == code

    complaints = [line for line in running.log().splitlines() if "collecting from" not in line]
    assert len(complaints) == 1
    assert complaints[0].startswith(complaint.format(**words))
    assert "wrong@" not in running.log()
