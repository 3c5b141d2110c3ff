"""What the asyncio pool promises of one job, tried with a real worker that serves the module."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest
from celery.exceptions import TaskRevokedError, TimeLimitExceeded

from poolbench.pools import find_pool
from tests.conftest import Server, wait_until
from tests.integration.pooling import PoolWorker, running_pool, value_of
from tests.integration.probing import read_lines

#: How many jobs may run at once here.
SLOTS = 4


@pytest.fixture(scope="module")
def worker(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolWorker]:
    """One worker of four slots, with the probe."""
    queue = f"q-{secrets.token_hex(4)}"
    with running_pool(
        server.url,
        pool=find_pool("asyncio"),
        folder=tmp_path_factory.mktemp("asyncio"),
        queue=queue,
        slots=SLOTS,
        options=("-I", "poolbench.probe"),
        environment={"POOLBENCH_RUN": queue},
    ) as it:
        yield it


def test_a_task_class_may_have_a_coroutine_for_its_call(worker: PoolWorker) -> None:
    """`async def __call__` around the function is awaited like the function."""
    assert value_of(worker.send("async-call", 7)) == "(7)"


def test_a_hard_limit_ends_the_job(worker: PoolWorker) -> None:
    """Its `finally` runs, its verdict is the limit's, and its slot is free again."""
    jobs = [worker.send("hard", 30) for _ in range(SLOTS)]

    for job in jobs:
        with pytest.raises(TimeLimitExceeded):
            value_of(job)
    assert worker.diary.count("hard: left") == SLOTS
    assert {f"postrun {job.id} None" for job in jobs} <= set(worker.diary)
    assert value_of(worker.send("add", 1, 2)) == 3


def test_a_job_that_swallows_its_cancellation_is_reported(worker: PoolWorker) -> None:
    """It has its verdict, keeps its slot as long as it runs, and its late value counts nothing."""
    job = worker.send("stubborn", 2.5)

    with pytest.raises(TimeLimitExceeded):
        value_of(job)

    said = f"Job stubborn[{job.id}] still runs although it exceeded its time limit of 0.2 s"
    assert said in worker.log
    assert worker.ask("stats")["pool"]["running"] == 1
    wait_until(lambda: worker.ask("stats")["pool"]["running"] == 0, what="its end")
    with pytest.raises(TimeLimitExceeded):
        value_of(job)


def test_a_running_job_can_be_terminated(worker: PoolWorker) -> None:
    """`revoke(terminate=True)` cancels it at its await; the sender hears that it was revoked."""
    job = worker.send("gated", "terminated")
    wait_until(lambda: "begun terminated" in worker.diary, what="the job to run")

    job.revoke(terminate=True)

    with pytest.raises(TaskRevokedError):
        value_of(job)
    wait_until(lambda: f"postrun {job.id} None" in worker.diary, what="its end")
    assert "done terminated" not in worker.diary
    wait_until(lambda: worker.unacknowledged() == 0, what="the acknowledgement")


def test_a_waiting_job_that_is_revoked_or_expires_never_runs(worker: PoolWorker) -> None:
    """What Celery is told while a job waits for a slot is heeded when its turn comes."""
    for _ in range(SLOTS):
        worker.send("gated", "before")
    revoked = worker.send("gated", "revoked")
    expired = worker.send("gated", "expired", expires=2.0)
    worker.pool_has(running=SLOTS, waiting=2)

    worker.ask("revoke", task_id=revoked.id)
    expires_s = time.monotonic() + 2.0
    wait_until(lambda: time.monotonic() > expires_s, what="the second to expire")
    worker.open_gate("before")

    for job in (revoked, expired):
        with pytest.raises(TaskRevokedError):
            value_of(job)
    assert not {"begun revoked", "begun expired"} & set(worker.diary)
    wait_until(lambda: worker.unacknowledged() == 0, what="all acknowledgements")


def test_inspect_tells_what_is(worker: PoolWorker) -> None:
    """Active are those with a slot, reserved those without, and stats say the same."""
    jobs = [worker.send("gated", "inspected") for _ in range(SLOTS + 3)]
    worker.pool_has(running=SLOTS, waiting=3)

    active, reserved = worker.ask("active"), worker.ask("reserved")
    pool = worker.ask("stats")["pool"]
    worker.open_gate("inspected")

    assert {job["id"] for job in active} == {job.id for job in jobs[:SLOTS]}
    assert {job["id"] for job in reserved} == {job.id for job in jobs[SLOTS:]}
    assert {job["worker_pid"] for job in active} == {worker.process.pid}
    assert (pool["max-concurrency"], pool["running"], pool["waiting"]) == (SLOTS, SLOTS, 3)
    assert pool["implementation"] == "poolbench.asyncio_pool.pool:TaskPool"
    for job in jobs:
        value_of(job)


def test_what_blocked_the_loop_is_in_the_record(worker: PoolWorker) -> None:
    """A job's line tells for how long it kept the loop without an await; log and stats name it."""
    blocking, waiting = worker.send("blocks", 0.2), worker.send("add", 1, 1)
    value_of(waiting)

    def told_ns() -> dict[str, int]:
        lines = read_lines(worker.client, worker.queue)
        ends = {line["task_id"]: line for line in lines if line["m"] == "finished"}
        return {job: ends[job]["blocked_ns"] for job in (blocking.id, waiting.id) if job in ends}

    wait_until(lambda: len(told_ns()) == 2, what="both lines")
    assert told_ns()[blocking.id] >= 200_000_000
    assert told_ns()[waiting.id] == 0
    # another test of this worker may block it for longer
    assert worker.ask("stats")["pool"]["blocked"]["longest-by"] in {"blocks", "blocks-until"}
    said = "The event loop was blocked, without an await, by blocks"
    wait_until(lambda: said in worker.log, what="the log", within_s=15)


def test_remote_control_answers_while_the_loop_is_blocked(worker: PoolWorker) -> None:
    """The consumer has a thread of its own, so a blocked job costs jobs, and not control."""
    job = worker.send("blocks-until", "answered")
    wait_until(lambda: f"prerun {job.id}" in worker.diary, what="the job to run")

    assert worker.ask("ping") == {"ok": "pong"}
    worker.open_gate("answered")
    value_of(job)


def test_slots_come_and_go_by_remote_control(worker: PoolWorker) -> None:
    """`pool_grow` lets waiting jobs run at once; `pool_shrink` lets running ones end."""
    jobs = [worker.send("gated", "grown") for _ in range(SLOTS + 3)]
    worker.pool_has(running=SLOTS, waiting=3)

    worker.ask("pool_grow", n=2)
    worker.pool_has(running=SLOTS + 2, waiting=1)
    worker.ask("pool_shrink", n=2)
    worker.pool_has(running=SLOTS + 2, waiting=1)

    worker.open_gate("grown")
    for job in jobs:
        value_of(job)
    assert worker.ask("stats")["pool"]["max-concurrency"] == SLOTS


def test_a_job_that_stops_the_loop_stops_nothing(worker: PoolWorker) -> None:
    """`loop.stop()` fails no job: the pool runs the loop again."""
    jobs = [worker.send("stops-loop"), worker.send("add", 1, 1), worker.send("stops-loop")]

    assert [value_of(job) for job in jobs] == ["went on", 2, "went on"]
