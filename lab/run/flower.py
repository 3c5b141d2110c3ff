"""Runs Flower next to a worker during its trials, to measure what that costs."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from collections.abc import Iterator
from functools import partial

import httpx

from lab.experiment.worker_settings import Tuning
from lab.run.state import Run
from lab.system import children
from lab.system.redis_server import free_port
from lab.trial.context import LabWorker

#: Timeout for it to start, seconds.
START_TIMEOUT_S = 30.0

#: Flower's own count of the events that it received, by worker, type and task.
_COUNTER = re.compile(r"^flower_events_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


def count_events(metrics: str) -> int:
    """Return the sum of Flower's counters of events, from the text of its ``/metrics``."""
    return round(sum(float(found) for found in _COUNTER.findall(metrics)))


@contextlib.contextmanager
def watching(run: Run, worker: LabWorker) -> Iterator[None]:
    """Run a Flower on a free port while the body runs, if the contender has one.

    It has a random password. Its ``enable_events`` is off: it would turn events on in every worker
    of the block.

    Raises:
        StackError: if it doesn't start.
    """
    name = worker.contender.name
    if not Tuning.model_validate(worker.contender.settings).flower:
        yield
        return
    run.progress.now(f"{name}: Flower")
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}", "--enable_events=False"]
    login = {"FLOWER_BASIC_AUTH": f"poolbench:{secrets.token_hex(16)}"}
    log = run.logs / f"{worker.block:03d}-{name}-flower.log"
    environment = {**run.environment, **login}
    with children.start(command, name="Flower", log=log, environment=environment) as child:
        child.await_up(
            lambda: children.responds(f"http://127.0.0.1:{port}/healthcheck"),
            within_s=START_TIMEOUT_S,
        )
        run.count_events = partial(_received_events, port)
        try:
            yield
        finally:
            run.count_events = None


def _received_events(port: int) -> int:
    """Return how many events a Flower has received; 0 if it doesn't answer."""
    with contextlib.suppress(httpx.HTTPError):
        return count_events(httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text)
    return 0
