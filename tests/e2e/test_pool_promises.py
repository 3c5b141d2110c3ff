"""What Celery promises of a job, kept by every pool: one suite, and the worker a fixture."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery.exceptions import TaskRevokedError

from poolbench.evidence import pool_name
from tests.conftest import wait_until
from tests.integration.pooling import PoolWorker, value_of

pytestmark = pytest.mark.e2e


def test_a_value_comes_back(worker: PoolWorker) -> None:
    """Of a coroutine, with positional and named arguments, and of a plain function."""
    signatures = [worker.sign("add", 1, 2), worker.sign("add", 1, y=3), worker.sign("plain", 4)]

    assert [value_of(one.apply_async()) for one in signatures] == [3, 4, 5]


def test_a_job_may_ask_for_another_attempt(worker: PoolWorker) -> None:
    """By `self.retry`, or by an exception in `autoretry_for`; attempts are counted, and bounded."""
    names = ("retries", "autoretries")
    assert [value_of(worker.send(name, 2)) for name in names] == [2, 2]

    with pytest.raises(OSError, match="again"):
        value_of(worker.send("autoretries", 9))


def test_a_failure_comes_back_as_it_was(worker: PoolWorker) -> None:
    """With its type and its text."""
    with pytest.raises(ValueError, match="out of tea"):
        value_of(worker.send("fails"))


def test_a_model_is_taken_and_returned(worker: PoolWorker) -> None:
    """A job with ``pydantic=True`` gets the model that its argument says, and may return one."""
    assert value_of(worker.send("doubled", {"value": 21})) == {"value": 42}


def test_an_eta_is_heeded(worker: PoolWorker) -> None:
    """A job with a countdown or an eta runs then, and not before."""
    begun_s = time.monotonic()
    late = worker.send("add", 1, 1, countdown=0.6)
    later = worker.send("add", 2, 2, eta=datetime.now(UTC) + timedelta(seconds=0.7))

    assert [value_of(late), value_of(later)] == [2, 4]
    assert time.monotonic() - begun_s > 0.6


def test_an_ignored_result_is_not_kept(worker: PoolWorker) -> None:
    """Neither where the sender wants none, nor where the job says so by `Ignore`."""
    unwanted = worker.send("add", 1, 1, ignore_result=True)
    ignored = worker.send("ignores")

    for job, state in ((unwanted, "SUCCESS"), (ignored, "IGNORED")):
        wait_until(lambda: f"postrun {job.id} {state}" in worker.diary, what=state)  # noqa: B023
        assert not worker.client.exists(f"celery-task-meta-{job.id}")


def test_each_job_knows_itself(worker: PoolWorker) -> None:
    """However many wait at once, a bound job's request stays its own over its waits."""
    jobs = [worker.send("identity", 0.05) for _ in range(3 * worker.slots)]

    assert [set(value_of(job)) for job in jobs] == [{job.id} for job in jobs]


def test_a_task_class_of_ones_own_is_used(worker: PoolWorker) -> None:
    """Its `__call__` goes around the function, its hooks are called in their order."""
    job = worker.send("hooked", 5)

    assert value_of(job) == "<5>"
    ours = f"after {job.id} SUCCESS"
    wait_until(lambda: ours in worker.diary, what="the last hook")
    lines = [line for line in worker.diary if job.id in line and "signal" not in line]
    assert [line.split()[0] for line in lines][:4] == ["prerun", "before", "success", "after"]


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("add", ["prerun", "success", "postrun SUCCESS"]),
        ("fails", ["prerun", "failure ValueError", "postrun FAILURE"]),
        ("ignores", ["prerun", "postrun IGNORED"]),
        ("rejects", ["prerun", "postrun REJECTED", "failure Reject"]),
    ],
)
def test_each_signal_is_sent_once(worker: PoolWorker, name: str, ends: list[str]) -> None:
    """Signals frame each execution, with its state, and say once how it ended."""
    job = worker.send(name, *((1,) if name == "add" else ()))

    def found() -> list[str]:
        lines = [line for line in worker.diary if job.id in line]
        return [line.replace(f" {job.id}", "").removeprefix("signal ") for line in lines]

    wait_until(lambda: len(found()) >= len(ends), what=f"{ends}")
    assert found() == ends


def test_a_retry_is_signalled(worker: PoolWorker) -> None:
    """Each attempt is framed by signals of its own, and the last one succeeds."""
    job = worker.send("retries", 1)

    # in prefork the second attempt may end before the first one's last signal
    ends = [f"postrun {job.id} RETRY", f"postrun {job.id} SUCCESS"]
    worker.wait_for(*ends)
    for line in (f"signal retry {job.id}", f"signal success {job.id}", *ends):
        assert worker.diary.count(line) == 1


def test_a_rate_limit_is_kept(worker: PoolWorker) -> None:
    """Five a second: six jobs take a second, or five intervals of it."""
    begun_s = time.monotonic()

    for job in [worker.send("limited") for _ in range(6)]:
        value_of(job)

    assert time.monotonic() - begun_s > 0.9


def test_a_late_acknowledgement_comes(worker: PoolWorker) -> None:
    """A message stays with the worker until its job is done, failed or refused, and no longer."""
    job = worker.send("waits", 1, "late")
    worker.send("rejects")
    wait_until(lambda: worker.unacknowledged() > 0, what="a message that is not acknowledged")

    value_of(job)

    wait_until(lambda: worker.unacknowledged() + worker.waiting() == 0, what="an empty queue")


def test_what_is_revoked_or_expired_before_it_comes_never_runs(worker: PoolWorker) -> None:
    """The sender hears it, and the job's function is not called."""
    revoked = secrets.token_hex(8)
    worker.ask("revoke", task_id=revoked)

    jobs = [worker.send("waits", 0, "never", task_id=revoked)]
    jobs.append(worker.send("waits", 0, "never", expires=-1))

    for job in jobs:
        with pytest.raises(TaskRevokedError):
            value_of(job)
    assert "begun never" not in worker.diary


def test_the_worker_says_what_it_is(worker: PoolWorker) -> None:
    """`inspect stats` names the pool and its slots, and counts the jobs it has run."""
    value_of(worker.send("plain", 1))

    stats = worker.ask("stats")

    assert pool_name(stats["pool"]["implementation"]) == worker.pool.name
    assert stats["pool"]["max-concurrency"] == worker.slots
    assert stats["total"]["plain"] >= 1
