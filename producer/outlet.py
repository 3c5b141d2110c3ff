"""The way into a queue: each batch goes in exactly once, whatever becomes of the connection.

A job that is due does not wait for the broker's answer to the one before. Transactions whose
answers are lost may have been carried out, or may be yet: the first ones, since a connection keeps
their order. The count of jobs sent grows in the same transactions, so it tells how many; and the
old connection is killed before it is read, so that nothing can still come of it.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from poolbench.errors import Fault, StackError, UsageError
from poolbench.keys import run_key, sent_field

#: How long to wait before each new attempt to reach a lost broker, seconds; about 15 in all.
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0)

#: How long the broker may take to answer before its connection counts as lost, seconds,
#: where the caller's client sets no limit.
ANSWER_TIMEOUT_S = 5.0

#: Batches whose answers need not have been read when the next goes out, and jobs of them: a
#: broker that is later than these is waited for.
MOST_OPEN, MOST_OPEN_JOBS = 64, 2_000

_LOST = (redis.ConnectionError, redis.TimeoutError)


class Outlet:
    """One trial's queue, on a connection of its own, counting what went in.

    redis-py retries a transaction by itself and so doubles a batch whose answer was lost; this
    connection has that turned off. It is written to directly, since a pipeline's own work for a
    transaction takes longer than ours and Redis's together, and a job that waits for it is late.
    """

    def __init__(self, client: redis.Redis, *, run: str, trial: int, queue: str) -> None:
        self._pool = _lone_pool(client, on_connect=self._on_connect)
        self._queue = queue
        self._key, self._field = run_key(run), sent_field(trial)
        #: Connections as the server knows them, the present one last.
        self._connections: list[dict[str, str]] = []
        #: Jobs that are in the queue for certain.
        self.sent = 0
        #: Batches that are not, in order, and how many of them this connection was given.
        self._open: deque[Sequence[bytes]] = deque()
        self._written = 0
        #: Whether the connection was lost, so that open batches may be in or not.
        self._is_in_doubt = False

    def __enter__(self) -> Self:
        """Connect, so that no job waits for that.

        Raises:
            UsageError: if jobs of this trial were sent before.
            StackError: if the broker can't be reached.
        """
        try:
            self._connection = self._pool.get_connection()
            count = self._counted()
        except redis.RedisError as error:
            self._pool.disconnect()
            raise StackError(f"the broker can't be reached: {error}") from error
        if count:
            self._pool.disconnect()
            remedy = "give this run another name"
            raise UsageError(Fault(problem="jobs of this run were sent before", remedy=remedy))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.disconnect()

    def put(self, messages: Sequence[bytes]) -> None:
        """Put a batch into the queue, in order, and count it, in one transaction.

        The answer is read by a later call, so that the next batch goes out when it is due however
        long this one's answer takes.

        Raises:
            StackError: if the broker refuses it, or stays away; says how many jobs are in.
        """
        self._open.append(messages)
        self._insist(most_open=MOST_OPEN)

    def settle(self) -> None:
        """Wait until all batches are in the queue.

        Raises:
            StackError: as `put` does.
        """
        if self._open:
            self._insist(most_open=0)

    @property
    def is_settled(self) -> bool:
        """Whether the answers to all batches have been read."""
        return not self._open

    def _insist(self, *, most_open: int) -> None:
        """Write what is not yet written and read answers, however often the broker is lost."""
        for pause_s in (*PAUSES_S, None):
            try:
                if self._is_in_doubt:
                    self._find_out()
                self._write()
                while len(self._open) > most_open or self._open_jobs > MOST_OPEN_JOBS:
                    self._read()
            except _LOST as error:
                self._is_in_doubt = True
                if pause_s is None:
                    raise self._lost(error) from error
                time.sleep(pause_s)
            except redis.RedisError as error:
                self._recount()
                raise StackError(f"the broker refuses jobs: {error}; {self._account}") from error
            else:
                return

    def _write(self) -> None:
        while self._written < len(self._open):
            messages = self._open[self._written]
            transaction = (
                (b"MULTI",),
                (b"LPUSH", self._queue.encode(), *messages),
                (b"HINCRBY", self._key.encode(), self._field.encode(), b"%d" % len(messages)),
                (b"EXEC",),
            )
            self._send(transaction)
            self._written += 1

    def _read(self) -> None:
        """Read the oldest answer that is due."""
        *_, (pushed, counted) = self._answers(4)
        if isinstance(pushed, redis.RedisError):
            # counted and not pushed: the count in Redis does not tell what is in any more
            raise StackError(f"the broker refuses jobs: {pushed}; {self._account}")
        size = len(self._open[0])
        if counted != self.sent + size:
            raise StackError(f"something else counts jobs of this trial: {counted}")
        self._close(1)

    def _close(self, batches: int) -> None:
        """Note that the oldest batches are in the queue for certain."""
        for _ in range(batches):
            self.sent += len(self._open.popleft())
        self._written = max(0, self._written - batches)

    @property
    def _open_jobs(self) -> int:
        return sum(map(len, self._open))

    def _find_out(self) -> None:
        """Close the batches that went in though their answers were lost; leave the others open."""
        counted = self._count_anew()
        totals = [self.sent, *(self.sent + size for size in accumulate(map(len, self._open)))]
        if counted not in totals:
            raise StackError(
                f"the broker came back with another count, {counted}: it lost writes, or "
                f"something else sends jobs of this trial; {self._account}"
            )
        self._close(totals.index(counted))
        self._written, self._is_in_doubt = 0, False

    def _recount(self) -> None:
        """Correct the account after a refusal: later batches may be in."""
        with contextlib.suppress(redis.RedisError):
            self.sent = self._count_anew()

    def _count_anew(self) -> int:
        """Return the count of jobs that are in, when nothing can change it any more."""
        self._ask((b"PING",))  # on a new connection
        for old in self._connections[:-1]:
            # by address too: a server that was started anew gives the same ids to others
            self._ask(
                (b"CLIENT", b"KILL", b"ID", old["id"].encode(), b"ADDR", old["addr"].encode())
            )
        del self._connections[:-1]
        return self._counted()

    def _ask(self, *commands: Sequence[bytes]) -> list[Any]:
        """Send commands at once and return their answers, while no other is due."""
        self._send(commands)
        return self._answers(len(commands))

    def _send(self, commands: Sequence[Sequence[bytes]]) -> None:
        try:
            # by redis-py's packer; `pack_commands` around it takes two to four times as long
            wire = b"".join(hiredis.pack_command(tuple(each)) for each in commands)  # type: ignore[arg-type]  # of one word, its stub says
            self._connection.send_packed_command([wire])  # type: ignore[no-untyped-call]
        except BaseException:
            self._hang_up()
            raise

    def _answers(self, count: int) -> list[Any]:
        """Return the next answers; a fault closes the connection, and a later command opens it."""
        try:
            return [self._connection.read_response() for _ in range(count)]
        except BaseException:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        # answers that nobody read would be taken for those to other commands
        self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _counted(self) -> int:
        (count,) = self._ask((b"HGET", self._key.encode(), self._field.encode()))
        return int(count or 0)

    def _on_connect(self, connection: Any) -> None:
        connection.on_connect()
        connection.send_command("CLIENT", "INFO")
        words = connection.read_response().split()
        self._connections.append(
            {key: value for key, _, value in (w.partition("=") for w in words)}
        )

    @property
    def _account(self) -> str:
        return f"{self.sent} jobs are in the queue"

    def _lost(self, error: Exception) -> StackError:
        in_doubt = self._open_jobs
        return StackError(
            f"the broker was lost and did not come back ({type(error).__name__}); "
            f"{self._account}, {in_doubt} more may be: the run's count in Redis is right"
        )


def _lone_pool(client: redis.Redis, *, on_connect: Any) -> redis.ConnectionPool:
    """Return a pool of the same server with one connection, which retries nothing by itself."""
    pool = client.connection_pool
    options = {
        **pool.connection_kwargs,
        "socket_timeout": pool.connection_kwargs.get("socket_timeout") or ANSWER_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "redis_connect_func": on_connect,
        "decode_responses": True,
    }
    return redis.ConnectionPool(
        connection_class=pool.connection_class, max_connections=1, **options
    )
