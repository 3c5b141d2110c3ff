"""What is measured of a worker's process tree."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolbench.recording import levels
from poolbench.recording.levels import Levels, cpu_stat_files
from tests.conftest import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

#: A worker with a child that computes a while and ends, one that stays, and a connection.
_TREE = """
import socket, subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
child = subprocess.Popen(["sleep", "60"])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    print("ready", flush=True)
    sys.stdin.read()
child.kill()
"""


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """The process of `_TREE`, ready."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(
            [sys.executable, "-c", _TREE, str(server.getsockname()[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.communicate()


def _levels(pid: int) -> dict[str, float]:
    found: dict[str, float] = json.loads(Levels(pid).line(sampler_cpu_s=0.25, loop_states={}))
    return found


def test_the_whole_tree_counts(worker: subprocess.Popen[bytes]) -> None:
    """The worker and its child, the CPU time of the child that ended, and the connection."""
    found = _levels(worker.pid)
    assert found["processes"] == 2
    assert found["connections"] == 1
    assert 0.3 <= found["cpu_s"] < 5.0
    assert 1_000_000 < found["pss_bytes"] <= found["rss_bytes"]
    assert found["sampler_cpu_s"] == 0.25
    assert found["recorder_cpu_s"] == pytest.approx(found["recorder_cpu_s"], abs=60)


def test_the_recorder_is_not_part_of_its_workers_tree() -> None:
    """The recorder is a child of the worker, and so is what it starts."""
    with subprocess.Popen(["sleep", "60"]) as child:
        parent = Levels(os.getppid())
        wait_until(lambda: Path(f"/proc/{child.pid}").exists(), what="the child")
        assert os.getpid() not in parent.pids()
        assert child.pid not in parent.pids()
        child.kill()


def test_a_worker_that_is_gone_has_no_levels() -> None:
    """The recorder outlives its worker."""
    with subprocess.Popen(["true"]) as worker:
        worker.wait()
        assert Levels(worker.pid).line(sampler_cpu_s=0.0, loop_states={}) == b""


def test_connections_that_are_hidden_are_not_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptors of another user's process can't be read."""

    def refuse(_: str) -> list[str]:
        raise PermissionError(1, "Operation not permitted")

    found = Levels(os.getppid())
    pids = list(found.pids())
    monkeypatch.setattr(found, "pids", lambda: pids)
    monkeypatch.setattr(os, "listdir", refuse)
    assert "connections" not in json.loads(found.line(sampler_cpu_s=0.0, loop_states={}))


def test_sockets_that_are_known_are_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is, and the first one still counts."""
    monkeypatch.setattr(levels, "_LOOKED_UP_S", 3_600.0)
    looked_up: list[int] = []
    find = levels._tcp_sockets

    def find_counted(pid: int) -> Iterator[str]:
        looked_up.append(pid)
        return find(pid)

    monkeypatch.setattr(levels, "_tcp_sockets", find_counted)
    counter = levels._Connections()
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = counter.count([os.getpid()])["connections"]
        assert counter.count([os.getpid()]) == {"connections": before}
        assert len(looked_up) == 1
        with socket.create_connection(server.getsockname()):
            assert counter.count([os.getpid()]) == {"connections": before + 1}
    assert len(looked_up) == 2
    assert counter.count([os.getpid()]) == {"connections": before - 1}


def test_throttling_is_the_sum_of_the_groups_around_it(tmp_path: Path) -> None:
    """A quota may be set for any of them; version 1 counts ns, version 2 µs."""
    inner = tmp_path / "inner" / "cpu.stat"
    inner.parent.mkdir()
    inner.write_text("nr_periods 9\nnr_throttled 2\nthrottled_usec 1500000\n")
    outer = tmp_path / "cpu.stat"
    outer.write_text("nr_periods 9\nnr_throttled 1\nthrottled_time 500000000\n")
    found = Levels(os.getpid(), cpu_stats=[inner, outer, tmp_path / "gone"])
    assert found.throttling() == {"throttled_periods": 3, "throttled_s": 2.0}


def test_the_groups_of_a_process_are_found() -> None:
    """Where the system has groups that limit the CPU, each has its file."""
    assert all(file.name == "cpu.stat" and file.exists() for file in cpu_stat_files(os.getpid()))
