"""What the probe promises in every pool, tried with real workers of an app that is not ours."""

from __future__ import annotations

import contextlib
import functools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis

from poolbench.evidence import pool_name
from poolbench.keys import records_stream
from poolbench.machine import boot_id, host
from poolbench.pools import POOLS, Pool, available_pools
from poolbench.records import LINE_COLUMNS
from tests.conftest import Server, wait_until
from tests.integration.pooling import PoolWorker
from tests.integration.probing import (
    PATIENCE_S,
    kill_slot,
    leftovers,
    read_lines,
    recorded_pool,
    recorder_of,
    send,
    witnesses,
)
from tests.processes import has_ended

Start = Callable[..., AbstractContextManager[PoolWorker]]

every_pool = pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)


@pytest.fixture
def start(server: Server, run_id: str, tmp_path: Path) -> Start:
    """Start a worker with the probe, on the session's server and a queue that is its run."""
    return functools.partial(recorded_pool, server.url, folder=tmp_path, queue=run_id)


def _recorded(client: redis.Redis, run: str, *, lines: int) -> list[dict[str, Any]]:
    """Wait for so many lines of a run; return what there is."""
    wait_until(lambda: len(read_lines(client, run)) >= lines, what=f"{lines} lines of {run}")
    return read_lines(client, run)


def _moments(lines: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return, for each nonce, its moments in order; a verdict shows its outcome."""
    moments = defaultdict(list)
    for line in lines:
        moments[line["nonce"]].append(line.get("outcome") or line.get("state") or line["m"])
    return moments


def _by_job(lines: list[dict[str, Any]]) -> dict[str, list[list[str]]]:
    """Return, for each job's id, the moments of its executions."""
    jobs = {line["nonce"]: line["task_id"] for line in lines}
    found = defaultdict(list)
    for nonce, moments in _moments(lines).items():
        found[jobs[nonce]].append(moments)
    return found


def _ends(lines: list[dict[str, Any]]) -> Counter[str]:
    """Return how many times each job was finished; a line that was sent again is the same line."""
    ends = {(line["task_id"], line["t_ns"]) for line in lines if line["m"] == "finished"}
    return Counter(task_id for task_id, _ in ends)


@every_pool
def test_each_job_has_its_lines_and_each_end_its_outcome(
    pool: Pool, start: Start, client: redis.Redis
) -> None:
    """Three lines and one nonce a job, with the evidence of who ran it.

    Failure, retry, reject, ignore, revoke and expiry are told apart; a retry has new nonces. A
    worker that is stopped leaves nothing of its recorder.
    """
    with start(pool=pool) as worker:
        for _ in range(20):
            send(worker, "blocks")
        lines = _recorded(client, worker.queue, lines=60)
        key = f"poolbench:worker:{worker.queue}:{host()}-{worker.process.pid}"
        # the recorder writes its lines before its worker's presence
        wait_until(lambda: list(client.scan_iter("poolbench:worker:*")) == [key], what=key)

        assert Counter(map(tuple, _moments(lines).values())) == {
            ("received", "started", "SUCCESS"): 20
        }
        assert [line["seq"] for line in lines if line["m"] == "received"] == list(range(20))
        assert all(line.keys() <= LINE_COLUMNS.keys() for line in lines)
        _check_evidence([line for line in lines if line["m"] == "started"], pool=pool)
        has_cpu = {line["cpu_ns"] is not None for line in lines if line["m"] == "finished"}
        assert has_cpu == {pool.name in {"prefork", "threads", "solo"}}

        client.delete(records_stream(worker.queue))
        _check_outcomes(client, worker)

        recorder = recorder_of(worker)
        assert recorder is not None
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0
        assert has_ended(recorder)
        assert leftovers(worker) == []
        assert list(client.scan_iter("poolbench:worker:*")) == []


def _check_evidence(started: list[dict[str, Any]], *, pool: Pool) -> None:
    assert {pool_name(line["pool_seen"]) for line in started} == {pool.name}
    assert {line["sockets_patched"] for line in started} == {pool.name == "gevent"}
    assert {line["host"] for line in started} == {host()}
    assert {line["boot_id"] for line in started} == {boot_id()}
    assert {line["gil_enabled"] for line in started} <= {True, False}
    assert all(line["slot"].startswith(f"{line['pid']}-") for line in started)


def _check_outcomes(client: redis.Redis, worker: PoolWorker) -> None:
    revoked = "job-to-be-revoked"
    _revoke(worker, revoked)
    failed = send(worker, "fails")
    rejected = send(worker, "rejects")
    ignored = send(worker, "ignores")
    send(worker, "blocks", task_id=revoked)
    expired = send(worker, "blocks", expires=-1)
    unknown = send(worker, "unheard-of")
    retried = send(worker, "retries", 1)
    expected = {
        failed: [["received", "started", "failed", "FAILURE"]],
        ignored: [["received", "started", "IGNORED"]],
        revoked: [["revoked"]],
        expired: [["expired"]],
        unknown: [["failed"]],
        retried: [["received", "started", "retried", "RETRY"], ["received", "started", "SUCCESS"]],
        # the consumer's word on a reject comes after the slot's, or before it is stored
        rejected: [["received", "started", "REJECTED", "rejected"]],
    }
    with contextlib.suppress(pytest.fail.Exception):  # what was found instead tells more
        wait_until(
            lambda: _by_job(read_lines(client, worker.queue)) == expected,
            what="an end of every job",
        )
    lines = read_lines(client, worker.queue)
    assert _by_job(lines) == expected
    errors = {line["task_id"]: line["error"] for line in lines if line["m"] == "verdict"}
    assert errors[failed] == "ValueError: out of tea"
    assert errors[unknown] == "NotRegistered: unheard-of"


def _revoke(worker: PoolWorker, job_id: str) -> None:
    """Revoke a job in the worker, which may not listen yet.

    Redis delivers a broadcast to the workers that have subscribed, and keeps it for no other.
    gevent subscribes in a greenlet of its own, after its heartbeat and its word "ready"
    (`celery.worker.pidbox.gPidbox`). So the revocation is sent until it is confirmed.
    """
    revoke = worker.app.control.revoke
    wait_until(
        lambda: bool(revoke(job_id, reply=True, timeout=1.0, limit=1)),
        what="the worker to confirm the revocation",
    )


def _kill(worker: PoolWorker) -> None:
    """Kill a worker, not by SIGTERM: prefork may hang after its children were killed."""
    recorder = recorder_of(worker)
    assert recorder is not None
    worker.process.kill()
    worker.process.wait()
    wait_until(lambda: has_ended(recorder), what="the recorder's end")


@every_pool
def test_a_killed_worker_loses_no_finished_job(
    pool: Pool, start: Start, client: redis.Redis
) -> None:
    """A worker killed at any moment has a finished line for each job that got as far."""
    with start(pool=pool) as worker:
        for _ in range(400):
            send(worker, "blocks", 0.001)
        wait_until(lambda: len(witnesses(worker)) >= 50, what="50 jobs")
        _kill(worker)

        assert Counter(witnesses(worker)) <= _ends(read_lines(client, worker.queue))
        assert leftovers(worker) == []
        assert list(client.scan_iter("poolbench:worker:*")) == []


def test_killed_children_lose_no_finished_job(start: Start, client: redis.Redis) -> None:
    """Slots killed in a loop have a finished line for each time that a job got as far.

    Prefork may run a job twice then, even one that was done: both ends are told.
    """
    with start(pool=POOLS["prefork"]) as worker:
        for _ in range(1_000):
            send(worker, "blocks", 0.002)
        for killed in range(8):
            wait_until(
                lambda: len(witnesses(worker)) >= 50 * (killed + 1),  # noqa: B023 -- called at once
                what=f"50 jobs after {killed} kills",
            )
            wait_until(lambda: kill_slot(worker), what="a slot to kill")
        _kill(worker)

        assert len(witnesses(worker)) >= 400
        assert Counter(witnesses(worker)) <= _ends(read_lines(client, worker.queue))


def test_what_only_the_consumer_sees_has_its_outcome(start: Start, client: redis.Redis) -> None:
    """A hard time limit and a lost child are told by the consumer, under the job's own nonce."""
    with start(pool=POOLS["prefork"]) as worker:
        late = send(worker, "blocks", 30.0, time_limit=0.5)
        lost = send(worker, "dies")

        def outcomes() -> set[str]:
            lines = read_lines(client, worker.queue)
            return {line["outcome"] for line in lines if line["m"] == "verdict"}

        wait_until(lambda: {"timed-out", "lost-worker"} <= outcomes(), what="both verdicts")
        found = _by_job(read_lines(client, worker.queue))
        assert len(found[late]) == len(found[lost]) == 1
        assert "timed-out" in found[late][0]
        assert "lost-worker" in found[lost][0]


def test_spawned_slots_are_recorded(start: Start, client: redis.Redis) -> None:
    """Slots that are fresh interpreters join the worker's pipe by its path."""
    with start(pool=POOLS["prefork"], options=("--pool-start-method", "spawn")) as worker:
        for _ in range(6):
            send(worker, "blocks")
        lines = _recorded(client, worker.queue, lines=18)
        assert set(map(tuple, _moments(lines).values())) == {("received", "started", "SUCCESS")}
        assert worker.process.pid not in {line.get("pid") for line in lines}


def test_a_worker_does_as_its_settings_say(
    start: Start, client: redis.Redis, tmp_path: Path
) -> None:
    """A run for jobs without a header, a contender's name and a heartbeat file are heeded."""
    heartbeat_file = tmp_path / "alive"
    environment = {
        "POOLBENCH_RUN": "everything",
        "POOLBENCH_CONTENDER": "theirs",
        "POOLBENCH_HEARTBEAT_FILE": str(heartbeat_file),
    }
    with start(pool=POOLS["solo"], environment=environment) as worker:
        worker.send("blocks")
        lines = _recorded(client, "everything", lines=3)
        assert {(line["contender"], line["trial"], line["seq"]) for line in lines} == {
            ("theirs", 0, None)
        }
        assert heartbeat_file.exists()


def _heartbeat(client: redis.Redis) -> dict[str, Any]:
    """Return the newest heartbeat of the only worker; empty if there is none yet."""
    key = next(client.scan_iter("poolbench:worker:*"), None)
    return json.loads(client.get(key) or "{}") if key else {}


@every_pool
def test_the_heartbeat_counts_waiting_countdowns(
    start: Start, client: redis.Redis, pool: Pool
) -> None:
    """Celery raises the prefetch count by each of them: no other job may be kept from coming."""
    with start(pool=pool) as worker:
        wait_until(lambda: _heartbeat(client).get("countdown_jobs") == 0, what="a heartbeat")
        before = _heartbeat(client)["prefetch_count"]
        for _ in range(3):
            send(worker, "blocks", countdown=300)
        wait_until(lambda: _heartbeat(client)["countdown_jobs"] == 3, what="three countdowns")
        assert _heartbeat(client)["prefetch_count"] == before + 3
        assert _heartbeat(client)["reserved_jobs"] == _heartbeat(client)["running_jobs"] == 0


def test_the_heartbeat_counts_reserved_and_running_jobs(start: Start, client: redis.Redis) -> None:
    """Of five jobs, two have a slot; three wait in the worker for one, and then for none."""
    with start(pool=POOLS["prefork"]) as worker:
        for _ in range(5):
            send(worker, "gated", "jobs")
        wait_until(lambda: _heartbeat(client).get("reserved_jobs") == 3, what="reserved jobs")
        assert _heartbeat(client)["running_jobs"] == 2

        worker.open_gate("jobs")
        wait_until(lambda: _heartbeat(client)["running_jobs"] == 0, what="a worker at rest")
        assert _heartbeat(client)["reserved_jobs"] == 0


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"POOLBENCH_REDIS_PORT": "none"}, "POOLBENCH_REDIS_PORT"),
        ({"POOLBENCH_CONTENDER": ""}, "set POOLBENCH_RECORD to the path of a file"),
    ],
    ids=["invalid", "nothing-asked-for"],
)
def test_a_worker_without_a_recorder_says_so_and_works(
    start: Start, client: redis.Redis, environment: dict[str, str], reason: str
) -> None:
    """One line says that nothing is recorded, and why; the jobs run, and Redis stays untouched."""
    with start(pool=POOLS["prefork"], environment=environment) as worker:
        done = send(worker, "blocks")
        wait_until(lambda: done in witnesses(worker), what="the job")

        said = [line for line in worker.log.splitlines() if "poolbench:" in line]
        assert len(said) == 1
        assert "jobs are not recorded" in said[0]
        assert reason in said[0]
        assert "Traceback" not in worker.log
        assert not list(client.scan_iter("poolbench:*"))


def test_a_worker_survives_its_recorder(start: Start, client: redis.Redis) -> None:
    """A killed recorder costs the worker a log line and no job."""
    with start(pool=POOLS["threads"]) as worker:
        wait_until(lambda: any(client.scan_iter("poolbench:worker:*")), what="a heartbeat")
        recorder = recorder_of(worker)
        assert recorder is not None
        recorder.kill()
        wait_until(lambda: has_ended(recorder), what="the recorder's end")
        jobs = {send(worker, "blocks") for _ in range(10)}

        wait_until(lambda: jobs <= set(witnesses(worker)), what="the jobs")
        assert worker.log.count("the recorder is gone") == 1
        assert "Traceback" not in worker.log
