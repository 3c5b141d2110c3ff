"""The way into a queue: each batch goes in exactly once, whatever becomes of the connection.

A transaction whose answer is lost may have been carried out, or may be yet. The count of jobs
sent grows in the same transaction, so it tells; and the old connection is killed before it is
read, so that nothing can still come of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

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

        Raises:
            StackError: if the broker refuses it, or stays away; says how many jobs are in.
        """
        is_in_doubt = False
        for pause_s in (*PAUSES_S, None):
            try:
                if not (is_in_doubt and self._went_in(len(messages))):
                    is_in_doubt = True
                    self._transact(messages)
                break
            except _LOST as error:
                if pause_s is None:
                    raise self._lost(error, in_doubt=len(messages)) from error
                time.sleep(pause_s)
            except redis.RedisError as error:
                raise StackError(f"the broker refuses jobs: {error}; {self._account}") from error
        self.sent += len(messages)

    def _transact(self, messages: Sequence[bytes]) -> None:
        *_, (_, counted) = self._ask(
            (b"MULTI",),
            (b"LPUSH", self._queue.encode(), *messages),
            (b"HINCRBY", self._key.encode(), self._field.encode(), b"%d" % len(messages)),
            (b"EXEC",),
        )
        if counted != self.sent + len(messages):
            raise StackError(f"something else counts jobs of this trial: {counted}")

    def _ask(self, *commands: Sequence[bytes]) -> list[Any]:
        """Send commands at once and return their answers; a fault closes the connection.

        A closed one is opened by the next command.
        """
        try:
            wire = b"".join(map(_packed, commands))
            self._connection.send_packed_command([wire])  # type: ignore[no-untyped-call]
            return [self._connection.read_response() for _ in commands]
        except BaseException:
            # answers that nobody read would be taken for those to other commands
            self._connection.disconnect()  # type: ignore[no-untyped-call]
            raise

    def _went_in(self, size: int) -> bool:
        """Tell whether the batch whose answer was lost is in the queue."""
        self._ask((b"PING",))  # on a new connection
        for old in self._connections[:-1]:
            # by address too: a server that was started anew gives the same ids to others
            self._ask(
                (b"CLIENT", b"KILL", b"ID", old["id"].encode(), b"ADDR", old["addr"].encode())
            )
        del self._connections[:-1]
        counted = self._counted()
        if counted not in {self.sent, self.sent + size}:
            raise StackError(
                f"the broker came back with another count, {counted}: it lost writes, or "
                f"something else sends jobs of this trial; {self._account}"
            )
        return counted > self.sent

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

    def _lost(self, error: Exception, *, in_doubt: int) -> StackError:
        return StackError(
            f"the broker was lost and did not come back ({type(error).__name__}); "
            f"{self._account}, {in_doubt} more may be: the run's count in Redis is right"
        )


def _packed(words: Sequence[bytes]) -> bytes:
    """Return a command in its wire form: an array of byte strings, as the Redis protocol says."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


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
