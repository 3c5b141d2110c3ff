"""Runs Flower next to a worker during its trials, to measure what that costs."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from collector.run_manifest import Contender
from lab.experiment.worker_settings import Tuning
from lab.run.state import Run
from lab.system import children
from lab.system.redis_server import free_port

#: How long it may take until it answers, seconds.
START_TIMEOUT_S = 30.0

#: Flower's own count of the events that it received, by worker, type and task.
_COUNTER = re.compile(r"^flower_events_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flower:
    """A running Flower."""

    port: int

    def events(self) -> int:
        """Return how many events it has received; 0 if it doesn't answer."""
        with contextlib.suppress(httpx.HTTPError):
            return count_events(httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text)
        return 0


def count_events(metrics: str) -> int:
    """Return the sum of Flower's counters of events, from the text of its ``/metrics``."""
    return round(sum(float(found) for found in _COUNTER.findall(metrics)))


@contextlib.contextmanager
def open_flower(environment: Mapping[str, str], *, log: Path) -> Iterator[Flower]:
    """Run a Flower on a free port of 127.0.0.1, with a random password.

    Its ``enable_events`` is off: it would turn events on in every worker of the block.

    Raises:
        StackError: if it doesn't start.
    """
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}", "--enable_events=False"]
    login = {"FLOWER_BASIC_AUTH": f"poolbench:{secrets.token_hex(16)}"}
    with children.running(
        command,
        name="Flower",
        log=log,
        is_up=children.responds(f"http://127.0.0.1:{port}/healthcheck"),
        within_s=START_TIMEOUT_S,
        environment={**environment, **login},
    ):
        yield Flower(port=port)


@contextlib.contextmanager
def watching(run: Run, contender: Contender, *, block: int) -> Iterator[Flower | None]:
    """Run a Flower while the body runs, if the contender has one; yield it or None."""
    if not Tuning.model_validate(contender.settings).flower:
        yield None
        return
    run.progress.now(f"{contender.name}: Flower")
    log = run.logs / f"{block:03d}-{contender.name}-flower.log"
    with open_flower(run.bench.environment, log=log) as flower:
        yield flower
