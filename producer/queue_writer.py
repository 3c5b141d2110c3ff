"""Puts batches into their queues, each exactly once, even if the connection breaks.

A job that is due does not wait for the broker's answer to the previous batch. The writer has two
states:

* **connected**: every batch in ``unanswered`` was sent on the present connection, in order.
* **lost**: the connection broke. The first batches in ``unanswered`` may be in the queue, since a
  connection keeps their order; how many is unknown.

A connection error changes *connected* to *lost*, and `QueueWriter._reconcile` changes it back: it
opens a new connection, kills the old one on the server, so that no more data arrive through it, and
reads the count of jobs. Each batch's transaction updates that count, so it determines which batches
are in the queue; the others are sent again.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from poolbench.errors import Fault, StackError, UsageError
from poolbench.keys import run_key, sent_field

#: Pause before each new attempt to reach a lost broker, seconds; about 15 in total.
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0)

#: Timeout for an answer, after which the connection counts as lost, seconds; used if the caller's
#: client has no timeout.
ANSWER_TIMEOUT_S = 5.0

#: Batches, and jobs in them, that may be unanswered when the next is sent; beyond that the writer
#: waits for the broker.
MOST_UNANSWERED, MOST_UNANSWERED_JOBS = 64, 2_000


class Batch(NamedTuple):
    """Jobs that are put into their queues, and counted, in one transaction."""

    #: Redis commands that put them there, in order.
    commands: Sequence[Sequence[bytes]]
    #: Number of jobs to count.
    jobs: int

    @classmethod
    def of_queue(cls, queue: bytes, messages: Sequence[bytes]) -> Self:
        """Return the batch of one message for each job, all for one queue, in order."""
        return cls(commands=((b"LPUSH", queue, *messages),), jobs=len(messages))


class QueueWriter:
    """Writes one trial's jobs to their queues, on a connection of its own, and counts them.

    redis-py retries a transaction by itself, which would duplicate a batch whose answer was lost;
    retries are turned off for this connection. Commands are written to it directly, since a
    pipeline of redis-py needs more time for a transaction than this code and Redis together.
    """

    def __init__(self, client: redis.Redis, *, run: str, trial: int) -> None:
        options = client.connection_pool.connection_kwargs
        self._pool = redis.ConnectionPool(
            connection_class=client.connection_pool.connection_class,
            **{
                **options,
                "max_connections": 1,
                "socket_timeout": options.get("socket_timeout") or ANSWER_TIMEOUT_S,
                "retry": Retry(NoBackoff(), 0),
                "retry_on_error": [],
                "redis_connect_func": self._on_connect,
                "decode_responses": True,
            },
        )
        self._count_key = run_key(run).encode(), sent_field(trial).encode()
        #: Id and address of each connection as the server lists them, the present one last.
        self._connections: list[dict[str, str]] = []
        #: Jobs that are certainly in the queue.
        self.sent = 0
        #: Batches to be sent on the present connection, and those sent, in order.
        self._unsent: deque[Batch] = deque()
        self._unanswered: deque[Batch] = deque()
        self._is_lost = False

    def __enter__(self) -> Self:
        """Connect in advance, so that no job waits for the connection.

        Raises:
            UsageError: if jobs of this trial were sent before.
            StackError: if the broker can't be reached.
        """
        try:
            self._connection = self._pool.get_connection()
            count = self._read_count()
        except redis.RedisError as error:
            self._pool.disconnect()
            raise StackError(f"the broker can't be reached: {error}") from error
        if count:
            self._pool.disconnect()
            remedy = "give this run another name"
            raise UsageError(Fault(problem="jobs of this run were sent before", remedy=remedy))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.disconnect()

    def put(self, batch: Batch) -> None:
        """Put a batch into its queues and count it, in one transaction.

        A later call reads the answer, so that the next batch does not wait for it.

        Raises:
            StackError: if the broker refuses it, or can't be reached for 15 seconds; contains the
                number of jobs in the queue.
        """
        self._unsent.append(batch)
        self._work(most_unanswered=MOST_UNANSWERED)

    def settle(self) -> None:
        """Wait until all batches are in the queue.

        Raises:
            StackError: as `put` does.
        """
        self._work(most_unanswered=0)

    @property
    def is_settled(self) -> bool:
        """Return whether the answers to all batches have been read."""
        return not (self._unsent or self._unanswered)

    def _work(self, *, most_unanswered: int) -> None:
        """Send the unsent batches and read answers; reconnect when the connection breaks."""
        for pause_s in (*PAUSES_S, None):
            try:
                if self._is_lost:
                    self._reconcile()
                while self._unsent:
                    self._send_batch()
                while (
                    len(self._unanswered) > most_unanswered
                    or _jobs(self._unanswered) > MOST_UNANSWERED_JOBS
                ):
                    self._read_answer()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                self._is_lost = True
                if pause_s is None:
                    uncertain = _jobs((*self._unanswered, *self._unsent))
                    raise StackError(
                        f"the broker was lost and did not come back ({type(error).__name__}). "
                        f"{self._account}, and {uncertain} more may be. The run's count in Redis "
                        "is right."
                    ) from error
                time.sleep(pause_s)
            except redis.RedisError as error:
                # batches behind the refused one may be in the queue
                with contextlib.suppress(redis.RedisError):
                    self.sent = self._recount()
                raise self._refused(error) from error
            else:
                return

    def _send_batch(self) -> None:
        batch = self._unsent.popleft()
        self._unanswered.append(batch)
        self._send(
            (b"MULTI",),
            *batch.commands,
            (b"HINCRBY", *self._count_key, b"%d" % batch.jobs),
            (b"EXEC",),
        )

    def _read_answer(self) -> None:
        """Read the answer to the oldest unanswered batch."""
        batch = self._unanswered[0]
        *_, (*done, counted) = self._read(3 + len(batch.commands))
        for refusal in done:
            if isinstance(refusal, redis.RedisError):
                # counted and not pushed: the count in Redis is no longer the queue's
                raise self._refused(refusal)
        self._unanswered.popleft()
        if counted != self.sent + batch.jobs:
            raise StackError(f"something else counts jobs of this trial: {counted}")
        self.sent += batch.jobs

    def _reconcile(self) -> None:
        """Drop the unanswered batches that are in the queue; the others will be sent again."""
        counted = self._recount()
        totals = list(accumulate((batch.jobs for batch in self._unanswered), initial=self.sent))
        if counted not in totals:
            raise StackError(
                f"the broker came back with another count, {counted}: it lost writes, or "
                f"something else sends jobs of this trial. {self._account}."
            )
        self.sent = counted
        missing = list(self._unanswered)[totals.index(counted) :]
        self._unsent.extendleft(reversed(missing))
        self._unanswered.clear()
        self._is_lost = False

    def _recount(self) -> int:
        """Return the count of jobs in the queue, once no older connection can change it."""
        self._call(b"PING")  # on a new connection
        for old in self._connections[:-1]:
            # by address too: a restarted server reuses the ids for other clients
            self._call(b"CLIENT", b"KILL", b"ID", old["id"].encode(), b"ADDR", old["addr"].encode())
        del self._connections[:-1]
        return self._read_count()

    def _read_count(self) -> int:
        return int(self._call(b"HGET", *self._count_key) or 0)

    def _call(self, *command: bytes) -> Any:
        """Send a command and return its answer; no other answer may be outstanding."""
        self._send(command)
        return self._read(1)[0]

    def _send(self, *commands: Sequence[bytes]) -> None:
        # by redis-py's packer; `pack_commands` around it takes two to four times as long
        wire = b"".join(hiredis.pack_command(tuple(each)) for each in commands)  # type: ignore[arg-type]  # its stub has one word
        self._connection.send_packed_command([wire])  # type: ignore[no-untyped-call]

    def _read(self, count: int) -> list[Any]:
        """Return the next answers; an error closes the connection, and a later command opens it."""
        try:
            return [self._connection.read_response() for _ in range(count)]
        except BaseException:
            # answers after an error would be taken for those to later commands
            self._connection.disconnect()  # type: ignore[no-untyped-call]
            raise

    def _on_connect(self, connection: Any) -> None:
        connection.on_connect()
        connection.send_command("CLIENT", "INFO")
        words = connection.read_response().split()
        self._connections.append(dict(word.split("=", 1) for word in words))

    @property
    def _account(self) -> str:
        return f"{self.sent} jobs are in the queue"

    def _refused(self, error: Exception) -> StackError:
        return StackError(f"the broker refuses jobs: {error}. {self._account}.")


def _jobs(batches: Iterable[Batch]) -> int:
    return sum(batch.jobs for batch in batches)
