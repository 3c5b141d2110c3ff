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
    With ``is_per_loop`` a client stays with the event loop that its connection belongs to.
    """

    def __init__(self, make: Callable[[], Client], *, is_per_loop: bool = False) -> None:
        self._make = make
        self._is_per_loop = is_per_loop
        #: The clients that nobody uses, by the event loop that made them, or else by the lender.
        self._idle: weakref.WeakKeyDictionary[object, deque[Client]] = weakref.WeakKeyDictionary()
        # a child must not share its parent's connections
        os.register_at_fork(after_in_child=self._idle.clear)

    @contextmanager
    def lend(self) -> Iterator[Client]:
        """Lend a client for the block; one whose block failed may have half an answer, and goes."""
        owner = asyncio.get_running_loop() if self._is_per_loop else self
        idle = self._idle.setdefault(owner, deque())
        try:
            client = idle.pop()
        except IndexError:
            client = self._make()
        yield client
        idle.append(client)


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


def _redis_key() -> str:
    """Return a key that no other client uses."""
    return scratch_key(secrets.token_hex(8))


http_clients = Lender(lambda: httpx.Client(**_http_options()))
async_http_clients = Lender(lambda: httpx.AsyncClient(**_http_options()), is_per_loop=True)
#: Each client of Redis with a key of its own.
redis_clients = Lender(lambda: (redis.Redis.from_url(**_redis_options()), _redis_key()))
async_redis_clients = Lender(
    lambda: (redis.asyncio.Redis.from_url(**_redis_options()), _redis_key()), is_per_loop=True
)


def timeout(*, delay_ms: float) -> httpx.Timeout:
    """Return the timeout of a request that upstream is to take ``delay_ms`` for."""
    return httpx.Timeout(ANSWER_TIMEOUT_S + delay_ms / 1_000, connect=CONNECT_TIMEOUT_S)
