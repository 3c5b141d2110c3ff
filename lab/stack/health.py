"""Checks whether the local stack's services work; containers have their own health checks."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from lab.stack.services import HEARTBEAT_LIMIT_S, Service
from poolbench.presence import live_workers
from poolbench.settings import Settings

#: How long one answer may take, seconds.
_ANSWER_S = 2.0
#: Interval between two checks of services that aren't healthy yet, seconds.
_POLL_S = 0.2
#: Lines of a service's log that `failure` shows.
LOG_TAIL_LINES = 5

#: Colors and the like, which compose puts even before lines of a log.
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """State and health of a service."""

    name: str
    #: running, starting, stopping, stopped or failed.
    state: str
    pid: int | None = None
    uptime_s: float | None = None
    #: Why it isn't healthy; empty when it is.
    problem: str = ""

    @property
    def is_healthy(self) -> bool:
        """Return whether it runs and does its work."""
        return self.state == "running" and not self.problem


def service_problem(service: Service, *, settings: Settings, pid: int | None) -> str:
    """Return why a running service doesn't work; empty if it does."""
    if service.contender:
        return worker_problem(settings, contender=service.contender, pid=pid)
    match service.name:
        case "redis":
            return redis_problem(settings)
        case "upstream":
            return http_problem(settings.upstream_port, path="/health")
        case "flower":
            return http_problem(settings.flower_port, path="/healthcheck")
        case _:
            return heartbeat_problem(settings.state_dir / "heartbeats" / service.name)


def redis_problem(settings: Settings) -> str:
    """Return why the broker can't be used; empty if it can."""
    try:
        with _client(settings) as client:
            client.ping()
    except redis.AuthenticationError:
        return f"{settings.redis_address} refuses the password"
    except redis.RedisError as error:
        return f"no answer from {settings.redis_address}: {error}"
    return ""


def worker_problem(settings: Settings, *, contender: str, pid: int | None) -> str:
    """Return why a contender's worker, with that pid on this host, isn't ready."""
    try:
        with _client(settings) as client:
            for presence in live_workers(client, contender):
                if (presence.get("host"), presence.get("pid")) == (socket.gethostname(), pid):
                    return ""
    except redis.RedisError as error:
        return f"unknown, the broker can't be read: {error}"
    return "not ready: no heartbeat in the broker"


def _client(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_ANSWER_S,
        decode_responses=True,
    )


def http_problem(port: int, *, path: str) -> str:
    """Return why a service on 127.0.0.1 doesn't answer 200 to a GET."""
    address = f"127.0.0.1:{port}{path}"
    try:
        response = httpx.get(f"http://{address}", timeout=_ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        return f"no answer from {address}: {error}"
    return "" if response.is_success else f"{address} answers {response.status_code}"


def heartbeat_problem(path: Path) -> str:
    """Return why a heartbeat file is missing or too old; empty if it is fresh."""
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:
        return "not ready: no heartbeat yet"
    if age_s < HEARTBEAT_LIMIT_S:
        return ""
    return f"no heartbeat for {age_s:.0f} s"


def wait_until_healthy(
    statuses: Callable[[], Iterable[Status]], *, within_s: float
) -> Status | None:
    """Poll until all services are healthy; return one that failed or wasn't in time, or None."""
    deadline_s = time.monotonic() + within_s
    while True:
        unhealthy = [status for status in statuses() if not status.is_healthy]
        failed = [status for status in unhealthy if status.state == "failed"]
        if failed or not unhealthy or time.monotonic() > deadline_s:
            return next(iter(failed or unhealthy), None)
        time.sleep(_POLL_S)


def failure(status: Status, *, log: str, where: str) -> str:
    """Return the error message for a service that is not healthy, with the end of its log.

    Args:
        status: of the service.
        log: the text of its log, or the end of it.
        where: its log's path, or another name for it.
    """
    plain = _TERMINAL_CODE.sub("", log)
    tail = [line for line in plain.splitlines() if line.strip()][-LOG_TAIL_LINES:]
    head = f"{status.name} did not become healthy: {status.problem or status.state}"
    return "\n".join([f"{head}; {where} ends:" if tail else head, *(f"  {line}" for line in tail)])
