"""Measures the ceilings of upstream and Redis; a trial near them may measure them instead."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import redis

from collector.run_manifest import Workload
from poolbench.errors import StackError

#: Path of upstream that a job requests, by job kind.
UPSTREAM_PATHS: Mapping[str, str] = {"io.http": "/wait", "mixed.fetch": "/json"}

#: Requests in flight, one on each connection: enough to keep upstream busy.
CONNECTIONS = 32

#: Duration of the warm-up and of the measurement, seconds.
WARM_UP_S = 0.1
COUNTED_S = 0.3

#: How long one answer may take, seconds.
ANSWER_TIMEOUT_S = 5.0

_HEAD_END = b"\r\n\r\n"


def upstream_ceilings_per_s(port: int, *, workloads: Iterable[Workload]) -> dict[str, float]:
    """Return the most answers a second by workload, for workloads whose jobs call upstream.

    For a mix, return the most jobs a second. Measured without delay, with answers of the workload's
    size; equal requests are measured once.

    Raises:
        StackError: if upstream doesn't answer.
    """

    @cache
    def per_s(path: str, size_bytes: int) -> float:
        return round(answers_per_s(port, target=f"{path}?delay_ms=0&size_bytes={size_bytes}"), 1)

    ceilings: dict[str, float] = {}
    for workload in workloads:
        answers_s = sum(
            share / per_s(UPSTREAM_PATHS[sort.kind], int(sort.parameters["size_bytes"]))
            for sort, share in zip(workload.sorts, workload.shares, strict=True)
            if sort.kind in UPSTREAM_PATHS
        )
        if answers_s:
            ceilings[workload.name] = round(1 / answers_s, 1)
    return ceilings


def answers_per_s(port: int, *, target: str, counted_s: float = COUNTED_S) -> float:
    """Return the answers a second to ``target`` while all `CONNECTIONS` are busy.

    Raises:
        StackError: if an answer isn't whole, or not 200, or doesn't come.
    """
    try:
        return asyncio.run(_count(port, target=target, counted_s=counted_s))
    except (OSError, TimeoutError) as error:
        raise StackError(f"upstream gave no answer to {target}: {error!r}") from error


def redis_cpu_s(client: redis.Redis) -> float:
    """Return the CPU time of the server's command thread so far, seconds.

    For servers before Redis 6.2, that of the whole process.
    """
    used: Any = client.info("cpu")
    return sum(
        float(used.get(f"used_cpu_{part}_main_thread", used[f"used_cpu_{part}"]))
        for part in ("user", "sys")
    )


async def _count(port: int, *, target: str, counted_s: float) -> float:
    loop = asyncio.get_running_loop()
    failure: asyncio.Future[None] = loop.create_future()
    askers: list[_Asker] = []
    try:
        for _ in range(CONNECTIONS):
            _, asker = await loop.create_connection(
                lambda: _Asker(target, failure=failure), "127.0.0.1", port
            )
            askers.append(asker)
        await _while_asking(failure, for_s=WARM_UP_S)
        answers, begun_s = sum(asker.answers for asker in askers), time.perf_counter()
        await _while_asking(failure, for_s=counted_s)
        spent_s = time.perf_counter() - begun_s
        answers = sum(asker.answers for asker in askers) - answers
    finally:
        failure.cancel()
        for asker in askers:
            asker.close()
    if not answers:
        raise TimeoutError(f"none within {spent_s:.1f} s")
    return answers / spent_s


async def _while_asking(failure: asyncio.Future[None], *, for_s: float) -> None:
    """Wait while connections are busy; stop as soon as one fails."""
    ended, _ = await asyncio.wait([failure], timeout=for_s)
    for future in ended:
        future.result()


class _Asker(asyncio.Protocol):
    """A connection that repeats its request after each answer.

    A real HTTP client takes more CPU time than upstream, and would be the bottleneck.
    """

    def __init__(self, target: str, *, failure: asyncio.Future[None]) -> None:
        #: Shared by all connections; done as soon as an answer is incomplete, or not 200.
        self._failure = failure
        self.answers = 0
        self._request = f"GET {target} HTTP/1.1\r\nhost: upstream\r\n\r\n".encode()
        self._head = b""
        #: Length of an answer, head included, bytes; all answers are equal.
        self._whole_bytes = 0
        self._seen_bytes = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, chunk: bytes) -> None:
        """Receive a part of an answer; repeat the request when the answer is complete."""
        self._seen_bytes += len(chunk)
        if not self._whole_bytes:
            self._read_head(chunk)
        if self._transport and self._whole_bytes and self._seen_bytes >= self._whole_bytes:
            self.answers += 1
            self._seen_bytes = 0
            self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        """Report the loss, unless the connection was closed here."""
        self._fail(error or ConnectionError("upstream hung up"))

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _read_head(self, chunk: bytes) -> None:
        self._head += chunk
        head, end, _ = self._head.partition(_HEAD_END)
        if not end:
            return
        lines = head.split(b"\r\n")
        lengths = [line[15:] for line in lines if line.lower().startswith(b"content-length:")]
        if not lines[0].startswith(b"HTTP/1.1 200 ") or not lengths:
            self._fail(ConnectionError(lines[0].decode("latin-1")))
            return
        self._whole_bytes = len(head) + len(end) + int(lengths[0])
