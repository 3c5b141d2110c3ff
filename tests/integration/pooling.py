"""What the tests of pools share: a real worker of `pool_app` in any of them, and a sender."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery
from celery.result import AsyncResult

from lab.system.paths import ROOT
from poolbench.pools import Pool, available_pools
from tests.conftest import wait_until
from tests.processes import has_ended, running_python

#: How long a job may take that should be done at once, seconds: the machine may be busy.
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A pool, and what its jobs are."""

    pool: Pool
    has_coroutines: bool

    def __str__(self) -> str:
        is_both = self.pool.name == "asyncio"
        kind = "-coroutines" if self.has_coroutines else "-plain"
        return f"{self.pool.name}{kind if is_both else ''}"


#: Every pool with plain jobs, and asyncio with coroutines too.
VARIANTS = tuple(
    Variant(pool=pool, has_coroutines=has_coroutines)
    for has_coroutines in (False, True)
    for pool in available_pools()
    if pool.name == "asyncio" or not has_coroutines
)


@dataclass(slots=True, kw_only=True)
class PoolWorker:
    """A running worker, and a client of its queue."""

    process: subprocess.Popen[bytes]
    pool: Pool
    slots: int
    app: Celery
    client: redis.Redis
    queue: str
    folder: Path
    #: Ids of the jobs that were sent to be recorded, in order.
    sent: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")

    @property
    def diary(self) -> list[str]:
        """What its jobs wrote down."""
        path = self.folder / "diary"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def sign(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return a job's signature."""
        return self.app.signature(name, args=args, kwargs=kwargs)

    def send(self, name: str, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Send a job."""
        return self.app.send_task(name, args, **options)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the worker's answer to a remote command, which it gets once.

        A broadcast before the worker has subscribed is lost: a ping is sent until it is answered.
        """
        wait_until(
            lambda: bool(self._broadcast("ping", timeout_s=1.0)),
            what="the worker to listen",
            within_s=PATIENCE_S,
        )
        answers = self._broadcast(command, timeout_s=PATIENCE_S, **arguments)
        assert answers, f"no answer to {command} within {PATIENCE_S:g} s"
        return answers[0][f"{self.queue}@here"]

    def _broadcast(self, command: str, *, timeout_s: float, **arguments: Any) -> Any:
        return self.app.control.broadcast(
            command,
            arguments=arguments,
            destination=[f"{self.queue}@here"],
            reply=True,
            timeout=timeout_s,
            limit=1,
        )

    def unacknowledged(self) -> int:
        """Return how many messages of this queue some worker has and hasn't acknowledged."""
        held: Any = self.client.hvals("unacked")
        return sum(self.queue in message for message in held)

    def wait_for(self, *lines: str) -> None:
        """Wait until the diary has these lines."""
        wait_until(lambda: set(lines) <= set(self.diary), what=f"{lines} in the diary")

    def open_gate(self, *words: str) -> None:
        """Let the jobs go that wait for one of these words."""
        for word in words:
            (self.folder / f"open-{word}").touch()

    def pool_has(self, *, running: int, waiting: int) -> None:
        """Wait until the asyncio pool says so of its jobs."""

        def is_so() -> bool:
            pool = self.ask("stats")["pool"]
            return bool((pool["running"], pool["waiting"]) == (running, waiting))

        wait_until(is_so, what=f"{running} jobs to run and {waiting} to wait")

    @property
    def children(self) -> list[psutil.Process]:
        """Its direct child processes that have not ended: slots and its recorder."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if not has_ended(child)]

    def drop_connections(self) -> None:
        """Let the server close the worker's connections, and nobody else's."""
        for connection in psutil.Process(self.process.pid).net_connections(kind="tcp"):
            host, port = connection.laddr
            self.client.client_kill_filter(addr=f"{host}:{port}")

    def waiting(self) -> int:
        """Return how many messages lie in the queue."""
        count: Any = self.client.llen(self.queue)
        return int(count)


def value_of(result: Any) -> Any:
    """Return a job's result as soon as it is there."""
    return result.get(timeout=PATIENCE_S, interval=0.02)


@contextmanager
def running_pool(
    url: str,
    *,
    pool: Pool,
    folder: Path,
    queue: str,
    slots: int = 4,
    options: tuple[str, ...] = (),
    has_coroutines: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[PoolWorker]:
    """Run a worker until it is ready; kill what is left of it at the end.

    Its jobs are coroutines in the asyncio pool unless ``has_coroutines`` says otherwise.
    """
    is_async = pool.name == "asyncio" if has_coroutines is None else has_coroutines
    environ = {
        **os.environ,
        **dict(pool.environment),
        "POOL_APP_URL": url,
        "POOL_APP_QUEUE": queue,
        "POOL_APP_DIARY": str(folder / "diary"),
        "POOL_APP_COROUTINES": str(int(is_async)),
        "POOL_APP_SETTINGS": json.dumps(dict(settings or {})),
        "POOLBENCH_STATE_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        **(environment or {}),
    }
    command = ["-m", "celery", "-A", "tests.integration.pool_app", "worker"]
    command += ["-P", pool.celery_value, "-c", str(slots), "-n", f"{queue}@here", "-l", "info"]
    command += ["--without-mingle", "--without-gossip", "--without-heartbeat", *options]
    log = folder / "worker.log"
    with (
        running_python(*command, log=log, environ=environ, folder=folder) as process,
        Celery("sender", broker=url, backend=url, set_as_current=False) as app,
        redis.Redis.from_url(url, decode_responses=True) as client,
    ):
        app.conf.task_default_queue = queue
        worker = PoolWorker(
            process=process,
            pool=pool,
            slots=slots,
            app=app,
            client=client,
            queue=queue,
            folder=folder,
        )
        try:
            wait_until(lambda: _is_ready(worker), what="the worker to be ready", within_s=30)
            yield worker
        finally:
            # `Celery.close` leaves these open, and a result that is forgotten would open another
            backend: Any = app.backend
            backend.result_consumer.stop()
            backend.result_consumer.subscribed_to.clear()
            backend.client.connection_pool.disconnect()


def _is_ready(worker: PoolWorker) -> bool:
    assert worker.process.poll() is None, worker.log
    return " ready." in worker.log
