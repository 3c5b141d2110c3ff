"""Checks whether the local stack's services work; containers have their own health checks."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.stack.services import HEARTBEAT_LIMIT_S, Service
from poolbench.keys import worker_key
from poolbench.settings import Settings

#: How long one answer may take, seconds.
_ANSWER_S = 2.0
#: How often services that aren't healthy yet are asked again, seconds.
_POLL_S = 0.2
#: Lines of a service's log that its failure shows.
LOG_TAIL_LINES = 5

#: Colours and the like, which compose puts even before lines of a log.
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a service is, for a table."""

    name: str
    #: running, starting, stopping, stopped or failed.
    state: str
    pid: int | None = None
    uptime_s: float | None = None
    #: Why it isn't healthy; empty when it is.
    trouble: str = ""
    #: ``host:port`` or URL, or empty.
    address: str = ""

    @property
    def is_healthy(self) -> bool:
        """Return whether it runs and does its work."""
        return self.state == "running" and not self.trouble


def service_trouble(service: Service, *, settings: Settings, pid: int, heartbeat: Path) -> str:
    """Return why a running service doesn't work; empty if it does."""
    if service.contender:
        return worker_trouble(settings, contender=service.contender, pid=pid)
    match service.name:
        case "redis":
            return redis_trouble(settings)
        case "upstream":
            return http_trouble(settings.upstream_port, path="/health")
        case "flower":
            return http_trouble(settings.flower_port, path="/healthcheck")
        case _:
            return heartbeat_trouble(heartbeat)


def redis_trouble(settings: Settings) -> str:
    """Return why the broker doesn't answer; empty if it does."""
    try:
        with _client(settings) as client:
            client.ping()
    except redis.AuthenticationError:
        return f"{settings.redis_address} refuses the password"
    except redis.RedisError as error:
        return f"no answer from {settings.redis_address}: {error}"
    return ""


def worker_trouble(settings: Settings, *, contender: str, pid: int) -> str:
    """Return why a contender's worker, a process of this host, isn't seen in the broker."""
    try:
        with _client(settings) as client:
            for key in client.scan_iter(match=worker_key(contender, "*"), count=1_000):
                # an expired key, or one of another version, is no sign of life
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    presence = json.loads(client.get(key) or "")
                    if (presence.get("host"), presence.get("pid")) == (socket.gethostname(), pid):
                        return ""
    except redis.RedisError as error:
        return f"can't tell: {error}"
    return "not ready: no sign of life in the broker"


def _client(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def http_trouble(port: int, *, path: str) -> str:
    """Return why a service on 127.0.0.1 doesn't answer 200 to a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer from 127.0.0.1:{port}{path}: {error}"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"127.0.0.1:{port}{path} answers {status}"


def heartbeat_trouble(path: Path) -> str:
    """Return why a heartbeat file is no sign of life."""
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
    """Return what to say of a service that doesn't become healthy, with the end of its log."""
    plain = _TERMINAL_CODE.sub("", log)
    tail = [line for line in plain.splitlines() if line.strip()][-LOG_TAIL_LINES:]
    head = f"{status.name} did not become healthy: {status.trouble or status.state}"
    return "\n".join([f"{head}; {where} ends:" if tail else head, *(f"  {line}" for line in tail)])
