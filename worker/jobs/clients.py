"""Clients of upstream and of Redis with persistent connections, each used by one job at a time."""

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

# httpx imports its own command line if rich is installed, which needs ten megabytes in each worker.
# It works without that module. https://github.com/encode/httpx/blob/0.28.1/httpx/__init__.py
sys.modules["httpx._main"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    del sys.modules["httpx._main"]

#: Timeout of upstream in addition to the requested wait, seconds.
ANSWER_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0

#: Timeouts for Redis to accept a connection, and to answer, seconds.
REDIS_TIMEOUT_S = 10.0

#: Time after which an idle connection is closed, seconds: before upstream closes it
#: (`upstream.cli.KEEP_ALIVE_S`).
KEEP_ALIVE_S = 30.0

Client = TypeVar("Client")


class Lender(Generic[Client]):
    """Lends a client to one user at a time: for processes, threads and greenlets.

    A pool of n connections in one httpx client iterates over all n at each request, and under
    gevent polls each: 100 greenlets got 150 answers a second this way, and 1,631 with a client
    each. With ``is_per_loop``, a client is lent only on the event loop of its connection.
    """

    def __init__(self, make: Callable[[], Client], *, is_per_loop: bool = False) -> None:
        self._make = make
        self._is_per_loop = is_per_loop
        #: Unused clients, by the event loop that created them, or else by the lender.
        self._idle: weakref.WeakKeyDictionary[object, deque[Client]] = weakref.WeakKeyDictionary()
        # a child must not share its parent's connections
        os.register_at_fork(after_in_child=self._idle.clear)

    @contextmanager
    def lend(self) -> Iterator[Client]:
        """Lend a client within the context; drop it after an error, as it may have unread data."""
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
        # ignore proxies in the environment
        "trust_env": False,
        # plain HTTP: loading certificates would take longer than a hundred requests
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
    """Return the timeout of a request with a delay of ``delay_ms``."""
    return httpx.Timeout(ANSWER_TIMEOUT_S + delay_ms / 1_000, connect=CONNECT_TIMEOUT_S)
