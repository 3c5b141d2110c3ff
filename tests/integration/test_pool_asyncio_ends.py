"""What the asyncio pool promises when the worker ends, its size changes or its broker is lost."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import WorkerLostError

from poolbench.pools import find_pool
from tests.conftest import Server, wait_until
from tests.integration.pooling import PoolWorker, running_pool, value_of


@pytest.fixture
def start(server: Server, run_id: str, tmp_path: Path) -> Any:
    """Start a worker of the pool on a queue of the test's own."""

    def start(**options: Any) -> AbstractContextManager[PoolWorker]:
        pool = find_pool("asyncio")
        return running_pool(server.url, pool=pool, folder=tmp_path, queue=run_id, **options)

    return start


def _done(worker: PoolWorker) -> list[str]:
    return sorted(line for line in worker.diary if line.startswith("done"))


@pytest.mark.parametrize(
    ("name", "begun", "said"),
    [
        ("blocks-until", "prerun {}", "Job blocks-until[{}] would not end"),
        (
            "leaves-call",
            "postrun {} SUCCESS",
            "The worker ends without these calls in threads: blocks_until for leaves-call[{}]",
        ),
    ],
)
def test_what_would_not_end_does_not_stop_a_cold_shutdown(
    start: Any, name: str, begun: str, said: str
) -> None:
    """A job that blocks the loop, or a call that goes on in a thread, is left behind and named."""
    with start(slots=2) as worker:
        job = worker.send(name, "never")
        worker.wait_for(begun.format(job.id))

        worker.process.send_signal(signal.SIGQUIT)

        assert worker.process.wait(30) == 0
        assert said.format(job.id) in worker.log


def test_autoscale_adds_slots_and_takes_them_away(start: Any) -> None:
    """`--autoscale 4,1`: jobs that wait get slots at once, which go when there is nothing to do."""
    environment = {"AUTOSCALE_KEEPALIVE": "1"}
    with start(options=("--autoscale", "4,1"), environment=environment) as worker:
        assert worker.ask("stats")["pool"]["max-concurrency"] == 1
        jobs = [worker.send("gated", "scaled") for _ in range(4)]

        worker.pool_has(running=4, waiting=0)
        assert worker.ask("stats")["pool"]["max-concurrency"] == 4

        worker.open_gate("scaled")
        for job in jobs:
            value_of(job)
        wait_until(lambda: worker.ask("stats")["pool"]["max-concurrency"] == 1, what="fewer slots")


def test_a_lost_connection_costs_no_job(start: Any) -> None:
    """A job acknowledged late is cancelled and comes again, as Celery was told; others run on."""
    with start(slots=3) as worker:
        worker.send("gated", "late")
        early = worker.send("gated-early", "early")
        worker.pool_has(running=2, waiting=0)

        worker.drop_connections()

        wait_until(lambda: "Connection to broker lost" in worker.log, what="the loss to be seen")
        wait_until(lambda: worker.diary.count("begun late") == 2, what="the job to come again")
        worker.open_gate("early", "late")
        value_of(early)
        wait_until(lambda: "done late" in worker.diary, what="its end")
        counts = {word: worker.diary.count(word) for word in worker.diary if " " in word}
        assert (counts["begun late"], counts["done late"]) == (2, 1)
        assert (counts["begun early"], counts["done early"]) == (1, 1)
        wait_until(lambda: worker.unacknowledged() == 0, what="all acknowledgements")


def test_a_loop_that_fails_loses_no_job_unseen(start: Any) -> None:
    """The worker ends; jobs acknowledged late are queued again, the others stored as failed."""
    with start(slots=4) as worker:
        worker.send("gated", "late")
        early = worker.send("gated-early", "early")
        worker.pool_has(running=2, waiting=0)
        breaking = worker.send("breaks-loop")

        assert worker.process.wait(20) == 1
        for job in (early, breaking):
            with pytest.raises(WorkerLostError):
                value_of(job)
        assert (worker.waiting(), worker.unacknowledged()) == (1, 0)
        assert "The event loop has failed" in worker.log


def test_a_warm_shutdown_waits_for_calls_in_threads(start: Any) -> None:
    """One that its job left behind is named, and has the time that it needs, as jobs have."""
    with start(slots=2) as worker:
        job = worker.send("leaves-call", "left")
        value_of(job)

        worker.process.send_signal(signal.SIGTERM)
        said = (
            f"Waiting for calls that jobs left in threads: blocks_until for leaves-call[{job.id}]"
        )
        wait_until(lambda: said in worker.log, what="the log")
        assert worker.process.poll() is None

        worker.open_gate("left")
        assert worker.process.wait(20) == 0


def test_a_library_that_wraps_tracers_is_given_values(start: Any) -> None:
    """As Sentry is, which replaces Celery's `build_tracer` in the app's module."""
    with start(environment={"POOL_APP_WRAPS_TRACER": "1"}) as worker:
        value_of(worker.send("add", 1, 1))

        assert "traced add 2" in worker.diary


def test_an_app_may_install_uvloop(start: Any) -> None:
    """The pool then runs its loop; jobs, exits, stops and shutdowns are as on asyncio's own."""
    with start(slots=4, environment={"POOL_APP_UVLOOP": "1"}) as worker:
        assert worker.ask("stats")["pool"]["loop"] == "Loop"
        jobs = [worker.send("identity", 0.05) for _ in range(8)]
        assert [set(value_of(job)) for job in jobs] == [{job.id} for job in jobs]
        assert value_of(worker.send("stops-loop")) == "went on"
        with pytest.raises(WorkerLostError):
            value_of(worker.send("exits-in-task", "uvloop"))
        assert value_of(worker.send("in-threads", 3, 0.01)) > 0
        worker.send("gated", "runs")
        worker.wait_for("begun runs")

        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in worker.log, what="the signal to be heard")
        worker.open_gate("runs")

        assert worker.process.wait(20) == 0
        assert _done(worker) == ["done runs"]
