"""Whether a service does its work, asked from outside: the same questions for both stacks."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.stack.services import HEARTBEAT_LIMIT_S, Service
from poolbench.presence import live_workers
from poolbench.settings import Settings

#: How long one answer may take, seconds.
_ANSWER_S = 2.0
#: How often services that aren't healthy yet are asked again, seconds.
_POLL_S = 0.2
#: Lines of a service's log that its failure shows.
_LOG_TAIL_LINES = 5

#: Colours and the like, which compose puts even before lines of a log.
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

#: Says whether a worker's presence is that of the service in question.
IsOurs = Callable[[Mapping[str, Any]], bool]


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


class Health:
    """Asks services how they are. Every answer is the trouble, or empty for none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def trouble(self, service: Service, *, is_ours: IsOurs, heartbeat: Path | None) -> str:
        """Return a service's trouble."""
        if service.contender:
            return self.worker_trouble(service.contender, is_ours=is_ours)
        match service.name:
            case "redis":
                return self.redis_trouble()
            case "upstream":
                return http_trouble(self._settings.upstream_port, path="/health")
            case "flower":
                return http_trouble(self._settings.flower_port, path="/healthcheck")
            case _:
                return heartbeat_trouble(heartbeat) if heartbeat else ""

    def redis_trouble(self) -> str:
        """Return why the broker doesn't answer."""
        try:
            with self._client() as client:
                client.ping()
        except redis.AuthenticationError:
            return f"{self._settings.redis_address} refuses the password"
        except redis.RedisError as error:
            return f"no answer from {self._settings.redis_address}: {error}"
        return ""

    def worker_trouble(self, contender: str, *, is_ours: IsOurs) -> str:
        """Return why a contender's worker isn't seen in the broker."""
        try:
            with self._client() as client:
                if any(map(is_ours, live_workers(client, contender))):
                    return ""
        except redis.RedisError as error:
            return f"can't tell: {error}"
        return "not ready: no sign of life in the broker"

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            self._settings.redis_url,
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
    ask: Callable[[], Iterable[Status]],
    *,
    names: Collection[str],
    within_s: float,
) -> Status | None:
    """Ask until the services of these names are healthy; return the first that won't be."""
    deadline_s = time.monotonic() + within_s
    waiting = set(names)
    while True:
        for status in ask():
            if status.name not in waiting:
                continue
            if status.is_healthy:
                waiting.remove(status.name)
            elif status.state == "failed" or time.monotonic() > deadline_s:
                return status
        if not waiting:
            return None
        time.sleep(_POLL_S)


def failure(status: Status, *, log: str, where: str) -> str:
    """Return what to say of a service that doesn't become healthy, with the end of its log."""
    plain = _TERMINAL_CODE.sub("", log)
    tail = [line for line in plain.splitlines() if line.strip()][-_LOG_TAIL_LINES:]
    head = f"{status.name} did not become healthy: {status.trouble or status.state}"
    return "\n".join([f"{head}; {where} ends:" if tail else head, *(f"  {line}" for line in tail)])
