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
    connection has that turned off.
    """

    def __init__(self, client: redis.Redis, *, run: str, trial: int, queue: str) -> None:
        self._client = _lone_client(client, on_connect=self._on_connect)
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
            count = self._counted()
        except redis.RedisError as error:
            self._client.close()
            raise StackError(f"the broker can't be reached: {error}") from error
        if count:
            self._client.close()
            remedy = "give this run another name"
            raise UsageError(Fault(problem="jobs of this run were sent before", remedy=remedy))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

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
        with self._client.pipeline(transaction=True) as transaction:
            transaction.lpush(self._queue, *messages)
            transaction.hincrby(self._key, self._field, len(messages))
            _, counted = transaction.execute()
        if counted != self.sent + len(messages):
            raise StackError(f"something else counts jobs of this trial: {counted}")

    def _went_in(self, size: int) -> bool:
        """Tell whether the batch whose answer was lost is in the queue."""
        self._client.ping()  # on a new connection
        for old in self._connections[:-1]:
            # by address too: a server that was started anew gives the same ids to others
            self._client.client_kill_filter(_id=old["id"], addr=old["addr"])
        del self._connections[:-1]
        counted = self._counted()
        if counted not in {self.sent, self.sent + size}:
            raise StackError(
                f"the broker came back with another count, {counted}: it lost writes, or "
                f"something else sends jobs of this trial; {self._account}"
            )
        return counted > self.sent

    def _counted(self) -> int:
        return int(self._client.hget(self._key, self._field) or 0)

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


def _lone_client(client: redis.Redis, *, on_connect: Any) -> redis.Redis:
    """Return a client of the same server with one connection, which retries nothing by itself."""
    pool = client.connection_pool
    options = {
        **pool.connection_kwargs,
        "socket_timeout": pool.connection_kwargs.get("socket_timeout") or ANSWER_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "redis_connect_func": on_connect,
        "decode_responses": True,
    }
    lone = redis.ConnectionPool(
        connection_class=pool.connection_class, max_connections=1, **options
    )
    return redis.Redis.from_pool(lone)
