"""Describes a recorded worker and its app's tasks: numbers, booleans, names and known words.

No address, path, password or free text gets into a description: what isn't listed here is left out.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import click
from celery.app.defaults import DEFAULTS
from click.core import ParameterSource

from poolbench.evidence import class_path, pool_name
from poolbench.heartbeat import slots_of
from poolbench.machine import package_version
from poolbench.pools import BLOCKING_DRIVERS
from poolbench.records import LINE_MAX_BYTES, Moment, encode_line

#: Longest name of a task, a queue or a worker, characters.
_NAME_MAX_CHARS = 200

#: Options of ``celery worker`` by Celery's name of the parameter: numbers, booleans, known words.
_OPTIONS = (
    "autoscale", "beat", "concurrency", "disable_prefetch", "heartbeat_interval",
    "max_memory_per_child", "max_tasks_per_child", "optimization", "pool", "pool_start_method",
    "prefetch_multiplier", "purge", "soft_time_limit", "task_events", "time_limit",
    "without_gossip", "without_heartbeat", "without_mingle",
)  # fmt: skip

#: Options that are lists of queues.
_QUEUE_OPTIONS = ("queues", "exclude_queues")

#: Attributes of a worker's controller: its options and settings together.
_EFFECTIVE = (
    "autoscale", "concurrency", "max_concurrency", "max_memory_per_child", "max_tasks_per_child",
    "optimization", "pool_putlocks", "pool_start_method", "prefetch_multiplier", "soft_time_limit",
    "time_limit",
)  # fmt: skip

#: Settings that may be described, with the numbers and booleans of each.
_SETTINGS = re.compile(
    r"(?:task|worker|result|event|beat|control)_.*|enable_utc|redis_max_connections"
    r"|redis_socket_.*|redis_retry_on_timeout"
    r"|broker_(?:pool_limit|heartbeat.*|connection_.*|channel_.*|pool_acquire_timeout)"
)

#: Options of a broker's transport that may be described.
_TRANSPORT_OPTIONS = (
    "confirm_publish", "health_check_interval", "max_connections", "max_retries",
    "polling_interval", "priority_steps", "retry_on_timeout", "socket_connect_timeout",
    "socket_keepalive", "socket_timeout", "unacked_restore_throttle", "visibility_timeout",
    "wait_time_seconds",
)  # fmt: skip

#: Words that an option, a setting or a task's option may have. No other text is described.
_WORDS = frozenset(
    {
        "auto", "default", "fair", "fork", "spawn",
        "prefork", "threads", "gevent", "eventlet", "solo", "processes", "custom", "asyncio",
        "json", "pickle", "yaml", "msgpack", "gzip", "zlib", "bzip2", "lzma", "zstd", "brotli",
        "classic", "quorum", "direct", "topic", "fanout", "headers", "persistent", "transient",
        "round-robin", "shuffle",
    }
)  # fmt: skip

#: A rate limit: 10, 10/s, 10/m, 10/h.
_RATE = re.compile(r"\d{1,9}(?:\.\d{1,6})?(?:/[smh])?")

#: Options of a task, with Celery's defaults.
_TASK_OPTIONS: Mapping[str, Any] = {
    "acks_late": False,
    "acks_on_failure": True,
    "acks_on_failure_or_timeout": True,
    "acks_on_timeout": True,
    "default_retry_delay": 180,
    "expires": None,
    "ignore_result": False,
    "max_retries": 3,
    "priority": None,
    "rate_limit": None,
    "reject_on_worker_lost": None,
    "retry_backoff": False,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    "serializer": "json",
    "soft_time_limit": None,
    "store_errors_even_if_ignored": False,
    "time_limit": None,
    "track_started": False,
}


def command_line_options() -> dict[str, Any]:
    """Return the options on the command line of ``celery worker``, which is running."""
    context = click.get_current_context(silent=True)
    if context is None:
        return {}
    found: dict[str, Any] = {}
    for name, value in context.params.items():
        if context.get_parameter_source(name) in {ParameterSource.DEFAULT, None}:
            continue
        if name in _QUEUE_OPTIONS:
            found[name] = [str(one)[:_NAME_MAX_CHARS] for one in value]
        elif name == "pool" and isinstance(value, type):
            found[name] = pool_name(f"{value.__module__}:{value.__qualname__}")
        elif name in _OPTIONS and (plain := _plain(name, value)) is not None:
            found[name] = plain
    return found


def worker_members(consumer: Any, *, contender: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a worker's line, without the time.

    ``options`` are those of its command line. ``settings`` are what the app or its environment has
    set, and ``effective`` is what the worker has made of both: a multiplier of the prefetch count
    is in all three, if it was asked for twice.
    """
    controller, pool = consumer.controller, consumer.pool
    seen = class_path(pool)
    conf = consumer.app.conf
    known = {name: _plain(name, getattr(controller, name, None)) for name in _EFFECTIVE}
    return {
        "worker": str(consumer.hostname)[:_NAME_MAX_CHARS],
        "contender": contender,
        "pool": pool_name(seen),
        "pool_seen": seen,
        "slots": slots_of(pool),
        "queues": [queue.name[:_NAME_MAX_CHARS] for queue in consumer.task_consumer.queues],
        "options": dict(options),
        "settings": _settings(conf),
        "effective": {
            **{name: value for name, value in known.items() if value is not None},
            "prefetch_count": consumer.qos.value,
            "disable_prefetch": bool(conf.get("worker_disable_prefetch")),
        },
        "broker": str(consumer.connection.transport.driver_type),
        "backend": type(consumer.app.backend).__name__,
        "packages": _packages(),
    }


def worker_line(members: Mapping[str, Any]) -> bytes:
    """Return a worker's line; without queues and settings if they are too many for one."""
    line = encode_line(Moment.WORKER, **members)
    options = members["options"]
    # its names are those of the worker's queues again
    without_names = {name: options[name] for name in options if name not in _QUEUE_OPTIONS}
    for name, nothing in (
        ("queues", []),
        ("options", without_names),
        ("settings", {}),
        ("options", {}),
    ):
        if len(line) >= LINE_MAX_BYTES:
            members = {**members, name: nothing}
            line = encode_line(Moment.WORKER, **members)
    return line


def task_lines(app: Any) -> Iterator[bytes]:
    """Yield the line of each of the app's own tasks, by name."""
    for name in sorted(app.tasks):
        if not name.startswith("celery."):
            yield encode_line(
                Moment.TASK,
                task=name[:_NAME_MAX_CHARS],
                options=task_options(app.tasks[name]),
            )


def task_options(task: Any) -> dict[str, Any]:
    """Return a task's options that differ from Celery's defaults."""
    found: dict[str, Any] = {}
    for name, default in _TASK_OPTIONS.items():
        value = getattr(task, name, default)
        # a task without bound on its retries has None
        is_described = (plain := _plain(name, value)) is not None or value is None
        if value != default and is_described:
            found[name] = plain
    queue = getattr(task, "queue", None)
    if isinstance(queue, str):
        found["queue"] = queue[:_NAME_MAX_CHARS]
    if getattr(task, "autoretry_for", None):
        found["autoretry"] = True
    if inspect.iscoroutinefunction(task.run):
        found["coroutine"] = True
    return found


def _settings(conf: Any) -> dict[str, Any]:
    """Return Celery's settings that differ from its defaults, if they may be described."""
    found: dict[str, Any] = {}
    for name, default in DEFAULTS.items():
        value = conf.get(name)
        is_allowed = value != default and _SETTINGS.fullmatch(name)
        if is_allowed and (plain := _plain(name, value)) is not None:
            found[name] = plain
    options = conf.get("broker_transport_options") or {}
    transport = {
        name: plain
        for name in _TRANSPORT_OPTIONS
        if (plain := _plain(name, options.get(name))) is not None
    }
    return {**found, **({"broker_transport_options": transport} if transport else {})}


def _plain(name: str, value: object) -> Any:
    """Return a number, a boolean, a known word, a rate or a list of numbers; None for the rest.

    Only a value whose name says so is a rate, since text of digits may be anything.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str):
        is_rate = name.endswith("rate_limit") and _RATE.fullmatch(value)
        return value if value in _WORDS or is_rate else None
    if isinstance(value, (list, tuple)):
        numbers = [one for one in value if isinstance(one, (int, float))]
        return numbers if len(numbers) == len(value) <= 16 else None
    return None


def _packages() -> dict[str, str]:
    """Return the versions of gevent, greenlet and of drivers that don't yield, if installed."""
    drivers = [
        package
        for package, (_, remedy) in BLOCKING_DRIVERS.items()
        if not (remedy and package_version(remedy))
    ]
    found = {
        package: package_version(package) or package_version(f"{package}-binary")
        for package in ("gevent", "greenlet", *drivers)
    }
    return {package: version for package, version in found.items() if version}
