"""What the tests of worker and upstream share: both as real processes, and a sender of jobs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from lab.system.paths import ROOT
from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import queue_name, result_prefix, worker_key
from poolbench.pools import Pool
from tests.conftest import Server, wait_until
from tests.integration.probing import read_lines
from tests.processes import running_python


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A running upstream service."""

    process: subprocess.Popen[str]
    port: int


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run `python -m upstream` on a free port; kill what is left of it at the end."""
    command = [sys.executable, "-m", "upstream", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr.readline() if process.stderr else ""
            found = re.search(r"http://127\.0\.0\.1:(\d+)$", said.strip())
            assert found, f"upstream did not start: {said}"
            yield Upstream(process=process, port=int(found[1]))
        finally:
            process.kill()


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running worker of ours, and what its jobs left in Redis."""

    process: subprocess.Popen[bytes]
    pool: Pool
    slots: int
    client: redis.Redis
    run: str
    log: Path
    app: Celery
    sent: list[str] = field(default_factory=list)

    @property
    def queue(self) -> str:
        """The queue it takes its jobs from."""
        return queue_name(self.pool.name, scope=self.run)

    def send(self, kind: str, *, keeps_result: bool = False, **parameters: Any) -> str:
        """Send one job of the run; return its id."""
        header = JobHeader(
            run=self.run,
            trial=0,
            seq=len(self.sent),
            contender=self.pool.name,
            due_ns=time.time_ns(),
            sent_ns=time.time_ns(),
        )
        job = self.app.send_task(
            kind,
            kwargs=parameters,
            queue=self.queue,
            headers={HEADER: header.as_dict()},
            ignore_result=not keeps_result,
        )
        self.sent.append(str(job.id))
        return self.sent[-1]

    def lines(self, moment: str, *, of: list[str]) -> list[dict[str, Any]]:
        """Return the lines of that moment of these jobs, by job."""
        found = [line for line in read_lines(self.client, self.run) if line["m"] == moment]
        return sorted(
            (line for line in found if line["task_id"] in of), key=lambda line: line["seq"]
        )

    def finished(self, *jobs: str) -> list[dict[str, Any]]:
        """Wait until these jobs are finished; return their lines."""
        what = f"{len(jobs)} jobs finished in {self.pool.name}"
        wanted = list(jobs)
        wait_until(lambda: len(self.lines("finished", of=wanted)) == len(jobs), what=what)
        return self.lines("finished", of=wanted)

    def result(self, job: str) -> dict[str, Any]:
        """Return what Celery stored for a finished job that keeps its result."""
        stored: Any = self.client.get(f"{result_prefix(self.run)}celery-task-meta-{job}")
        found: dict[str, Any] = json.loads(stored)
        return found


@contextmanager
def running_worker(
    server: Server,
    *,
    pool: Pool,
    slots: int,
    run: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Worker]:
    """Run `python -m worker`, wait until it takes jobs, and kill what is left of it at the end."""
    log = folder / f"{pool.name}.log"
    command = ("-m", "worker", "--pool", pool.name, "--slots", str(slots), *options)
    environ = {
        **os.environ,
        "POOLBENCH_REDIS_URL": server.url,
        "POOLBENCH_SCOPE": run,
        "POOLBENCH_STATE_DIR": str(folder),
        **(environment or {}),
    }
    with (
        running_python(*command, log=log, environ=environ) as process,
        Celery("sender", broker=server.url, set_as_current=False) as app,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        worker = Worker(
            process=process, pool=pool, slots=slots, client=client, run=run, log=log, app=app
        )
        wait_until(_is_present(worker), what=f"the {pool.name} worker: {log.read_text()}")
        yield worker


def _is_present(worker: Worker) -> Callable[[], bool]:
    pattern = worker_key(worker.pool.name, f"*-{worker.process.pid}")

    def is_present() -> bool:
        assert worker.process.poll() is None, worker.log.read_text()
        return any(True for _ in worker.client.scan_iter(match=pattern))

    return is_present
