"""What the asyncio pool promises when the worker ends, its size changes or its broker is lost."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from poolbench.pools import find_pool
from tests.conftest import Server, wait_until
from tests.integration.pooling import PoolWorker, running_pool, value_of


@pytest.fixture
def start(server: Server, run_id: str, tmp_path: Path) -> Any:
    """Start a worker of the pool on a queue of the test's own."""

    def start(**options: Any) -> AbstractContextManager[PoolWorker]:
        pool = find_pool("asyncio")
        return running_pool(server, pool=pool, folder=tmp_path, queue=run_id, **options)

    return start


def _begun(worker: PoolWorker, *, count: int) -> None:
    wait_until(
        lambda: sum(line.startswith("begun") for line in worker.diary) == count,
        what=f"{count} jobs to run",
    )


def _done(worker: PoolWorker) -> list[str]:
    return sorted(line for line in worker.diary if line.startswith("done"))


def test_a_warm_shutdown_finishes_what_runs_and_puts_back_the_rest(start: Any) -> None:
    """SIGTERM: running jobs end and are acknowledged as they do; no other is begun or lost."""
    with start(slots=2) as worker:
        worker.send("waits", 0.4, "short")
        worker.send("waits", 1.4, "long")
        for number in range(3):
            worker.send("waits", 0, f"rest {number}")
        _begun(worker, count=2)

        worker.process.send_signal(signal.SIGTERM)

        wait_until(lambda: "done short" in worker.diary, what="the short job")
        wait_until(lambda: worker.unacknowledged() == 4, what="its acknowledgement")
        assert "done long" not in worker.diary
        assert worker.process.wait(20) == 0
        assert _done(worker) == ["done long", "done short"]
        assert (worker.waiting(), worker.unacknowledged()) == (3, 0)


def test_a_cold_shutdown_cancels(start: Any) -> None:
    """SIGQUIT: jobs end at their await; those acknowledged late go back with those that waited."""
    with start(slots=3) as worker:
        for number in range(2):
            worker.send("waits", 30, f"late {number}")
        worker.send("waits-early", 30, "early")
        worker.send("waits", 0, "rest")
        _begun(worker, count=3)
        sent_at_s = time.monotonic()

        worker.process.send_signal(signal.SIGQUIT)

        assert worker.process.wait(20) == 0
        assert time.monotonic() - sent_at_s < 10
        assert _done(worker) == []
        assert (worker.waiting(), worker.unacknowledged()) == (3, 0)
        assert "would not end" not in worker.log


def test_a_stubborn_job_does_not_stop_a_cold_shutdown(start: Any) -> None:
    """One that blocks the loop for long is left behind, and named."""
    with start(slots=2) as worker:
        job = worker.send("blocks", 60)
        wait_until(lambda: f"prerun {job.id}" in worker.diary, what="the job to run")

        worker.process.send_signal(signal.SIGQUIT)

        assert worker.process.wait(30) == 0
        assert f"Job blocks[{job.id}] would not end" in worker.log


def test_autoscale_adds_slots_and_takes_them_away(start: Any) -> None:
    """`--autoscale 4,1`: jobs that wait get slots at once, which go when there is nothing to do."""
    environment = {"AUTOSCALE_KEEPALIVE": "1"}
    with start(options=("--autoscale", "4,1"), environment=environment) as worker:
        assert worker.ask("stats")["pool"]["max-concurrency"] == 1
        jobs = [worker.send("waits", 1.0, str(number)) for number in range(4)]

        _begun(worker, count=4)
        assert not _done(worker)
        assert worker.ask("stats")["pool"]["max-concurrency"] == 4

        for job in jobs:
            value_of(job)
        wait_until(lambda: worker.ask("stats")["pool"]["max-concurrency"] == 1, what="fewer slots")


def test_a_lost_connection_costs_no_job(start: Any) -> None:
    """A job acknowledged late is cancelled and comes again, as Celery was told; others run on."""
    with start(slots=3) as worker:
        worker.send("waits", 1.0, "late")
        early = worker.send("waits-early", 1.0, "early")
        _begun(worker, count=2)

        worker.client.client_kill_filter(_type="normal", skipme=True)

        wait_until(lambda: "Connection to broker lost" in worker.log, what="the loss to be seen")
        wait_until(lambda: "done late" in worker.diary, what="the job that came again")
        value_of(early)
        counts = {word: worker.diary.count(word) for word in worker.diary if " " in word}
        assert (counts["begun late"], counts["done late"]) == (2, 1)
        assert (counts["begun early"], counts["done early"]) == (1, 1)
        wait_until(lambda: worker.unacknowledged() == 0, what="all acknowledgements")
