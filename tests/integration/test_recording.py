"""What a recording into a local file promises, tried with real workers."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery, chain
from kombu import Exchange, Queue

from poolbench.pools import POOLS, Pool, available_pools
from poolbench.records import LINE_COLUMNS, RECORDED_COLUMNS, STATE_COLUMNS
from tests.conftest import Server, wait_until
from tests.integration.pooling import PoolWorker
from tests.integration.probing import PATIENCE_S, leftovers, recorded_pool
from tests.integration.secretive_app import SECRET
from tests.processes import has_ended

FORKED = POOLS["prefork"]

Start = Callable[..., AbstractContextManager[PoolWorker]]


@pytest.fixture
def start(server: Server, run_id: str, tmp_path: Path) -> Start:
    """Start a worker of the pools' app that records into ``shop.pbrec``."""

    @contextmanager
    def run(pool: Pool, **options: Any) -> Iterator[PoolWorker]:
        environment = {
            "POOLBENCH_RECORD": str(tmp_path / "shop.pbrec"),
            # of other uses, invalid, and of no effect
            "POOLBENCH_REDIS_PORT": "x",
            **options.pop("environment", {}),
        }
        with recorded_pool(
            server.url, folder=tmp_path, queue=run_id, pool=pool, environment=environment, **options
        ) as worker:
            yield worker

    return run


def _lines(folder: Path, *moments: str, name: str = "shop.pbrec") -> list[dict[str, Any]]:
    """Return the lines of these moments, or all; a reader needs no lock."""
    path = folder / name
    if not path.exists():
        return []
    # the last one may be being written
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    lines = [json.loads(line) for line in whole]
    return [line for line in lines if not moments or line["m"] in moments]


def _wait_for(folder: Path, moment: str, *, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: len(_lines(folder, moment)) >= count, what=f"{count} {moment} lines")
    return _lines(folder, moment)


def _recorder(worker: PoolWorker) -> psutil.Process:
    """Return a worker's recorder."""
    return next(one for one in worker.children if "poolbench.recording.recorder" in one.cmdline())


@pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)
def test_each_execution_has_its_lines_and_columns(pool: Pool, start: Start, tmp_path: Path) -> None:
    """In every pool; a chain is known by its root, and a stopped worker ends its session."""
    with start(pool) as worker:
        chain(worker.sign("add", 1), worker.sign("add"))()
        worker.send("retries", 1)
        _wait_for(tmp_path, "finished", count=4)
        recorder = _recorder(worker)
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0
        assert has_ended(recorder)
        assert leftovers(worker) == []

    lines = _lines(tmp_path)
    assert [lines[0]["m"], lines[-1]["m"]] == ["recording", "ended"]
    assert (lines[-1]["reason"], lines[-1]["finished"]) == ("worker", 4)
    received, started, finished = (
        _lines(tmp_path, one) for one in ("received", "started", "finished")
    )
    roots = Counter(line["root_id"] for line in received)
    assert sorted(roots.values()) == [2, 2]
    assert {line["parent_id"] in {None, *roots} for line in received} == {True}
    assert {line["queue"] for line in received} == {worker.queue}
    # this process has no probe; the worker sends the chain's second job and the retry
    assert [line["published_ns"] is None for line in received].count(False) == 2
    assert all(line["size_bytes"] > 10 for line in received)
    assert all(line["thread_id"] > 0 for line in started)
    has_own_process = pool.name in {"prefork", "solo"}
    for lines, names in (
        (started, ("rss_before_bytes",)),
        (finished, ("rss_after_bytes", "child_cpu_ns")),
    ):
        assert {line[name] is not None for line in lines for name in names} == {has_own_process}
    if has_own_process:
        # a job begins with what the job before it in the same process has left
        for pid in {line["pid"] for line in started}:
            before = [one["rss_before_bytes"] for one in started if one["pid"] == pid]
            after = [one["rss_after_bytes"] for one in finished if one["pid"] == pid]
            assert before[1:] == after[:-1]
    for line in (*received, *started, *finished):
        assert line.keys() <= LINE_COLUMNS.keys() | RECORDED_COLUMNS.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="states are read on Linux only")
@pytest.mark.parametrize("name", ["prefork", "gevent", "asyncio"])
def test_what_a_slot_did_is_charged_to_its_job(name: str, start: Start, tmp_path: Path) -> None:
    """A job that sleeps waits in a thread of its own; where slots share one, it doesn't run."""
    environment = {"POOLBENCH_RECORD_GIL_PROBE": "1"}
    if name == "asyncio":
        environment["POOL_APP_COROUTINES"] = "1"
    with start(POOLS[name], environment=environment) as worker:
        worker.send("waits", 1.3, "x")
        (finished,) = _wait_for(tmp_path, "finished", count=1)
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0

    (started,), levels = _lines(tmp_path, "started"), _lines(tmp_path, "levels")
    wall_ns = finished["t_ns"] - started["t_ns"]
    states = {line["nonce"]: line for line in _lines(tmp_path, "states")}
    if name != "prefork":
        assert states == {}
        assert 0 < finished["running_ns"] < wall_ns / 2
        assert sum(line.get("io_wait_ns", 0) for line in levels) > 0.1e9
    else:
        assert finished["running_ns"] is None
        assert states.keys() == {finished["nonce"]}
        (found,) = states.values()
        assert found["io_wait_ns"] > wall_ns / 2
        assert sum(found[column] for column in STATE_COLUMNS) < wall_ns * 1.1
    assert max(line["processes"] for line in levels) >= (2 if name == "prefork" else 1)
    assert max(line["connections"] for line in levels) > 0
    assert not [line for line in _lines(tmp_path) if line["m"] == "gil"]


def test_spawned_slots_are_recorded(start: Start, tmp_path: Path) -> None:
    """Fresh interpreters join the worker's pipe, with memory of their own."""
    with start(FORKED, options=("--pool-start-method", "spawn")) as worker:
        worker.send("blocks")
        (line,) = _wait_for(tmp_path, "finished", count=1)
        assert line["pid"] != worker.process.pid
        assert line["rss_after_bytes"] > 1_000_000


def test_the_worker_and_its_tasks_are_described(start: Start, tmp_path: Path) -> None:
    """What was asked for on the command line, beside what is set and what is in effect."""
    options = ("--prefetch-multiplier", "2", "--time-limit", "60", "--disable-prefetch")
    with start(POOLS["threads"], options=options, settings={"worker_prefetch_multiplier": 7}):
        (line,) = _wait_for(tmp_path, "worker", count=1)
        tasks = {one["task"]: one["options"] for one in _wait_for(tmp_path, "task", count=10)}

    assert (line["pool"], line["slots"]) == ("threads", 2)
    asked = {"prefetch_multiplier": 2, "time_limit": 60.0, "disable_prefetch": True}
    assert line["options"].items() >= asked.items()
    assert line["settings"]["worker_prefetch_multiplier"] == 7
    assert line["effective"].items() >= {**asked, "prefetch_count": 4}.items()
    assert tasks["hard"] == {"time_limit": 0.3}
    assert tasks["waits"] == {"acks_late": True}
    assert tasks["limited"] == {"rate_limit": "5/s"}
    assert tasks["retries"] == {}


def test_a_second_worker_records_beside_the_first(
    start: Start, server: Server, tmp_path: Path
) -> None:
    """Its log names its file."""
    folder = tmp_path / "second"
    folder.mkdir()
    environment = {"POOLBENCH_RECORD": str(tmp_path / "shop.pbrec")}
    with (
        start(POOLS["solo"]),
        recorded_pool(
            server.url, folder=folder, queue="two", pool=POOLS["solo"], environment=environment
        ) as second,
    ):
        wait_until(lambda: len(_lines(tmp_path, name="shop.2.pbrec")) > 1, what="its lines")
        assert str(tmp_path / "shop.2.pbrec") in second.log


def test_the_time_ends_the_recording_and_not_the_worker(start: Start, tmp_path: Path) -> None:
    """After it, jobs run and nothing is written or logged."""
    with start(FORKED, environment={"POOLBENCH_RECORD_FOR": "2s"}) as worker:
        worker.send("blocks")
        (end,) = _wait_for(tmp_path, "ended", count=1)
        size_bytes = (tmp_path / "shop.pbrec").stat().st_size
        for number in range(4):
            worker.send("waits", 0.0, str(number))
        worker.wait_for(*(f"done {number}" for number in range(4)))
        assert end["reason"] == "time"
        assert (tmp_path / "shop.pbrec").stat().st_size == size_bytes
        assert "is complete" in worker.log
        assert "WARNING" not in worker.log.partition("is complete")[2]
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("harm", "word"),
    [("kill the recorder", "the recorder was killed"), ("remove the file", "was removed")],
)
def test_a_recording_that_breaks_costs_one_log_line(
    harm: str, word: str, start: Start, tmp_path: Path
) -> None:
    """The jobs continue, the shutdown is as quick, and what was written is readable."""
    kept = tmp_path / "kept.pbrec"
    with start(FORKED) as worker:
        worker.send("blocks")
        _wait_for(tmp_path, "finished", count=1)
        os.link(tmp_path / "shop.pbrec", kept)
        if harm == "kill the recorder":
            _recorder(worker).kill()
        else:
            (tmp_path / "shop.pbrec").unlink()
        wait_until(lambda: word in worker.log, what=word)
        worker.send("waits", 0.0, "after")
        worker.wait_for("done after")
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0
        assert worker.log.count(word) == 1
        assert "Traceback" not in worker.log
    assert len(_lines(tmp_path, "finished", name=kept.name)) == 1


def test_a_worker_that_ends_at_once_leaves_a_readable_session(start: Start, tmp_path: Path) -> None:
    """The next worker appends its own to it."""
    for sessions, number in ((1, signal.SIGKILL), (2, signal.SIGQUIT)):
        with start(POOLS["threads"]) as worker:
            worker.send("blocks")
            _wait_for(tmp_path, "finished", count=sessions)
            worker.process.send_signal(number)
            worker.process.wait(PATIENCE_S)
            _wait_for(tmp_path, "ended", count=sessions)
    assert len(_lines(tmp_path, "recording")) == 2
    assert {line["reason"] for line in _lines(tmp_path, "ended")} == {"worker"}


def test_a_file_that_cannot_be_written_costs_one_log_line(start: Start, tmp_path: Path) -> None:
    """The worker runs without a recording."""
    with start(POOLS["solo"], environment={"POOLBENCH_RECORD": str(tmp_path)}) as worker:
        worker.send("waits", 0.0, "it")
        worker.wait_for("done it")
        assert worker.log.count("poolbench:") == 1
        assert "jobs are not recorded" in worker.log


def test_no_payload_gets_into_a_recording(server: Server, run_id: str, tmp_path: Path) -> None:
    """Secrets in arguments, results, errors, headers, ids, addresses, queues and settings stay out.

    The worker is started by the command, with failures, a retry, a revoked and an unknown job.
    """
    path = tmp_path / "shop.pbrec"
    environ = {
        **os.environ,
        "SECRETIVE_URL": server.url,
        "SECRETIVE_QUEUE": run_id,
        "TMPDIR": str(tmp_path),
    }
    worker = ["-m", "celery", "-A", "tests.integration.secretive_app", "worker", "-c", "2"]
    command = [sys.executable, "-m", "poolbench", "record", "--to", str(path), "--"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, sys.executable, *worker, "-n", f"{run_id}@here"],
            env=environ,
            stdout=log,
            stderr=log,
        )
    try:
        # its queues exist then
        _wait_for(tmp_path, "worker", count=1)
        _send_secrets(server.url, queue=run_id)
        _wait_for(tmp_path, "finished", count=5)
        _wait_for(tmp_path, "verdict", count=4)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)

    text = path.read_text(encoding="utf-8")
    assert SECRET in (tmp_path / "log").read_text(encoding="utf-8")
    assert SECRET not in text
    assert server.password not in text
    assert str(server.port) not in json.dumps(_lines(tmp_path, "worker", "task"))
    assert {line["queue"] for line in _lines(tmp_path, "received")} == {run_id, f"{run_id}-topic"}
    errors = {line["error"] for line in _lines(tmp_path, "verdict")}
    assert errors == {"ValueError", "OSError", "NotRegistered", ""}
    assert _lines(tmp_path, "worker")[0]["settings"]["broker_transport_options"] == {
        "visibility_timeout": 600
    }


def _send_secrets(url: str, *, queue: str) -> None:
    """Send jobs with secrets everywhere."""
    with Celery("sender", broker=url, backend=url, set_as_current=False) as app:
        options: dict[str, Any] = {"queue": queue, "headers": {"token": SECRET}}
        for name in ("answers", "fails", "retries", "unknown"):
            job_id = f"{SECRET}-{secrets.token_hex(4)}"
            app.send_task(f"secretive.{name}", (SECRET,), task_id=job_id, **options)
        app.send_task("secretive.answers", (SECRET,), expires=-1, **options)
        topic = Queue(f"{queue}-topic", Exchange("topics", type="topic"), f"{SECRET}.#")
        app.send_task("secretive.answers", kwargs={"word": SECRET}, **{**options, "queue": topic})
