"""The testbed of one try: a broker, a file of stamps, and workers."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from lab.conformance.observation import JobFates, Observation, job_fates
from lab.conformance.stamps import Stamps, read_stamps
from lab.conformance.worker import TestbedWorker
from lab.system import children
from lab.system.paths import ROOT
from lab.system.redis_server import RedisServer
from poolbench.errors import StackError
from poolbench.pools import Pool

#: Folder of the workers' app: their only path, with the checkout's for the asyncio pool.
APP_FOLDER = Path(__file__).resolve().parent / "app"

#: The queue of every testbed; each testbed has a broker of its own.
QUEUE = "jobs"

#: After how many seconds an autoscaled pool may remove idle slots.
KEEPALIVE_S = 1

#: How long a worker may take to become ready, seconds: many start on few cores.
READY_WITHIN_S = 40.0

_POLL_S = 0.05


@dataclass(slots=True, kw_only=True)
class Testbed:
    """Sends jobs, starts workers of one pool, and observes both."""

    pool: Pool
    #: The Python of the workers.
    python: Path
    #: The broker, which belongs to this testbed; logs and stamps go to its folder.
    server: RedisServer
    #: Held while a worker starts, which takes a whole core.
    starting: threading.Semaphore
    #: Set when the survey is interrupted.
    stopping: threading.Event
    client: redis.Redis = field(init=False)
    app: Celery = field(init=False)
    #: Labels of the jobs sent from here.
    sent: list[str] = field(default_factory=list)
    workers: list[TestbedWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        url = self.server.url()
        self.client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5.0)
        self.app = Celery("testbed", broker=url, set_as_current=False)

    def close(self) -> None:
        """Close every connection."""
        self.app.close()
        self.client.close()

    @contextmanager
    def worker(
        self, *options: str, slots: int = 2, settings: Mapping[str, object] | None = None
    ) -> Iterator[TestbedWorker]:
        """Run a worker with these options and settings; yield it when it is ready, kill it after.

        Raises:
            WorkerDiedError: if it ends before it is ready.
            StackError: if it isn't ready in time.
        """
        slots = self.pool.fixed_slots or slots
        node = f"testbed-{len(self.workers) + 1}@conformance"
        command = [str(self.python), "-m", "celery", "-A", "conformance_app", "worker"]
        command += ["-P", self.pool.celery_value, "-c", str(slots), "-n", node, "-l", "INFO"]
        command += ["--without-mingle", "--without-gossip", "--without-heartbeat", *options]
        path = [str(APP_FOLDER), *([str(ROOT)] if self.pool.environment else [])]
        variables = {
            **dict(self.pool.environment),
            "AUTOSCALE_KEEPALIVE": str(KEEPALIVE_S),
            "CONFORMANCE_BROKER": self.server.url(),
            "CONFORMANCE_STAMPS": str(self.server.folder / "stamps"),
            "CONFORMANCE_SETTINGS": json.dumps(settings or {}),
            "PYTHONPATH": os.pathsep.join(path),
        }
        log = self.server.folder / f"{node}.log"
        with ExitStack() as stack:
            with self.starting:
                child = children.start(command, name=node, log=log, environment=variables)
                worker = TestbedWorker(
                    child=child, slots=slots, app=self.app, wait_until=self.until
                )
                stack.callback(worker.kill)
                self.workers.append(worker)
                if not worker.until(worker.is_ready, within_s=READY_WITHIN_S):
                    raise StackError(f"the worker was not ready within {READY_WITHIN_S:.0f} s")
            yield worker

    def send(
        self, job: str, *, label: str, countdown: float | None = None, **arguments: Any
    ) -> str:
        """Send a job and return its label, which is also its id, so that logs contain it."""
        kwargs = {"label": label, **arguments}
        self.app.send_task(job, kwargs=kwargs, task_id=label, queue=QUEUE, countdown=countdown)
        self.sent.append(label)
        return label

    def send_many(self, job: str, *, labels: str, count: int, **arguments: Any) -> list[str]:
        """Send jobs with the labels ``labels-1`` and so on."""
        names = [f"{labels}-{number}" for number in range(1, count + 1)]
        return [self.send(job, label=name, **arguments) for name in names]

    def fill_slots(
        self, worker: TestbedWorker, *, seconds: float, labels: str = "busy", job: str = "wait"
    ) -> list[str]:
        """Send one waiting job for each slot; return their labels when all have started."""
        jobs = self.send_many(job, labels=labels, count=worker.slots, seconds=seconds)
        worker.until(self.has("started", *jobs))
        return jobs

    def until(self, reached: Callable[[], bool], *, within_s: float) -> bool:
        """Return whether the condition became true in time.

        Raises:
            CancelledError: if the survey is interrupted meanwhile.
        """
        deadline_s = time.monotonic() + within_s
        while not reached():
            if self.stopping.wait(_POLL_S):
                raise CancelledError
            if time.monotonic() > deadline_s:
                return False
        return True

    def until_stalled(self, reached: Callable[[], bool], *, stall_s: float) -> bool:
        """Return whether the condition became true before ``stall_s`` passed without a stamp."""
        count, since_s = -1, time.monotonic()
        while not reached():
            now = len(self.stamps().all)
            if now != count:
                count, since_s = now, time.monotonic()
            if time.monotonic() - since_s > stall_s:
                return False
            self.pause(_POLL_S)
        return True

    def pause(self, seconds: float) -> None:
        """Wait, to verify that something does not happen."""
        self.until(lambda: False, within_s=seconds)

    def stamps(self) -> Stamps:
        """Return the stamps that jobs have written so far."""
        return read_stamps(self.server.folder / "stamps")

    def has(self, moment: str, *labels: str) -> Callable[[], bool]:
        """Return a condition: all these jobs have stamped this moment."""
        return lambda: self.stamps().have(moment, *labels)

    def is_acknowledged(self) -> bool:
        """Return whether no fetched job is left to acknowledge."""
        return not self.unacked()

    def queued(self) -> list[str]:
        """Return the jobs in the queue."""
        messages: Any = self.client.lrange(QUEUE, 0, -1)
        return [json.loads(message)["headers"]["id"] for message in messages]

    def unacked(self) -> list[str]:
        """Return the jobs that a worker has fetched and not acknowledged."""
        held: Any = self.client.hvals("unacked")
        return [json.loads(message)[0]["headers"]["id"] for message in held]

    def fates(self, jobs: Iterable[str]) -> JobFates:
        """Return the fate of each of these jobs."""
        return job_fates(jobs, stamps=self.stamps(), queued=self.queued(), unacked=self.unacked())

    def state(self, label: str) -> str | None:
        """Return the state that Celery stored as a job's result, None if there is no result."""
        stored: Any = self.client.get(f"celery-task-meta-{label}")
        return str(json.loads(stored)["status"]) if stored else None

    def observe(
        self, worker: TestbedWorker, *patterns: str, sends_one_more: bool = False
    ) -> Observation:
        """Return the current observation of all jobs and of this worker.

        Args:
            worker: the worker to observe.
            patterns: of the log lines to keep.
            sends_one_more: send the job ``after`` first, to check whether the worker runs it.
        """
        takes_jobs = not sends_one_more or worker.until(
            self.has("finished", self.send("wait", label="after", seconds=0.0))
        )
        return Observation(
            stamps=self.stamps(),
            fates=self.fates(self.sent),
            states={label: state for label in self.sent if (state := self.state(label))},
            exit_code=worker.exit_code,
            takes_jobs=takes_jobs,
            log=worker.log_lines(*patterns),
        )
