"""Checks Celery's settings and arguments in an experiment file against the installed Celery.

A setting or argument that Poolbench itself must control is refused with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import click
from celery.app.defaults import DEFAULTS, NAMESPACES, SETTING_KEYS, flatten
from celery.bin.worker import worker
from kombu.transport.redis import Channel
from pydantic_core import PydanticCustomError

from lab.experiment.file_table import broken
from lab.experiment.worker_settings import SHORTHANDS
from lab.experiment_file.rules import Broken
from poolbench.errors import nearest
from poolbench.pools import POOLS

#: Celery's type of each setting, by name.
_TYPES: Mapping[str, Any] = {
    name: option.type for name, option in cast("Iterable[tuple[str, Any]]", flatten(NAMESPACES))
}

_BROKER = (
    "broker_(url|read_url|write_url|transport|host|port|user|password|vhost|use_ssl|login_method"
    "|failover_strategy)"
)
_QUEUES = (
    "worker_direct|task_(queues|routes|create_missing_.*|default_(queue|exchange|routing_key).*)"
)
_OF_SENDERS = (
    "accept_content|task_(protocol|serializer|compression|always_eager|eager_propagates"
    "|store_eager_result|send_sent_event|default_delivery_mode|default_priority"
    "|queue_max_priority)"
)
_RESULTS = "write settings = { result_backend = true }"
_BACKENDS = (
    "cache|cassandra|s3|azureblockblob|gcs|couchbase|arangodb|mongodb|cosmosdbsql|elasticsearch"
    "|database"
)

#: Patterns of settings that Poolbench controls, each with the reason and what to do instead.
_CONTROLLED: tuple[tuple[str, str, str], ...] = (
    (_BROKER, "all workers use the run's broker", "set POOLBENCH_REDIS_URL for the whole run"),
    (
        f"result_backend|redis_(host|port|db|username|password|backend_use_ssl)|({_BACKENDS})_.*",
        "results are stored in the run's broker",
        _RESULTS,
    ),
    ("task_ignore_result", "each message specifies whether its result is stored", _RESULTS),
    ("worker_pool", "pool is a key of its own", "write it next to name"),
    ("worker_concurrency", "slots is a key of its own", "write it next to pool"),
    (_QUEUES, "Poolbench names the queues", "write queues"),
    ("include|imports", "workers run Poolbench's jobs", "leave it out"),
    ("worker_state_db", "workers would find the state of earlier workers", "leave it out"),
    (
        _OF_SENDERS,
        "it has an effect where jobs are sent, and Poolbench's producer sends them",
        "leave it out",
    ),
    ("beat_.*", "no beat is started", "leave it out"),
    ("enable_utc|timezone", "times are in UTC", "leave it out"),
    (
        "control_exchange|event_(exchange.*|queue_prefix|serializer)",
        "the lab asks the workers through it",
        "leave it out",
    ),
    ("security_.*", "messages are not signed", "leave it out"),
)

_KEYS = "it separates the keys of this run from those of others"

#: Reasons why options of the transports are refused, by setting and option.
_CONTROLLED_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "broker_transport_options": {
        **dict.fromkeys(
            ("global_keyprefix", "unacked_key", "unacked_index_key", "unacked_mutex_key"), _KEYS
        ),
        "sep": "the producer writes to the lists that Celery names by default",
        "socket_keepalive_options": "its keys are numbers of the operating system",
    },
    "result_backend_transport_options": {"global_keyprefix": _KEYS},
}

#: The options of the broker's transport that kombu reads: of its channels and of its retries.
_BROKER_OPTIONS = frozenset(
    {
        *Channel.from_transport_options,
        *("polling_interval", "failover_strategy", "connect_retries_timeout"),
        *("max_retries", "interval_start", "interval_step", "interval_max"),
    }
)

#: What a setting of each of Celery's types must be; other types are not checked.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "must be true or false"),
    "int": ((int,), "must be a whole number"),
    "float": ((int, float), "must be a number"),
    "dict": ((dict,), "must be a table"),
    "list": ((list,), "must be a list"),
    "tuple": ((list,), "must be a list"),
}

#: Reasons why arguments are refused, by Celery's name of the parameter.
_CONTROLLED_ARGUMENTS: Mapping[str, tuple[str, str]] = {
    "pool": ("pool is a key of its own", "write it next to name"),
    "concurrency": ("slots is a key of its own", "write it next to pool"),
    "queues": ("Poolbench names the queues", "write queues"),
    "exclude_queues": ("Poolbench names the queues", "write queues"),
    "hostname": ("Poolbench names the workers", "leave it out"),
    "include": ("Poolbench loads its probe with it", "leave it out"),
    "task_events": ("it is a setting", "write settings = { events = true }"),
    **{
        f"without_{one}": (
            "it is off unless a setting turns it on",
            f"leave it out, or write settings = {{ {one} = true }}",
        )
        for one in ("gossip", "mingle", "heartbeat")
    },
    "purge": ("the queues of a run are new", "leave it out"),
    "statedb": ("workers would find the state of earlier workers", "leave it out"),
    **dict.fromkeys(
        ("beat", "schedule_filename", "scheduler"), ("no beat is started", "leave it out")
    ),
    **dict.fromkeys(
        ("detach", "logfile", "pidfile", "uid", "gid", "umask", "executable"),
        ("the lab starts, logs and ends the workers", "leave it out"),
    ),
}

_NOT_PREFORK = frozenset(POOLS) - {"prefork"}

#: Pools that ignore a setting, or the argument of the same meaning (docs/pools.md).
_IGNORED_BY: Mapping[str, Collection[str]] = {
    "task_soft_time_limit": {"threads", "gevent", "solo"},
    "task_time_limit": {"threads", "solo"},
    "worker_max_tasks_per_child": _NOT_PREFORK,
    "worker_max_memory_per_child": _NOT_PREFORK,
    "worker_pool_start_method": _NOT_PREFORK,
    "optimization": _NOT_PREFORK,
    "autoscale": {"solo"},
}

#: Pools that don't start with an argument.
_BREAKS: Mapping[str, Collection[str]] = {"autoscale": {"threads"}}

#: Name of the argument whose value 0 Celery ignores.
_PREFETCH = "prefetch_multiplier"


def setting_faults(settings: Mapping[str, Any]) -> Iterator[Broken]:
    """Yield settings that are unknown to Celery, of a wrong type, or controlled by Poolbench."""
    for name, value in settings.items():
        if fault := name_fault(name):
            yield (name,), fault
            continue
        types, problem = _KINDS.get(str(_TYPES[name]), ((object,), ""))
        if isinstance(DEFAULTS[name], float):
            types, problem = _KINDS["float"]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            if object not in types:
                yield (name,), broken(problem)
        elif not _is_json(value):
            yield (name,), broken("must be a text, number, true, false, list or table")
        for option in value if isinstance(value, dict) else ():
            if reason := _CONTROLLED_OPTIONS.get(name, {}).get(option):
                yield (name, option), broken(reason, remedy="leave it out")
            elif name == "broker_transport_options" and option not in _BROKER_OPTIONS:
                yield (
                    (name, option),
                    broken(
                        "unknown option of the broker",
                        remedy=nearest(option, among=_BROKER_OPTIONS),
                    ),
                )


def name_fault(name: str) -> PydanticCustomError | None:
    """Return the fault of a setting that is unknown to Celery or that Poolbench controls."""
    if name not in SETTING_KEYS:
        return broken("unknown setting of Celery", remedy=_nearest_setting(name))
    refused = _refusal(name)
    return broken(refused[0], remedy=refused[1]) if refused else None


def argument_faults(arguments: Sequence[str]) -> Iterator[Broken]:
    """Yield the arguments that ``celery worker`` doesn't accept, or that Poolbench controls."""
    context = click.Context(worker)
    try:
        given, others, _ = worker.make_parser(context).parse_args(list(arguments))
    except click.NoSuchOption as error:
        known = [option for parameter in worker.params for option in parameter.opts]
        remedy = nearest(error.option_name, among=[one for one in known if one.startswith("--")])
        if not remedy.startswith("did you mean"):
            remedy = "see celery worker --help"
        index = _index_of((error.option_name,), arguments=arguments)
        yield (index,), broken("unknown option of celery worker", remedy=remedy)
        return
    except click.UsageError as error:
        yield (len(arguments) - 1,), broken(_clause(error))
        return
    for word in others:
        remedy = "write options of celery worker; settings go into celery"
        yield (arguments.index(word),), broken("it is no option", remedy=remedy)
    for parameter in worker.params:
        name = str(parameter.name)
        if name not in given:
            continue
        index = _index_of(parameter.opts, arguments=arguments)
        if refused := _CONTROLLED_ARGUMENTS.get(name):
            yield (index,), broken(refused[0], remedy=refused[1])
        elif name == _PREFETCH and given[name] == "0":
            remedy = "write celery = { worker_prefetch_multiplier = 0 }"
            yield (index,), broken("Celery ignores 0 in an argument", remedy=remedy)
        else:
            try:
                parameter.type_cast_value(context, given[name])
            except click.UsageError as error:
                yield (index,), broken(_clause(error))


def conflicts(
    *, settings: Mapping[str, Any], celery: Mapping[str, Any], arguments: Sequence[str]
) -> Iterator[Broken]:
    """Yield what is set twice: by a shorthand in settings, a setting of Celery, an argument."""
    sources: dict[str, str] = {}
    for shorthand, name in SHORTHANDS.items():
        if shorthand in settings:
            sources[name] = f"settings.{shorthand}"
    for name in celery:
        if name in sources:
            remedy = "write one of the two"
            yield ("celery", name), broken(f"{sources[name]} sets it too", remedy=remedy)
        sources.setdefault(name, f"celery.{name}")
    for parameter in worker.params:
        for name in (f"worker_{parameter.name}", f"task_{parameter.name}"):
            index = _index_of(parameter.opts, arguments=arguments, default=-1)
            if name in sources and index >= 0:
                remedy = "write one of the two"
                yield ("arguments", index), broken(f"{sources[name]} sets it too", remedy=remedy)


def pool_faults(
    pool: str, *, celery: Mapping[str, Any], arguments: Sequence[str]
) -> Iterator[Broken]:
    """Yield the settings and arguments that have no effect in a pool, or end its worker."""
    for name in celery:
        if pool in _IGNORED_BY.get(name, ()):
            yield ("celery", name), broken(f"pool {pool} ignores it", remedy="leave it out")
    for parameter in worker.params:
        index = _index_of(parameter.opts, arguments=arguments, default=-1)
        names = (str(parameter.name), f"worker_{parameter.name}", f"task_{parameter.name}")
        if index < 0:
            continue
        if any(pool in _IGNORED_BY.get(name, ()) for name in names):
            yield ("arguments", index), broken(f"pool {pool} ignores it", remedy="leave it out")
        if pool in _BREAKS.get(names[0], ()):
            problem = f"a worker with pool {pool} ends with it"
            yield ("arguments", index), broken(problem, remedy="leave it out")


def most_slots(arguments: Sequence[str]) -> int | None:
    """Return the largest number of slots of ``--autoscale``; None without it, or if it is invalid.

    Its numbers may have either order.
    """
    try:
        given, _, _ = worker.make_parser(click.Context(worker)).parse_args(list(arguments))
        return max(map(int, given["autoscale"].split(",")))
    except (click.UsageError, KeyError, ValueError):
        return None


def _refusal(name: str) -> tuple[str, str] | None:
    for pattern, reason, remedy in _CONTROLLED:
        if re.fullmatch(pattern, name):
            return reason, remedy
    return None


def _nearest_setting(name: str) -> str:
    refused = {known: reason[0] for known in SETTING_KEYS if (reason := _refusal(known))}
    remedy = nearest(name.lower(), among=SETTING_KEYS - refused.keys(), refused=refused)
    # a list of all settings wouldn't help
    is_near = remedy.startswith("did you mean")
    return remedy if is_near else "look it up in Celery's configuration reference"


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _index_of(options: Sequence[str], *, arguments: Sequence[str], default: int = 0) -> int:
    """Return the index of the first argument that is one of these options, or ``default``."""
    for index, argument in enumerate(arguments):
        name = argument.partition("=")[0] if argument.startswith("--") else argument[:2]
        if name in options:
            return index
    return default


def _clause(error: click.UsageError) -> str:
    """Return click's message as a clause."""
    return error.message.strip().rstrip(".").replace("\n", " ")
