"""The stack's services, defined once: both the local and the Docker stack are made from this."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from poolbench.errors import Fault, StorageError, UsageError
from poolbench.pools import available_pools
from poolbench.settings import Settings

#: How long a worker may take to finish the jobs it runs, seconds; longer jobs are cut off.
WORKER_STOP_S = 60
#: How long every other service may take to end, seconds.
SERVICE_STOP_S = 20
#: A heartbeat file older than this is no sign of life: touched every 2 s, it missed seven.
HEARTBEAT_LIMIT_S = 15
#: A log is turned over at this size, and this many are kept.
LOG_MAX_MB = 10
LOG_FILES = 3

_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{8,}", re.ASCII)

#: Room that a start needs for logs, the broker's data and first results, bytes.
ROOM_BYTES = 50_000_000

#: What measures a unit of work once the workers are up: words after ``python -m``.
CALIBRATE = ("worker", "calibrate", "--publish")

#: How long that may take, seconds; it is done within two.
CALIBRATION_TIMEOUT_S = 60.0

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the services listen: on the host itself, or each inside its container."""

    listen: str
    redis_port: int
    upstream_port: int
    flower_port: int


#: Inside containers ports are fixed; the compose file publishes them at the settings' ports.
CONTAINERS = Place(listen="0.0.0.0", redis_port=6379, upstream_port=8390, flower_port=5555)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One long-running process of the stack."""

    name: str
    #: Words after ``python -m``; the broker's is the local stack's own.
    command: tuple[str, ...]
    #: One line for tables.
    summary: str
    #: Where it listens, or None.
    port: int | None = None
    #: Contender whose jobs it runs, or empty.
    contender: str = ""
    #: Seconds from the polite signal to the kill.
    stop_s: int = SERVICE_STOP_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a stack keeps what it keeps."""

    root: Path
    state_dir: Path
    results_dir: Path

    @classmethod
    def of(cls, settings: Settings, *, root: Path) -> Layout:
        """Return the layout of a checkout; relative folders of its settings count from it."""
        return cls(
            root=root,
            state_dir=(root / settings.state_dir).resolve(),
            results_dir=(root / settings.results_dir).resolve(),
        )

    @property
    def logs(self) -> Path:
        """Return the folder of the local stack's logs, ``<service>.log`` each."""
        return self.state_dir / "logs"

    @property
    def data(self) -> Path:
        """Return the folder whose folders hold the broker's data, one a server and version."""
        return self.state_dir / "data"

    @property
    def heartbeats(self) -> Path:
        """Return the folder of the files that live services touch."""
        return self.state_dir / "heartbeats"


def place_of(settings: Settings) -> Place:
    """Return where a local stack listens."""
    return Place(
        listen="127.0.0.1",
        redis_port=urlsplit(settings.redis_url).port or 6379,
        upstream_port=settings.upstream_port,
        flower_port=settings.flower_port,
    )


def services(place: Place) -> tuple[Service, ...]:
    """Return the stack's services in the order in which they start."""
    listen = place.listen
    return (
        Service(
            name="redis",
            command=("lab.stack.redis",),
            summary="broker: queues, runs and records",
            port=place.redis_port,
        ),
        Service(
            name="upstream",
            command=("upstream", "--host", listen, "--port", str(place.upstream_port)),
            summary="the slow service that io.http calls",
            port=place.upstream_port,
        ),
        *(_worker(pool.name, slot=pool.slot) for pool in available_pools()),
        Service(
            name="flower",
            command=(
                *("celery", "-A", "worker.app", "flower"),
                *(f"--address={listen}", f"--port={place.flower_port}"),
            ),
            summary="shows workers and jobs in a browser",
            port=place.flower_port,
        ),
        Service(
            name="collector",
            command=("collector",),
            summary="gathers records into results/",
        ),
    )


def is_broker_ours(settings: Settings) -> bool:
    """Return whether the stack starts the broker itself: nobody named another."""
    host = urlsplit(settings.redis_url).hostname or ""
    return not settings.redis_is_explicit and host in LOOPBACK


def check_room(layout: Layout) -> None:
    """Make sure that a stack has room to write.

    Raises:
        StorageError: if it hasn't, or can't write at all.
    """
    for folder in (layout.state_dir, layout.results_dir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageError(f"can't write to {folder}: {error.strerror}") from error
        if free_bytes < ROOM_BYTES:
            free_mb, room_mb = free_bytes // 1_000_000, ROOM_BYTES // 1_000_000
            raise StorageError(f"{folder} has {free_mb} MB left; the stack needs {room_mb} MB")


def broker_password(settings: Settings) -> str:
    """Return the password of the broker that the stack starts.

    Raises:
        UsageError: if it means different things in a URL and in the server's configuration.
    """
    password = unquote(urlsplit(settings.redis_url).password or "")
    if _PASSWORD.fullmatch(password):
        return password
    remedy = "use 8 letters, digits or ._~- at least, or delete it and one is made"
    raise UsageError(Fault(problem="POOLBENCH_REDIS_PASSWORD can't be used", remedy=remedy))


def _worker(pool: str, *, slot: str) -> Service:
    return Service(
        name=f"worker-{pool}",
        command=("worker", "--pool", pool, "--events"),
        summary=f"runs jobs; each slot is {slot}",
        contender=pool,
        stop_s=WORKER_STOP_S,
    )
