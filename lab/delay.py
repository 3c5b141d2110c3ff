"""The delaying proxies of a run: one for each contender that asks for a Redis round-trip time."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import redis

from lab import children, server
from lab.experiment import Contender
from lab.sampler import tcp_addresses
from poolbench.errors import StackError

#: Round trips whose median is what a worker meets.
ROUND_TRIPS = 50

#: How long a proxy may take until it relays, seconds.
START_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running proxy in front of Redis."""

    #: Redis by way of the proxy, with its password.
    url: str
    pid: int
    #: Median time of a PING by way of the proxy, and straight, seconds.
    round_trip_s: float
    direct_round_trip_s: float

    def addresses(self) -> set[str]:
        """Return the addresses of its connections, as the server may know them."""
        return tcp_addresses(psutil.Process(self.pid))

    def as_manifest(self) -> dict[str, float]:
        """Return what the manifest keeps of it."""
        return {
            "round_trip_s": round(self.round_trip_s, 6),
            "direct_round_trip_s": round(self.direct_round_trip_s, 6),
        }


def through(url: str, *, port: int) -> str:
    """Return a Redis URL that leads to a port on 127.0.0.1, its login and database kept.

    Raises:
        StackError: if it is encrypted: a proxy on this machine has no certificate of the server's.
    """
    parts = urlsplit(url)
    if parts.scheme != "redis":
        raise StackError(f"redis_delay_ms takes a redis:// broker, not {parts.scheme}://")
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))


@contextlib.contextmanager
def open_proxies(
    contenders: Sequence[Contender], *, url: str, logs: Path
) -> Iterator[dict[str, Proxy]]:
    """Run a proxy for each contender that asks for a delay; give them by the contender's name.

    Raises:
        StackError: if one doesn't start.
    """
    with contextlib.ExitStack() as stack:
        yield {
            one.name: stack.enter_context(
                _open_proxy(one.name, url=url, delay_ms=delay_ms, logs=logs)
            )
            for one in contenders
            if (delay_ms := one.tuning.redis_delay_ms) is not None
        }


@contextlib.contextmanager
def _open_proxy(name: str, *, url: str, delay_ms: float, logs: Path) -> Iterator[Proxy]:
    port, parts = server.free_port(), urlsplit(url)
    way = through(url, port=port)
    command = [sys.executable, "-m", "lab.proxy", "--port", str(port)]
    command += ["--host", str(parts.hostname), "--host-port", str(parts.port or 6379)]
    command += ["--delay-ms", f"{delay_ms:g}"]
    child = children.start(command, name=f"proxy {name}", log=logs / f"proxy-{name}.log")
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while (round_trip_s := _round_trip_s(way)) is None:
            if child.exit_code is not None or time.monotonic() > deadline_s:
                raise StackError(f"the proxy of {name} did not start: {child.last_line()}")
            time.sleep(0.05)
        yield Proxy(
            url=way,
            pid=child.pid,
            round_trip_s=round_trip_s,
            direct_round_trip_s=_round_trip_s(url) or 0.0,
        )
    finally:
        child.end()


def _round_trip_s(url: str) -> float | None:
    """Return the median time of a PING, seconds; None if nobody answers."""
    times_s = []
    try:
        with redis.Redis.from_url(url, socket_timeout=10.0) as client:
            client.ping()
            for _ in range(ROUND_TRIPS):
                began_s = time.perf_counter()
                client.ping()
                times_s.append(time.perf_counter() - began_s)
    except redis.RedisError:
        return None
    return statistics.median(times_s)
