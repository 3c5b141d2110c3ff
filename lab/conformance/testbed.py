"""A place for one try: a broker's empty database, a file for stamps, and the workers started."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from lab.conformance.interpreter import Interpreter
from lab.conformance.job_fates import Account, account
from lab.conformance.redis import Server
from lab.conformance.stamps import Story, read_story
from lab.conformance.worker import BedWorker
from lab.conformance.worker_exit import WorkerExit
from lab.system import children
from lab.system.paths import ROOT
from poolbench.pools import Pool

#: Where the app of the tried workers lies; it alone is on their path, beside asyncio's pool.
APP_FOLDER = Path(__file__).resolve().parent / "app"

#: The queue of every bed; each bed has a database of its own.
QUEUE = "jobs"

#: How long a worker may take to say that it is ready, seconds: many start on few cores.
READY_WITHIN_S = 40.0

_POLL_S = 0.05


class StoppedError(Exception):
    """The survey was stopped; what a try would have found is not known."""


class NotReadyError(Exception):
    """A worker lives and never said that it is ready."""


@dataclass(slots=True, kw_only=True)
class Bed:
    """What a row is given to try itself on a pool."""

    pool: Pool
    interpreter: Interpreter
    #: The broker, and the database of it that is this bed's alone.
    server: Server
    database: int
    #: Where logs and stamps go.
    folder: Path
    #: Held while a worker starts: a start is all CPU.
    starting: threading.Semaphore
    stopping: threading.Event
    client: redis.Redis = field(init=False)
    app: Celery = field(init=False)
    sent: list[str] = field(default_factory=list)
    _workers: list[BedWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client = redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=5.0)
        self.client.flushdb()
        self.app = Celery("bed", broker=self.url, set_as_current=False)

    @property
    def url(self) -> str:
        """Return the broker's address, database included."""
        return self.server.url(self.database)

    def close(self) -> None:
        """End every worker and every connection."""
        for worker in self._workers:
            worker.kill()
        self.app.close()
        self.client.close()

    def exits(self) -> list[WorkerExit]:
        """Return how each worker ended."""
        return [worker.exit() for worker in self._workers]

    def slots(self, wanted: int) -> int:
        """Return the slots that this pool can have instead of those wanted."""
        return self.pool.fixed_slots or wanted

    @contextmanager
    def worker(
        self,
        *options: str,
        slots: int = 2,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[BedWorker]:
        """Run a worker with these options and settings; it is ready inside, and killed after.

        Raises:
            WorkerDiedError: if it ends before it is ready.
            NotReadyError: if it isn't ready in time.
        """
        with self.starting:
            worker = self._start(options, slots=slots, settings=settings, environment=environment)
            try:
                is_ready = worker.until(worker.is_ready, within_s=READY_WITHIN_S)
            except BaseException:
                worker.kill()
                raise
        try:
            if not is_ready:
                raise NotReadyError(f"the worker was not ready within {READY_WITHIN_S:.0f} s")
            yield worker
        finally:
            worker.kill()

    def send(
        self, job: str, *, label: str, countdown: float | None = None, **arguments: Any
    ) -> str:
        """Send a job; its label is its id, so that logs name it."""
        kwargs = {"label": label, **arguments}
        self.app.send_task(job, kwargs=kwargs, task_id=label, queue=QUEUE, countdown=countdown)
        self.sent.append(label)
        return label

    def send_many(self, job: str, *, labels: str, count: int, **arguments: Any) -> list[str]:
        """Send jobs labelled ``labels-1`` and so on."""
        names = [f"{labels}-{number}" for number in range(1, count + 1)]
        return [self.send(job, label=name, **arguments) for name in names]

    def until(self, reached: Callable[[], bool], *, within_s: float) -> bool:
        """Return whether it was reached in time.

        Raises:
            StoppedError: if the survey was stopped meanwhile.
        """
        deadline_s = time.monotonic() + within_s
        while not reached():
            if self.stopping.wait(_POLL_S):
                raise StoppedError
            if time.monotonic() > deadline_s:
                return False
        return True

    def until_stalled(self, reached: Callable[[], bool], *, stalled_s: float) -> bool:
        """Return whether it was reached before no job had stamped anything for so long."""
        length, since_s = -1, time.monotonic()
        while not reached():
            now = len(self.story().stamps)
            if now != length:
                length, since_s = now, time.monotonic()
            if time.monotonic() - since_s > stalled_s:
                return False
            self.pause(_POLL_S)
        return True

    def pause(self, seconds: float) -> None:
        """Let time pass in which something must not happen."""
        self.until(lambda: False, within_s=seconds)

    def story(self) -> Story:
        """Return what the jobs have stamped so far."""
        return read_story(self.folder / "stamps")

    def has(self, moment: str, *labels: str) -> Callable[[], bool]:
        """Return a condition: all these jobs have stamped that moment."""
        return lambda: self.story().have(moment, labels=labels)

    def queued(self) -> list[str]:
        """Return the jobs that wait in the queue."""
        messages: Any = self.client.lrange(QUEUE, 0, -1)
        return [json.loads(message)["headers"]["id"] for message in messages]

    def unacked(self) -> list[str]:
        """Return the jobs that a worker fetched and didn't acknowledge."""
        held: Any = self.client.hvals("unacked")
        return [json.loads(message)[0]["headers"]["id"] for message in held]

    def account(self, jobs: Sequence[str] | None = None) -> Account:
        """Return what became of these jobs; of each job sent if left out."""
        sent = self.sent if jobs is None else jobs
        return account(sent, story=self.story(), queued=self.queued(), unacked=self.unacked())

    def state(self, label: str) -> str:
        """Return the state that Celery stored as a job's result, empty if none."""
        stored: Any = self.client.get(f"celery-task-meta-{label}")
        return str(json.loads(stored)["status"]) if stored else ""

    def restart_server(self, *, away_s: float) -> None:
        """Stop the broker, and start it again with its data; only where it is this bed's alone."""
        self.server.stop()
        self.pause(away_s)
        self.server.start()

    def takes_jobs(self, worker: BedWorker, *, label: str = "after") -> bool:
        """Return whether a worker still runs a job that is sent now."""
        self.send("wait", label=label, seconds=0.0)
        return worker.until(self.has("finished", label), within_s=15.0)

    def _start(
        self,
        options: tuple[str, ...],
        *,
        slots: int,
        settings: Mapping[str, Any] | None,
        environment: Mapping[str, str] | None,
    ) -> BedWorker:
        number, wanted = len(self._workers) + 1, self.slots(slots)
        node = f"bed-{number}@conformance"
        command = [str(self.interpreter.path), "-m", "celery", "-A", "conformance_app", "worker"]
        command += ["-P", self.pool.celery_value, "-c", str(wanted), "-n", node, "-l", "INFO"]
        command += ["--without-mingle", "--without-gossip", "--without-heartbeat", *options]
        child = children.start(
            command,
            name=f"{self.pool.name}-{number}",
            log=self.folder / f"{node}.log",
            environment={**self._environment(settings or {}), **(environment or {})},
        )
        worker = BedWorker(
            child=child, node=node, slots=wanted, app=self.app, wait_until=self.until
        )
        self._workers.append(worker)
        return worker

    def _environment(self, settings: Mapping[str, Any]) -> dict[str, str]:
        path = [str(APP_FOLDER), *([str(ROOT)] if self.pool.environment else [])]
        return {
            **dict(self.pool.environment),
            "CONFORMANCE_BROKER": self.url,
            "CONFORMANCE_STAMPS": str(self.folder / "stamps"),
            "CONFORMANCE_SETTINGS": json.dumps(dict(settings)),
            "CONFORMANCE_ASYNC": "1" if self.pool.name == "asyncio" else "0",
            "PYTHONPATH": os.pathsep.join(path),
        }
