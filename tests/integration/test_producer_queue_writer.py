"""A batch goes in exactly once, whatever a connection does: through a proxy that breaks it."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from poolbench.errors import StackError, UsageError
from poolbench.keys import run_key, sent_field
from producer import queue_writer
from producer.queue_writer import Batch, QueueWriter
from tests.conftest import Server

QUEUE = "poolbench.gevent"
RUN = "r1"


class Proxy:
    """Passes bytes between clients and the server, and breaks transactions as it was told.

    For each transaction one word is taken from ``faults``: ``ok``; ``before``: it is cut before
    its EXEC reaches the server; ``after``: before the answer reaches the client; ``late``: its
    EXEC is held back until `deliver_late`, while the client sees a lost connection.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.faults: deque[str] = deque()
        self._late: list[tuple[socket.socket, bytes]] = []
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def deliver_late(self) -> None:
        """Let the held-back bytes go on to the server, and wait until it took or refused them."""
        for upstream, held in self._late:
            with suppress(OSError):
                upstream.sendall(held)
                upstream.shutdown(socket.SHUT_WR)
                while upstream.recv(65_536):
                    pass

    def close(self) -> None:
        """Cut everything."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]  # any function
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, upstream]
                swallow = threading.Event()
                self._start(self._pass_requests, client, upstream, swallow)
                self._start(self._pass_answers, client, upstream, swallow)

    def _pass_requests(
        self, client: socket.socket, upstream: socket.socket, swallow: threading.Event
    ) -> None:
        with suppress(OSError):
            while chunk := client.recv(65_536):
                fault = self.faults.popleft() if b"EXEC\r\n" in chunk and self.faults else "ok"
                if fault == "before":
                    upstream.shutdown(socket.SHUT_RDWR)
                elif fault == "late":
                    self._late.append((upstream, chunk))
                    swallow.set()
                    client.shutdown(socket.SHUT_RDWR)
                    return
                else:
                    if fault == "after":
                        swallow.set()
                    upstream.sendall(chunk)

    def _pass_answers(
        self, client: socket.socket, upstream: socket.socket, swallow: threading.Event
    ) -> None:
        with suppress(OSError):
            while not swallow.is_set() and (chunk := upstream.recv(65_536)):
                if not swallow.is_set():
                    client.sendall(chunk)
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before the session's server."""
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def broken_client(server: Server, proxy: Proxy) -> Iterator[redis.Redis]:
    """A client that reaches the server through the proxy."""
    url = f"redis://:{server.password}@127.0.0.1:{proxy.port}/0"
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def writer(client: redis.Redis, broken_client: redis.Redis) -> Iterator[QueueWriter]:
    """A writer through the proxy, on an empty server."""
    assert client.dbsize() == 0
    with QueueWriter(broken_client, run=RUN, trial=0) as writer:
        yield writer


def put(writer: QueueWriter, *messages: bytes) -> None:
    """Put a batch into the queue."""
    writer.put(Batch.of_queue(QUEUE.encode(), messages))


def queued(client: redis.Redis) -> list[str]:
    """What a worker would take, first to last."""
    return [str(job) for job in reversed(client.lrange(QUEUE, 0, -1))]


@pytest.mark.parametrize(
    "faults",
    [
        ["ok", "ok", "ok"],
        ["ok", "before", "ok", "ok"],
        ["ok", "after", "ok"],
        ["after", "after", "after"],
        ["before", "before", "after", "before", "before", "ok", "after"],
        ["ok", "late", "ok", "ok"],
        ["late", "late", "late", "ok", "after", "late", "ok"],
    ],
)
@pytest.mark.parametrize("is_patient", [True, False], ids=["patient", "ahead"])
def test_batches_go_in_exactly_once(
    client: redis.Redis, writer: QueueWriter, proxy: Proxy, faults: list[str], *, is_patient: bool
) -> None:
    """Cut before, after or held back, each answer waited for or none: nothing is lost or doubled.

    All stand in order.
    """
    proxy.faults.extend(faults)

    for batch in ([b"1", b"2"], [b"3"], [b"4", b"5"]):
        put(writer, *batch)
        if is_patient:
            writer.settle()
    writer.settle()
    proxy.deliver_late()

    # several transactions may come to the proxy at once, and take one fault together
    assert not proxy.faults or not is_patient
    assert queued(client) == ["1", "2", "3", "4", "5"]
    assert client.hget(run_key(RUN), sent_field(0)) == "5"
    assert writer.sent == 5


@pytest.mark.parametrize("fault", ["before", "after", "late"])
def test_a_batch_for_several_lists_goes_into_all_or_none(
    client: redis.Redis, writer: QueueWriter, proxy: Proxy, fault: str
) -> None:
    """It is one transaction with its count, which may exceed the number of messages."""
    commands = ((b"SET", b"size", b"2"), (b"LPUSH", b"a", b"1"), (b"LPUSH", b"b", b"2", b"3"))
    proxy.faults.append(fault)

    writer.put(Batch(commands=commands, jobs=5))
    writer.settle()
    proxy.deliver_late()

    assert [client.get("size"), client.lrange("a", 0, -1), client.lrange("b", 0, -1)] == [
        *("2", ["1"], ["3", "2"])
    ]
    assert (writer.sent, client.hget(run_key(RUN), sent_field(0))) == (5, "5")


def test_a_broker_that_stays_away_is_said_with_the_count(
    writer: QueueWriter, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts are bounded, and the error says what is in for certain and what may be."""
    monkeypatch.setattr(queue_writer, "PAUSES_S", (0.01, 0.01))
    put(writer, b"1", b"2")
    writer.settle()
    proxy.faults.extend(["before"] * 3)
    put(writer, b"3")

    with pytest.raises(StackError, match="2 jobs are in the queue, and 1 more may be"):
        writer.settle()


def test_a_queue_that_is_no_list_refuses(client: redis.Redis, writer: QueueWriter) -> None:
    """The fault stands within the answer to EXEC, and the job was counted: it is not in."""
    client.set(QUEUE, "no list")
    put(writer, b"1")

    with pytest.raises(StackError, match=r"refuses jobs: .*WRONGTYPE.*. 0 jobs are in"):
        writer.settle()


def test_a_count_that_others_change_is_refused(
    client: redis.Redis, writer: QueueWriter, proxy: Proxy
) -> None:
    """If the count can't tell what went in, the writer says so and does not guess."""
    proxy.faults.append("before")
    client.hset(run_key(RUN), sent_field(0), 7)
    put(writer, b"1")

    with pytest.raises(StackError, match="another count, 7"):
        writer.settle()

    assert queued(client) == []


def test_a_refusal_among_many_leaves_a_true_account(
    client: redis.Redis, writer: QueueWriter
) -> None:
    """A batch behind the refused one may have gone in before anybody knew: it is counted."""
    put(writer, b"1")
    writer.settle()
    client.config_set("maxmemory", "1")
    put(writer, b"2")
    time.sleep(0.2)
    client.config_set("maxmemory", "0")
    put(writer, b"3", b"4")

    with pytest.raises(StackError, match=r"refuses jobs: .*memory.*. 3 jobs are in the queue"):
        writer.settle()

    assert queued(client) == ["1", "3", "4"]
    assert client.hget(run_key(RUN), sent_field(0)) == "3"


def test_a_job_does_not_wait_for_the_answer_to_another(writer: QueueWriter) -> None:
    """A broker that has not answered yet is given the next batch; too many open are waited for."""
    put(writer, b"1")
    put(writer, b"2")

    assert not writer.is_settled
    assert writer.sent == 0
    for number in range(queue_writer.MOST_UNANSWERED):
        put(writer, b"%d" % number)
    assert writer.sent >= 2
    writer.settle()
    assert writer.sent == queue_writer.MOST_UNANSWERED + 2


def test_a_trial_is_sent_once_only(client: redis.Redis) -> None:
    """A second sending of the same trial would make the same seqs twice."""
    client.hset(run_key(RUN), sent_field(0), 3)

    writer = QueueWriter(client, run=RUN, trial=0)
    with pytest.raises(UsageError, match="sent before"):
        writer.__enter__()
