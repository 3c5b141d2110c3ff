"""How a worker of each pool ends: what runs finishes or goes back, and what waits is not begun."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, wait_until
from tests.integration.pooling import VARIANTS, PoolWorker, Variant, running_pool

pytestmark = pytest.mark.e2e

#: Variants whose pool can end a running job; docs/pools.md shows what the others do instead.
_CANCELLING = [one for one in VARIANTS if one.pool.name == "prefork" or one.has_coroutines]

#: Variants that take remote commands while a job runs.
_ANSWERING = [one for one in VARIANTS if one.pool.name != "solo"]

#: Jobs that wait in the worker or in the queue while another runs: acknowledged late and early.
_WAITING = ("gated", "gated-early", "gated-early")

Start = Callable[..., Any]


@pytest.fixture
def start(server: Server, run_id: str, tmp_path: Path) -> Start:
    """Start a worker of one slot on a queue of the test's own, with jobs that run and wait."""

    @contextmanager
    def start(variant: Variant, *, runs: str = "gated", **options: Any) -> Iterator[PoolWorker]:
        with running_pool(
            server.url,
            pool=variant.pool,
            folder=tmp_path,
            queue=run_id,
            slots=1,
            has_coroutines=variant.has_coroutines,
            **options,
        ) as worker:
            worker.send(runs, "runs")
            worker.wait_for("begun runs")
            for name in _WAITING:
                worker.send(name, "waits")
            yield worker

    return start


def _assert_finished(worker: PoolWorker) -> None:
    """Check that the running job was done, and that nothing else was begun or lost."""
    more = worker.diary.count("done waits")
    assert worker.diary.count("begun waits") == more
    # these two give slots to jobs that wait until the pool itself is stopped
    assert more == 0 or worker.pool.name in ("threads", "gevent")
    assert worker.diary.count("done runs") == 1
    assert (worker.waiting(), worker.unacknowledged()) == (3 - more, 0)


def _assert_put_back(worker: PoolWorker) -> None:
    """Check that no job was done, and that all are in the queue."""
    assert not [line for line in worker.diary if line.startswith("done ")]
    assert "begun waits" not in worker.diary
    assert (worker.waiting(), worker.unacknowledged()) == (4, 0)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)], ids=["SIGTERM", "SIGINT"]
)
def test_a_warm_shutdown_finishes_what_runs(
    start: Start, variant: Variant, number: signal.Signals, exit_code: int
) -> None:
    """The running job ends and is acknowledged; those that wait go back to the queue."""
    with start(variant) as worker:
        worker.process.send_signal(number)
        heard = "Warm shutdown" if number is signal.SIGTERM else "Hitting Ctrl+C again"
        wait_until(lambda: heard in worker.log, what="the signal to be heard")
        worker.open_gate("runs", "waits")

        assert worker.process.wait(20) == exit_code
        _assert_finished(worker)


@pytest.mark.parametrize("variant", _ANSWERING, ids=str)
def test_a_remote_shutdown_finishes_what_runs(start: Start, variant: Variant) -> None:
    """As SIGTERM does."""
    with start(variant) as worker:
        worker.ask("ping")  # gevent says that it is ready before it listens to commands
        worker.app.control.shutdown(destination=[f"{worker.queue}@here"])
        wait_until(lambda: "Got shutdown from remote" in worker.log, what="the command")
        worker.open_gate("runs", "waits")

        assert worker.process.wait(20) == 0
        _assert_finished(worker)


@pytest.mark.parametrize("variant", _CANCELLING, ids=str)
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT], ids=["SIGQUIT", "SIGINT twice"])
def test_a_cold_shutdown_puts_back_what_runs(
    start: Start, variant: Variant, number: signal.Signals
) -> None:
    """A job with acks_late is ended and in the queue again, with those that wait.

    The first Ctrl-C waits for what runs, the second ends it.
    """
    with start(variant) as worker:
        if number is signal.SIGINT:
            worker.process.send_signal(number)
            wait_until(lambda: "Hitting Ctrl+C again" in worker.log, what="the first")
        worker.process.send_signal(number)

        worker.process.wait(20)
        _assert_put_back(worker)


@pytest.mark.parametrize("variant", _CANCELLING, ids=str)
@pytest.mark.parametrize("runs", ["gated", "gated-early"])
def test_a_soft_shutdown_begins_nothing(start: Start, variant: Variant, runs: str) -> None:
    """SIGQUIT with a timeout: the running job finishes in time, and no other takes its slot."""
    settings = {"worker_soft_shutdown_timeout": 5.0}
    with start(variant, runs=runs, settings=settings) as worker:
        worker.process.send_signal(signal.SIGQUIT)
        wait_until(lambda: "Initiating Soft Shutdown" in worker.log, what="the signal")
        worker.open_gate("runs", "waits")

        worker.process.wait(20)
        _assert_finished(worker)
