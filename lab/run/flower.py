"""A Flower that watches a worker during its trials, to see what that costs."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from collector.run_manifest import Contender
from lab.experiment.worker_settings import Tuning
from lab.run.state import Run
from lab.system import children, redis_server
from poolbench.errors import StackError

#: How long it may take until it answers, seconds.
START_TIMEOUT_S = 30.0

#: Flower's own count of the events that it took in, by worker, type and task.
_COUNTER = re.compile(r"^flower_events_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flower:
    """A running Flower."""

    port: int

    def events(self) -> int:
        """Return how many events it has taken in; 0 if it doesn't answer."""
        with contextlib.suppress(httpx.HTTPError):
            return count_events(httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text)
        return 0


def count_events(metrics: str) -> int:
    """Return the sum of Flower's counters of events, from the text of its ``/metrics``."""
    return round(sum(float(found) for found in _COUNTER.findall(metrics)))


@contextlib.contextmanager
def open_flower(environment: Mapping[str, str], *, log: Path) -> Iterator[Flower]:
    """Run a Flower on a free port of 127.0.0.1, with a login that nobody knows.

    It is told not to turn events on: it would in every worker of the block.

    Raises:
        StackError: if it doesn't start.
    """
    port = redis_server.free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}", "--enable_events=False"]
    login = {"FLOWER_BASIC_AUTH": f"poolbench:{secrets.token_hex(16)}"}
    child = children.start(command, name="flower", log=log, environment={**environment, **login})
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not _is_up(port):
            if child.exit_code is not None or time.monotonic() > deadline_s:
                raise StackError(f"Flower did not start: {child.last_line()} (log: {log})")
            time.sleep(0.1)
        yield Flower(port=port)
    finally:
        child.end()


def _is_up(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck", timeout=1.0).is_success
    return False


@contextlib.contextmanager
def watching(run: Run, contender: Contender, *, block: int) -> Iterator[Flower | None]:
    """Have a Flower for the length of a measurement, where the contender asks for one."""
    if not Tuning.of(contender.settings).flower:
        yield None
        return
    run.progress.now(f"{contender.name}: Flower")
    log = run.logs / f"{block:03d}-{contender.name}-flower.log"
    with open_flower(run.bench.environment, log=log) as flower:
        yield flower
