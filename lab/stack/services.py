"""Defines the stack's services, once for the local and the Docker stack."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from poolbench.errors import Fault, UsageError
from poolbench.pools import available_pools
from poolbench.settings import Settings

#: How long a worker may take to finish the jobs it runs, seconds; longer jobs are cut off.
WORKER_STOP_S = 60
#: How long every other service may take to end, seconds.
SERVICE_STOP_S = 20
#: A service whose heartbeat file is older is unhealthy, seconds; it is touched every second.
HEARTBEAT_LIMIT_S = 15
#: A log is rotated at this size, and this many are kept.
LOG_MAX_MB = 10
LOG_FILES = 3

_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{8,}", re.ASCII)

#: Measures a unit of work once the workers are up: words after ``python -m``.
CALIBRATE = ("worker", "calibrate", "--publish")

#: Prints a message for the user.
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One long-running process of the stack."""

    name: str
    #: Words after ``python -m``; the broker's are for the local stack.
    command: tuple[str, ...]
    #: One line for tables.
    summary: str
    #: Port that it listens on, or None.
    port: int | None = None
    #: Contender whose jobs it runs, or empty.
    contender: str = ""
    #: Seconds from SIGTERM to SIGKILL.
    stop_s: int = SERVICE_STOP_S

    @property
    def address(self) -> str:
        """Return where it listens on the host, ``host:port``, or an empty string."""
        return f"127.0.0.1:{self.port}" if self.port else ""


def redis_port(settings: Settings) -> int:
    """Return the broker's port."""
    return urlsplit(settings.redis_url).port or 6379


def stack_services(settings: Settings) -> tuple[Service, ...]:
    """Return the services that a stack starts, in the order in which they start."""
    first = 0 if starts_broker(settings) else 1
    return all_services(settings)[first:]


def all_services(settings: Settings, *, host: str = "127.0.0.1") -> tuple[Service, ...]:
    """Return all services, the broker first; ``host`` is the address that they listen on."""
    return (
        Service(
            name="redis",
            command=("lab.stack.redis",),
            summary="broker: queues, runs and records",
            port=redis_port(settings),
        ),
        Service(
            name="upstream",
            command=("upstream", "--host", host, "--port", str(settings.upstream_port)),
            summary="slow service that io.http calls",
            port=settings.upstream_port,
        ),
        *(
            Service(
                name=f"worker-{pool.name}",
                command=("worker", "--pool", pool.name, "--events"),
                summary=f"runs jobs; each slot is {pool.slot}",
                contender=pool.name,
                stop_s=WORKER_STOP_S,
            )
            for pool in available_pools()
        ),
        Service(
            name="flower",
            command=(
                *("celery", "-A", "worker.app", "flower"),
                *(f"--address={host}", f"--port={settings.flower_port}"),
            ),
            summary="shows workers and jobs in a browser",
            port=settings.flower_port,
        ),
        Service(
            name="collector",
            command=("collector",),
            summary="writes records to results/",
        ),
    )


def starts_broker(settings: Settings) -> bool:
    """Return whether the stack starts the broker: the settings name no other."""
    return not settings.redis_is_explicit and _has_local_broker(settings)


def names_local_broker(settings: Settings) -> bool:
    """Return whether the settings name a broker on this host, which containers can't reach."""
    return settings.redis_is_explicit and _has_local_broker(settings)


def _has_local_broker(settings: Settings) -> bool:
    return urlsplit(settings.redis_url).hostname in {"127.0.0.1", "localhost", "::1"}


def broker_password(settings: Settings) -> str:
    """Return the password of the broker that the stack starts.

    Raises:
        UsageError: if it would need quoting in a URL or in the server's configuration.
    """
    password = unquote(urlsplit(settings.redis_url).password or "")
    if _PASSWORD.fullmatch(password):
        return password
    problem = "must have at least 8 characters, of letters, digits and ._~-"
    remedy = "set another, or delete it to get a new one"
    raise UsageError(Fault(field="POOLBENCH_REDIS_PASSWORD", problem=problem, remedy=remedy))
