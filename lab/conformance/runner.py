"""Tries every row on every pool, several at a time, since most of a try is waiting."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import redis
from kombu.exceptions import OperationalError

from lab.conformance.finding import Finding, breaks, not_tried
from lab.conformance.interpreter import Interpreter
from lab.conformance.promise import Row
from lab.conformance.redis import DATABASES, Server
from lab.conformance.testbed import Bed, NotReadyError, StoppedError
from lab.conformance.verdict import Verdict, judge_tries
from lab.conformance.worker import WorkerDiedError
from lab.conformance.worker_exit import judge_exits
from lab.system.environment import describe_broker, usable_cores
from lab.system.redis_server import find_server
from poolbench.errors import StackError
from poolbench.pools import Pool

#: Tries at the same time. Most wait; more of them would start workers more slowly.
ABREAST = 8

#: How a `celery` command ends that does not know an option.
_USAGE_EXIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was found, and the broker that it was found on."""

    #: By row's name and pool's name, of all tries.
    verdicts: dict[tuple[str, str], Verdict]
    broker: dict[str, str]


def conduct(
    rows: Sequence[Row],
    *,
    pools: Sequence[Pool],
    interpreter: Interpreter,
    tries: int = 1,
    advance: Callable[[], None],
) -> Results:
    """Try all rows on all pools so often; ``advance`` is called after each try, from this thread.

    All rows are tried once on all pools before any is tried again, so that what disturbs the
    machine for a while meets different rows. An interruption ends every worker before it goes on.

    Raises:
        StackError: if there is no server, or it can't be started.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        server = Server(folder=Path(folder) / "server")
        server.start()
        try:
            hall = _Hall(folder=Path(folder), shared=server, interpreter=interpreter)
            verdicts = hall.try_all(
                [(row, pool) for row in rows for pool in pools], tries=tries, advance=advance
            )
            with redis.Redis.from_url(server.url(0)) as client:
                broker = describe_broker(client, origin=find_server().origin)
        finally:
            server.stop()
    return Results(verdicts=verdicts, broker=broker)


class _Hall:
    """Beds side by side, each with a database or a server of its own."""

    def __init__(self, *, folder: Path, shared: Server, interpreter: Interpreter) -> None:
        self.folder = folder
        self.shared = shared
        self.interpreter = interpreter
        self.starting = threading.BoundedSemaphore(usable_cores())
        self.stopping = threading.Event()
        self.databases: queue.SimpleQueue[int] = queue.SimpleQueue()
        for database in range(DATABASES):
            self.databases.put(database)

    def try_all(
        self, cells: Sequence[tuple[Row, Pool]], *, tries: int, advance: Callable[[], None]
    ) -> dict[tuple[str, str], Verdict]:
        """Return all verdicts."""
        # threads that live as long as their workers: a worker is tied to the thread that starts it
        with ThreadPoolExecutor(max_workers=ABREAST) as executor:
            running: dict[tuple[str, str], list[Future[Finding]]] = {}
            try:
                for number, row, pool in in_order(cells, tries=tries):
                    future = executor.submit(self.try_one, row, pool, number=number)
                    running.setdefault((row.name, pool.name), []).append(future)
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

    def try_one(self, row: Row, pool: Pool, *, number: int) -> Finding:
        """Try a row on a pool; what keeps it from being tried is its finding."""
        if lacking := self.interpreter.lacks(pool):
            return not_tried(lacking)
        try:
            if row.needs_own_server:
                return self._try_on_own_server(row, pool, number=number)
            database = self.databases.get_nowait()
            try:
                return self._try_on(self.shared, row, pool, number=number, database=database)
            finally:
                self.databases.put(database)
        except (StackError, NotReadyError, OSError, redis.RedisError, OperationalError) as error:
            return not_tried(f"{type(error).__name__}: {error}")

    def _try_on_own_server(self, row: Row, pool: Pool, *, number: int) -> Finding:
        server = Server(folder=self.folder / f"server-{row.name}-{pool.name}-{number}")
        server.start()
        try:
            return self._try_on(server, row, pool, number=number, database=0)
        finally:
            server.stop()

    def _try_on(
        self, server: Server, row: Row, pool: Pool, *, number: int, database: int
    ) -> Finding:
        if self.stopping.is_set():
            raise StoppedError
        bed = Bed(
            pool=pool,
            interpreter=self.interpreter,
            server=server,
            database=database,
            folder=self.folder / f"{row.name}-{pool.name}-{number}",
            starting=self.starting,
            stopping=self.stopping,
        )
        try:
            return judge_exits(row.attempt(bed), exits=bed.exits())
        except WorkerDiedError as death:
            return judge_death(death)
        finally:
            bed.close()


def in_order(cells: Sequence[tuple[Row, Pool]], *, tries: int) -> list[tuple[int, Row, Pool]]:
    """Return all tries, numbered from 0: a round of all cells, then the next; slow ones first."""
    round_ = sorted(cells, key=lambda one: -one[0].lasts_s)
    return [(number, row, pool) for number in range(tries) for row, pool in round_]


def judge_death(death: WorkerDiedError) -> Finding:
    """Judge a worker that ended though nobody had asked it to."""
    if death.exit_code == _USAGE_EXIT:
        said = next((line for line in death.evidence if "No such option" in line), "")
        if said:
            return not_tried(f"this Celery doesn't know the option: {said.removeprefix('log: ')}")
    return breaks(f"The worker died, with exit code {death.exit_code}.", *death.evidence[1:])
