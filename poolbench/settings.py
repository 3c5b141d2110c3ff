"""The only reader of environment variables and of ``.env``.

An environment variable goes before ``.env``, which goes before the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from poolbench.errors import Fault, UsageError
from poolbench.pools import POOLS

#: Where secrets and settings of a checkout are kept, mode 0600.
DOTENV = Path(".env")

#: Set by a worker's probe for the worker's own children. Not for people: it is no setting.
HANDOVER = "POOLBENCH_HANDOVER"

MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable that Poolbench reads."""

    name: str = field(kw_only=False)
    default: str = ""
    help: str
    #: Bounds of a whole number, both allowed; None for text.
    bounds: tuple[int, int] | None = None


#: Slots of the stack's workers, where a pool has no fixed number.
_DEFAULT_SLOTS = {"prefork": 4, "threads": 50, "gevent": 100, "asyncio": 100}

_PORT = (1, MAX_PORT)
_SWITCH = (0, 1)

VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable(
            "POOLBENCH_REDIS_URL",
            help="the broker, as redis://:password@host:port/0; goes before the next three",
        ),
        Variable("POOLBENCH_REDIS_HOST", default="127.0.0.1", help="host of the broker"),
        Variable("POOLBENCH_REDIS_PORT", default="6390", help="port of the broker", bounds=_PORT),
        Variable("POOLBENCH_REDIS_PASSWORD", help="password of the broker"),
        Variable("POOLBENCH_UPSTREAM_HOST", default="127.0.0.1", help="host of upstream"),
        Variable(
            "POOLBENCH_UPSTREAM_PORT",
            default="8390",
            help="port of upstream, the slow service that io.http calls",
            bounds=_PORT,
        ),
        Variable(
            "POOLBENCH_FLOWER_PORT",
            default="5555",
            help="port of Flower on 127.0.0.1",
            bounds=_PORT,
        ),
        Variable("FLOWER_BASIC_AUTH", help="Flower's login, user:password (read by it)"),
        *(
            Variable(
                f"POOLBENCH_SLOTS_{name.upper()}",
                default=str(slots),
                help=f"slots of the stack's {name} worker",
                bounds=(1, POOLS[name].max_slots),
            )
            for name, slots in _DEFAULT_SLOTS.items()
        ),
        Variable(
            "POOLBENCH_PREFETCH",
            default="4",
            help="messages a worker reserves for each slot (worker_prefetch_multiplier)",
            bounds=(1, 1_000),
        ),
        Variable(
            "POOLBENCH_ACKS_LATE",
            default="0",
            help="1: a worker acknowledges a job after it, not before (task_acks_late)",
            bounds=_SWITCH,
        ),
        Variable(
            "POOLBENCH_RESULTS",
            default="0",
            help="1: a worker stores the results of jobs whose messages leave it to the worker",
            bounds=_SWITCH,
        ),
        Variable(
            "POOLBENCH_WORKER_REDIS_URL",
            help="the broker as a worker and its jobs reach it, where that is another way than the "
            "probe's, as through a proxy; empty: the same",
        ),
        Variable(
            "POOLBENCH_IMAGE",
            default="poolbench:local",
            help="image of the Docker stack's workers, upstream and Flower",
        ),
        Variable(
            "POOLBENCH_COLLECTOR_IMAGE",
            default="poolbench-collector:local",
            help="image of the Docker stack's collector",
        ),
        Variable(
            "POOLBENCH_STATE_DIR",
            default=".poolbench",
            help="state of the local stack: logs, server data, process ids",
        ),
        Variable("POOLBENCH_RESULTS_DIR", default="results", help="where runs are kept"),
        Variable(
            "POOLBENCH_FREE_THREADED",
            help="Python without a GIL that runs the contenders with interpreter = free-threaded; "
            "empty: that of make free-threaded",
        ),
        Variable(
            "POOLBENCH_SCOPE",
            help="prefix of queue names, so that two runs on one broker stay apart",
        ),
        Variable(
            "POOLBENCH_CONTENDER",
            help="name of the contender that a worker is; the probe reports it",
        ),
        Variable(
            "POOLBENCH_RUN",
            help="run that the probe files jobs under that carry no header of ours; empty: none",
        ),
        Variable(
            "POOLBENCH_HEARTBEAT_FILE",
            help="file that a live worker touches every two seconds, for a container's health",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the environment may decide, checked."""

    #: The broker with its password: show `redis_address` to people, never this.
    redis_url: str
    upstream_url: str
    upstream_port: int
    flower_port: int
    #: ``user:password``, or empty.
    flower_basic_auth: str
    #: Slots of the stack's worker, by pool.
    slots: Mapping[str, int]
    #: Messages reserved for each slot.
    prefetch_multiplier: int
    #: Whether a job is acknowledged after it ran.
    acks_late: bool
    #: Whether a worker stores the results of messages that leave it to the worker.
    stores_results: bool
    #: The broker as a worker and its jobs reach it, with its password.
    worker_redis_url: str
    image: str
    collector_image: str
    state_dir: Path
    results_dir: Path
    #: Path of a Python without a GIL that has a worker's packages; empty: that of the checkout.
    free_threaded: str
    scope: str
    contender: str
    run: str
    #: Whether the broker was named by POOLBENCH_REDIS_URL.
    redis_is_explicit: bool
    heartbeat_file: Path | None = None
    #: Whether this process is a worker whose slots are coroutines, by its environment.
    runs_coroutines: bool = False

    @property
    def redis_address(self) -> str:
        """Return the broker's ``host:port``, without its password."""
        parts = urlsplit(self.redis_url)
        return f"{parts.hostname}:{parts.port or 6379}"


def load_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: Path | None = DOTENV
) -> Settings:
    """Return the settings of this process.

    Raises:
        UsageError: with every value that can't be used.
    """
    found = dict(read_dotenv(dotenv)) if dotenv else {}
    found.update(os.environ if environ is None else environ)
    values = {name: found.get(name) or known.default for name, known in VARIABLES.items()}
    faults = [fault for name in VARIABLES if (fault := _fault(VARIABLES[name], values[name]))]
    for name in ("POOLBENCH_REDIS_URL", "POOLBENCH_WORKER_REDIS_URL"):
        faults += _redis_url_faults(values[name], name=name)
    if faults:
        raise UsageError(*faults)
    heartbeat = values["POOLBENCH_HEARTBEAT_FILE"]
    redis_url = values["POOLBENCH_REDIS_URL"] or _compose_redis_url(values)
    return Settings(
        redis_url=redis_url,
        redis_is_explicit=bool(values["POOLBENCH_REDIS_URL"]),
        upstream_url=(
            f"http://{values['POOLBENCH_UPSTREAM_HOST']}:{values['POOLBENCH_UPSTREAM_PORT']}"
        ),
        upstream_port=int(values["POOLBENCH_UPSTREAM_PORT"]),
        flower_port=int(values["POOLBENCH_FLOWER_PORT"]),
        flower_basic_auth=values["FLOWER_BASIC_AUTH"],
        slots={
            name: pool.fixed_slots or int(values[f"POOLBENCH_SLOTS_{name.upper()}"])
            for name, pool in POOLS.items()
        },
        prefetch_multiplier=int(values["POOLBENCH_PREFETCH"]),
        acks_late=values["POOLBENCH_ACKS_LATE"] == "1",
        stores_results=values["POOLBENCH_RESULTS"] == "1",
        worker_redis_url=values["POOLBENCH_WORKER_REDIS_URL"] or redis_url,
        image=values["POOLBENCH_IMAGE"],
        collector_image=values["POOLBENCH_COLLECTOR_IMAGE"],
        state_dir=Path(values["POOLBENCH_STATE_DIR"]),
        results_dir=Path(values["POOLBENCH_RESULTS_DIR"]),
        free_threaded=values["POOLBENCH_FREE_THREADED"],
        scope=values["POOLBENCH_SCOPE"],
        contender=values["POOLBENCH_CONTENDER"],
        run=values["POOLBENCH_RUN"],
        heartbeat_file=Path(heartbeat) if heartbeat else None,
        runs_coroutines=all(
            found.get(name) == value for name, value in POOLS["asyncio"].environment
        ),
    )


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a ``.env`` file; empty if there is none.

    Lines are ``NAME=value``, without quoting; blank lines and ``#`` comments are ignored.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def hand_over(text: str) -> None:
    """Set a text for the processes that this one spawns; empty for none."""
    os.environ[HANDOVER] = text


def handed_over() -> str:
    """Return the text that this process's parent set for it, or an empty one."""
    return os.environ.get(HANDOVER, "")


def _compose_redis_url(values: Mapping[str, str]) -> str:
    password = values["POOLBENCH_REDIS_PASSWORD"]
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}{values['POOLBENCH_REDIS_HOST']}:{values['POOLBENCH_REDIS_PORT']}/0"


def _fault(variable: Variable, value: str) -> Fault | None:
    if variable.bounds is None:
        return None
    low, high = variable.bounds
    if value.isdecimal() and low <= int(value) <= high:
        return None
    problem = f"must be a whole number from {low} to {high}"
    return Fault(field=variable.name, seen=repr(value), problem=problem)


def _redis_url_faults(url: str, *, name: str) -> list[Fault]:
    if not url:
        return []
    parts = urlsplit(url)
    try:
        is_usable = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_usable = False
    if is_usable:
        return []
    # the value may hold a password, so it is not shown
    remedy = "write redis://:password@host:port/0"
    return [Fault(problem=f"{name} is not a Redis address", remedy=remedy)]
