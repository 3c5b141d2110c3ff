"""Clients with a kept connection, each lent to one job at a time: to upstream, and to Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio

from poolbench.keys import scratch_key
from poolbench.settings import load_settings

# httpx imports its own command line where rich happens to be installed: ten megabytes in each
# worker. It does without when the module is barred. https://github.com/encode/httpx/blob/0.28.1/httpx/__init__.py
sys.modules["httpx._main"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    del sys.modules["httpx._main"]

#: What upstream may take beyond the wait that was asked for, seconds.
ANSWER_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0

#: How long Redis may take to accept a connection, and to answer, seconds.
REDIS_TIMEOUT_S = 10.0

#: An idle connection is given up before upstream closes it (`upstream.cli.KEEP_ALIVE_S`), seconds.
KEEP_ALIVE_S = 30.0

Client = TypeVar("Client")


class Lender(Generic[Client]):
    """Lends a client to one user at a time: for processes, threads and greenlets.

    A pool of n connections inside one httpx client looks through all n at each request, and under
    gevent polls each: 100 greenlets got 150 answers a second so, and 1,631 with a client each.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._idle: deque[Client] = deque()
        # a child must not share its parent's connections
        os.register_at_fork(after_in_child=self._idle.clear)

    @contextmanager
    def lend(self) -> Iterator[Client]:
        """Lend a client for the block; one whose block failed may have half an answer, and goes."""
        shelf = self._shelf()
        try:
            client = shelf.pop()
        except IndexError:
            client = self._make()
        yield client
        shelf.append(client)

    def _shelf(self) -> deque[Client]:
        return self._idle


class LoopLender(Lender[Client]):
    """Lends a client to a coroutine: its connection belongs to the event loop that made it."""

    def __init__(self, make: Callable[[], Client]) -> None:
        super().__init__(make)
        self._shelves: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, deque[Client]] = (
            weakref.WeakKeyDictionary()
        )
        os.register_at_fork(after_in_child=self._shelves.clear)

    def _shelf(self) -> deque[Client]:
        return self._shelves.setdefault(asyncio.get_running_loop(), deque())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRedis(Generic[Client]):
    """A connection to Redis with a key that no other client uses."""

    client: Client
    key: str = field(default_factory=lambda: scratch_key(secrets.token_hex(8)))


def _http_options() -> dict[str, Any]:
    return {
        "base_url": load_settings().upstream_url,
        # straight to upstream, whatever proxy the environment names
        "trust_env": False,
        # plain HTTP: loading the certificates would cost more than a hundred requests
        "verify": False,
        "limits": httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_S),
    }


def _redis_options() -> dict[str, Any]:
    return {
        "url": load_settings().worker_redis_url,
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_TIMEOUT_S,
    }


http_clients = Lender(lambda: httpx.Client(**_http_options()))
async_http_clients = LoopLender(lambda: httpx.AsyncClient(**_http_options()))
redis_clients = Lender(lambda: KeptRedis(client=redis.Redis.from_url(**_redis_options())))
async_redis_clients = LoopLender(
    lambda: KeptRedis(client=redis.asyncio.Redis.from_url(**_redis_options()))
)


def get(target: str, *, delay_ms: float) -> httpx.Response:
    """Return upstream's answer to a request that it is to take ``delay_ms`` for.

    Raises:
        httpx.TransportError: if upstream can't be reached or breaks off.
    """
    with http_clients.lend() as client:
        return client.get(target, timeout=_timeout(delay_ms))


async def get_async(target: str, *, delay_ms: float) -> httpx.Response:
    """Do what `get` does, on the event loop."""
    with async_http_clients.lend() as client:
        return await client.get(target, timeout=_timeout(delay_ms))


def _timeout(delay_ms: float) -> httpx.Timeout:
    return httpx.Timeout(ANSWER_TIMEOUT_S + delay_ms / 1_000, connect=CONNECT_TIMEOUT_S)
