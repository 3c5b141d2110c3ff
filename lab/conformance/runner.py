"""Tries every promise on every pool, several at a time, since most of a try is waiting."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from kombu.exceptions import OperationalError

from lab.conformance.finding import Finding, Outcome, not_tried
from lab.conformance.interpreter import CeleryPython
from lab.conformance.promise import Promise
from lab.conformance.survey import Verdict, judge_tries
from lab.conformance.testbed import NotReadyError, StoppedError, Testbed
from lab.conformance.worker import WorkerDiedError
from lab.conformance.worker_exit import judge_exits
from lab.system.environment import describe_broker, usable_cores
from lab.system.redis_server import RedisServer, find_server
from poolbench.errors import StackError
from poolbench.pools import Pool

#: Number of tries at the same time. Most wait; with more of them workers start more slowly.
ABREAST = 8

#: Number of databases that a server has by default.
DATABASES = 16

#: Exit code of a `celery` command that does not know an option.
_USAGE_EXIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The verdicts, and the broker of the tries."""

    #: By the promise's name and the pool's name.
    verdicts: dict[tuple[str, str], Verdict]
    broker: dict[str, str]


def conduct(
    promises: Sequence[Promise],
    *,
    pools: Sequence[Pool],
    interpreter: CeleryPython,
    tries: int = 1,
    advance: Callable[[], None],
) -> Results:
    """Try all promises on all pools ``tries`` times; call ``advance`` after each try.

    All promises are tried once before any is tried again, so that a disturbance of the machine
    affects different promises. An interruption ends every worker before it is raised.

    Raises:
        StackError: if there is no server, or it can't be started.
    """
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        RedisServer(folder=Path(folder) / "server") as server,
    ):
        runner = _Runner(folder=Path(folder), shared=server, interpreter=interpreter)
        cells = [(promise, pool) for promise in promises for pool in pools]
        verdicts = runner.try_all(cells, tries=tries, advance=advance)
        with redis.Redis.from_url(server.url()) as client:
            broker = describe_broker(client, origin=find_server().origin)
    return Results(verdicts=verdicts, broker=broker)


class _Runner:
    """Testbeds side by side, each with a database or a server of its own."""

    def __init__(self, *, folder: Path, shared: RedisServer, interpreter: CeleryPython) -> None:
        self.folder = folder
        self.shared = shared
        self.interpreter = interpreter
        self.starting = threading.BoundedSemaphore(usable_cores())
        self.stopping = threading.Event()
        self.databases: queue.SimpleQueue[int] = queue.SimpleQueue()
        for database in range(DATABASES):
            self.databases.put(database)

    def try_all(
        self, cells: Sequence[tuple[Promise, Pool]], *, tries: int, advance: Callable[[], None]
    ) -> dict[tuple[str, str], Verdict]:
        """Return all verdicts."""
        # threads that live as long as their workers: a worker ends with the thread that started it
        with ThreadPoolExecutor(max_workers=ABREAST) as executor:
            running: dict[tuple[str, str], list[Future[Finding]]] = {}
            try:
                for number, promise, pool in in_order(cells, tries=tries):
                    future = executor.submit(self.try_one, promise, pool, number=number)
                    running.setdefault((promise.name, pool.name), []).append(future)
                pending = {one for futures in running.values() for one in futures}
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for one in done:
                        one.result()
                        advance()
            except BaseException:
                self.stopping.set()
                executor.shutdown(wait=True, cancel_futures=True)
                raise
        return {
            names: judge_tries([one.result() for one in futures])
            for names, futures in running.items()
        }

    def try_one(self, promise: Promise, pool: Pool, *, number: int) -> Finding:
        """Try a promise on a pool; an obstacle becomes the finding that it was not tried."""
        if lacking := self.interpreter.lacks(pool):
            return not_tried(lacking)
        name = f"{promise.name}-{pool.name}-{number}"
        try:
            with self._server(name, is_own=promise.needs_own_server) as (server, database):
                if self.stopping.is_set():
                    raise StoppedError
                testbed = Testbed(
                    pool=pool,
                    interpreter=self.interpreter,
                    server=server,
                    database=database,
                    folder=self.folder / name,
                    starting=self.starting,
                    stopping=self.stopping,
                )
                return attempt(promise, testbed)
        except (StackError, NotReadyError, OSError, redis.RedisError, OperationalError) as error:
            return not_tried(f"{type(error).__name__}: {error}")

    @contextmanager
    def _server(self, name: str, *, is_own: bool) -> Iterator[tuple[RedisServer, int]]:
        """Yield a server and the number of a database in it that nobody else uses."""
        if is_own:
            with RedisServer(folder=self.folder / f"server-{name}") as server:
                yield server, 0
            return
        database = self.databases.get_nowait()
        try:
            yield self.shared, database
        finally:
            self.databases.put(database)


def attempt(promise: Promise, testbed: Testbed) -> Finding:
    """Try a promise on a testbed, and close that; judge by its workers too."""
    try:
        found = promise.attempt(testbed)
        return judge_exits(found, exits=[worker.exit() for worker in testbed.workers])
    except WorkerDiedError as death:
        return judge_death(death)
    finally:
        testbed.close()


def in_order(
    cells: Sequence[tuple[Promise, Pool]], *, tries: int
) -> list[tuple[int, Promise, Pool]]:
    """Return all tries, numbered from 0: a round of all cells, then the next; slow ones first."""
    round_ = sorted(cells, key=lambda one: -one[0].lasts_s)
    return [(number, promise, pool) for number in range(tries) for promise, pool in round_]


def judge_death(death: WorkerDiedError) -> Finding:
    """Judge a worker that ended without a request."""
    unknown = [line for line in death.evidence if "No such option" in line]
    if death.exit_code == _USAGE_EXIT and unknown:
        return not_tried(f"This Celery has no such option: {unknown[0].removeprefix('log: ')}")
    seen = f"The worker died, with exit code {death.exit_code}."
    return Finding(outcome=Outcome.BREAKS, seen=seen, evidence=death.evidence)
