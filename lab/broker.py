"""The broker of a lab run: the one named in the environment, or an embedded server of its own."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from lab import server
from poolbench.errors import StackError
from poolbench.settings import Settings

#: A command that takes longer is an absent server, seconds.
SOCKET_TIMEOUT_S = 10.0

#: Results looked for and removed in one round trip.
KEYS_PER_TRIP = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A server that answers, and where it comes from."""

    url: str
    origin: str
    client: redis.Redis
    #: Whether it runs on this machine, and isn't the lab's child.
    is_neighbour: bool = False

    def cpu_s(self) -> float:
        """Return the CPU time of a server here that isn't the lab's child; of any other, 0."""
        if not self.is_neighbour:
            return 0.0
        told: Any = self.client.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


@contextlib.contextmanager
def open_broker(settings: Settings) -> Iterator[Broker]:
    """Give a broker for the length of a run; an embedded one ends with it and leaves no file.

    Raises:
        StackError: if the server named can't be reached, or none can be started here.
    """
    with contextlib.ExitStack() as stack:
        if settings.redis_is_explicit:
            url, origin = settings.redis_url, f"POOLBENCH_REDIS_URL ({settings.redis_address})"
        else:
            url, origin = stack.enter_context(_embedded())
        client = redis.Redis.from_url(
            url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        stack.callback(client.close)
        try:
            client.ping()
        except redis.RedisError as error:
            where = settings.redis_address if settings.redis_is_explicit else origin
            raise StackError(f"Redis at {where} can't be used: {error}") from error
        is_neighbour = settings.redis_is_explicit and _is_here(client)
        yield Broker(url=url, origin=origin, client=client, is_neighbour=is_neighbour)


def _is_here(client: redis.Redis) -> bool:
    """Tell whether a server listens on this machine's own loopback."""
    host = str(client.connection_pool.connection_kwargs.get("host", ""))
    return host == "localhost" or host.startswith("127.") or host == "::1"


def remove_results(client: redis.Redis, *, prefix: str) -> None:
    """Take the results whose keys begin with ``prefix`` out of a broker that goes on living.

    Raises:
        redis.RedisError: if the broker is gone.
    """
    pattern = f"{prefix}celery-task-meta-*"
    found = client.scan_iter(match=pattern, count=KEYS_PER_TRIP)
    while keys := list(itertools.islice(found, KEYS_PER_TRIP)):
        client.unlink(*keys)


@contextlib.contextmanager
def _embedded() -> Iterator[tuple[str, str]]:
    """Start a server on a free port with a password of its own."""
    origin = server.find_server().origin
    port, password = server.free_port(), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="poolbench-", ignore_cleanup_errors=True) as folder:
        process = server.start_server(
            port=port, password=password, folder=Path(folder), log=Path(folder) / "server.log"
        )
        try:
            yield f"redis://:{password}@127.0.0.1:{port}/0", origin
        finally:
            process.terminate()
            process.wait()
