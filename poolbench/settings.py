"""The only reader of environment variables and of ``.env``.

An environment variable overrides ``.env``, which overrides the default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from poolbench.errors import Fault, UsageError
from poolbench.pools import MAX_SLOTS, POOLS

#: File with the secrets and settings of a checkout, mode 0600.
DOTENV = Path(".env")

MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable that Poolbench reads."""

    default: str = field(default="", kw_only=False)
    #: Bounds of a whole number, inclusive; None for text.
    bounds: tuple[int, int] | None = None


_PORT = (1, MAX_PORT)
_SWITCH = (0, 1)

#: By name. Their meaning is in docs/operations.md, in this order.
VARIABLES: dict[str, Variable] = {
    "POOLBENCH_REDIS_URL": Variable(),
    "POOLBENCH_REDIS_HOST": Variable("127.0.0.1"),
    "POOLBENCH_REDIS_PORT": Variable("6390", bounds=_PORT),
    "POOLBENCH_REDIS_PASSWORD": Variable(),
    "POOLBENCH_UPSTREAM_HOST": Variable("127.0.0.1"),
    "POOLBENCH_UPSTREAM_PORT": Variable("8390", bounds=_PORT),
    "POOLBENCH_FLOWER_PORT": Variable("5555", bounds=_PORT),
    "FLOWER_BASIC_AUTH": Variable(),
    "POOLBENCH_SLOTS_PREFORK": Variable("4", bounds=(1, POOLS["prefork"].max_slots)),
    "POOLBENCH_SLOTS_THREADS": Variable("50", bounds=(1, MAX_SLOTS)),
    "POOLBENCH_SLOTS_GEVENT": Variable("100", bounds=(1, MAX_SLOTS)),
    "POOLBENCH_SLOTS_ASYNCIO": Variable("100", bounds=(1, MAX_SLOTS)),
    "POOLBENCH_PREFETCH": Variable("4", bounds=(0, 1_000)),
    "POOLBENCH_ACKS_LATE": Variable("0", bounds=_SWITCH),
    "POOLBENCH_RESULTS": Variable("0", bounds=_SWITCH),
    "POOLBENCH_CELERY": Variable(),
    "POOLBENCH_WORKER_REDIS_URL": Variable(),
    "POOLBENCH_IMAGE": Variable("poolbench:local"),
    "POOLBENCH_COLLECTOR_IMAGE": Variable("poolbench-collector:local"),
    "POOLBENCH_STATE_DIR": Variable(".poolbench"),
    "POOLBENCH_RESULTS_DIR": Variable("results"),
    "POOLBENCH_FREE_THREADED": Variable(),
    "POOLBENCH_SCOPE": Variable(),
    "POOLBENCH_CONTENDER": Variable(),
    "POOLBENCH_RUN": Variable(),
    "POOLBENCH_HEARTBEAT_FILE": Variable(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings from the environment, checked."""

    #: Address of the broker with its password; print `redis_address` instead.
    redis_url: str
    upstream_url: str
    upstream_port: int
    flower_port: int
    #: ``user:password``, or empty.
    flower_basic_auth: str
    #: Slots of the stack's worker, by pool.
    slots: Mapping[str, int]
    #: Messages reserved for each slot; 0 for no limit.
    prefetch_multiplier: int
    #: Whether a job is acknowledged after it ran.
    acks_late: bool
    #: Whether a worker stores the results of messages that don't specify it.
    stores_results: bool
    #: Celery's settings of a worker in addition to Poolbench's, by Celery's names.
    celery: Mapping[str, Any]
    #: Address of the broker for a worker and its jobs, with its password.
    worker_redis_url: str
    image: str
    collector_image: str
    state_dir: Path
    results_dir: Path
    #: Path of a Python without a GIL that has a worker's packages; empty for the checkout's.
    free_threaded: str
    scope: str
    contender: str
    run: str
    #: Whether the broker was named by POOLBENCH_REDIS_URL.
    redis_is_explicit: bool
    heartbeat_file: Path | None = None
    #: Whether this process is a worker whose slots are coroutines.
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
        UsageError: with every invalid value.
    """
    found = dict(read_dotenv(dotenv)) if dotenv else {}
    found.update(os.environ if environ is None else environ)
    values = {name: found.get(name) or known.default for name, known in VARIABLES.items()}
    if faults := tuple(_faults(values)):
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
        celery=json.loads(values["POOLBENCH_CELERY"] or "{}"),
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


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with changes; a table in both is merged likewise instead of replaced."""
    return {
        **table,
        **{
            name: merged(table[name], value)
            if isinstance(value, Mapping) and isinstance(table.get(name), Mapping)
            else value
            for name, value in changes.items()
        },
    }


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


def _compose_redis_url(values: Mapping[str, str]) -> str:
    password = values["POOLBENCH_REDIS_PASSWORD"]
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}{values['POOLBENCH_REDIS_HOST']}:{values['POOLBENCH_REDIS_PORT']}/0"


def _faults(values: Mapping[str, str]) -> Iterator[Fault]:
    for name, value in values.items():
        if bounds := VARIABLES[name].bounds:
            low, high = bounds
            if not (value.isdecimal() and low <= int(value) <= high):
                problem = f"must be a whole number from {low} to {high}"
                yield Fault(field=name, seen=repr(value), problem=problem)
        elif name == "POOLBENCH_CELERY" and value and not _is_json_object(value):
            remedy = 'write {"worker_eta_task_limit": 500}'
            yield Fault(field=name, seen=value, problem="must be a JSON object", remedy=remedy)
        elif name.endswith("_REDIS_URL") and value and not _is_redis_url(value):
            # the value may hold a password, so it is not shown
            remedy = "write redis://:password@host:port/0"
            yield Fault(field=name, problem="must be a Redis address", remedy=remedy)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
