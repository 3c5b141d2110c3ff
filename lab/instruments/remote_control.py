"""Reads and checks the settings of workers, and limits their rates, by remote control."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError

from collector.reasons import Code, Reason
from collector.run_manifest import Contender, WorkerGroup
from lab.experiment.worker_settings import celery_settings, instances
from poolbench.errors import StackError
from poolbench.keys import worker_name

#: How long workers may take to answer, seconds, and how often they are asked.
TIMEOUT_S = 3.0
ATTEMPTS = 2

#: What Celery answers instead of a secret, which can't be checked.
CENSORED = "********"

#: A value that is unknown, in a message.
UNKNOWN = "unknown (no answer)"

#: A rate limit as Celery writes it, or starts a second; None for no limit.
RateLimit = str | int | float | None

#: The setting with which a worker doesn't answer.
_REMOTE_CONTROL = "worker_enable_remote_control"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Celery's settings in effect in one worker."""

    contender: str
    group: WorkerGroup
    #: By Celery's names, secrets censored; None if the worker didn't answer.
    settings: Mapping[str, object] | None
    #: Whether it runs a user's app.
    is_app: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        """Return the settings that it must have in effect."""
        return celery_settings(self.group, is_app=self.is_app)


def read_settings(
    url: str, *, scope: str, contenders: Iterable[Contender], is_app: bool = False
) -> list[WorkerSettings]:
    """Return the settings in effect in each worker of these contenders.

    Raises:
        StackError: if the broker is lost.
    """
    workers = {
        node: (contender.name, group)
        for contender in contenders
        for node, (group, _) in zip(
            nodes_of(contender, scope=scope), instances(contender), strict=True
        )
    }
    silent = {
        node for node, (_, group) in workers.items() if group.celery.get(_REMOTE_CONTROL) is False
    }
    answers: dict[str, Mapping[str, object]] = {}
    with _connected(url) as (app, connection):
        for _ in range(ATTEMPTS):
            missing = [node for node in workers if node not in answers and node not in silent]
            if not missing:
                break
            inspect = app.control.inspect(
                missing, connection=connection, timeout=TIMEOUT_S, limit=len(missing)
            )
            answers |= inspect.conf() or {}
    return [
        WorkerSettings(contender=contender, group=group, settings=answers.get(node), is_app=is_app)
        for node, (contender, group) in workers.items()
    ]


def nodes_of(contender: Contender, *, scope: str) -> list[str]:
    """Return the names of a contender's workers on this machine, in the order of `instances`."""
    return [
        f"{worker_name(contender.name, scope=scope, instance=instance)}@{platform.node()}"
        for _, instance in instances(contender)
    ]


def in_effect(found: Sequence[WorkerSettings]) -> dict[str, Mapping[str, object]]:
    """Return the settings in effect of a first worker, by contender or ``contender/group``."""
    known: dict[str, Mapping[str, object]] = {}
    for one in found:
        if one.settings is not None:
            name = f"{one.contender}/{one.group.name}" if one.group.name else one.contender
            known.setdefault(name, one.settings)
    return known


def unmet(found: Sequence[WorkerSettings]) -> dict[str, tuple[Reason, ...]]:
    """Return by contender the settings that differ from what the experiment asks for."""
    reasons: dict[str, dict[str, Reason]] = {}
    for one in found:
        for setting, asked, seen in _differences(one):
            reason = Reason.of(Code.SETTING_DIFFERS, setting=setting, asked=asked, seen=seen)
            reasons.setdefault(one.contender, {}).setdefault(setting, reason)
    return {name: tuple(known.values()) for name, known in reasons.items()}


def _differences(one: WorkerSettings) -> Iterator[tuple[str, str, str]]:
    """Yield name, value asked for and value in effect, of each setting that differs."""
    if one.settings is not None:
        yield from _differing(one.asked, seen=one.settings)
    elif one.group.celery.get(_REMOTE_CONTROL) is not False:
        asked = one.asked if one.group.celery or one.group.settings else {}
        for name, value in asked.items():
            yield name, json.dumps(value), UNKNOWN


def _differing(
    asked: Mapping[str, Any], *, seen: Mapping[str, Any], where: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Compare tables key by key: the one in effect has Poolbench's own keys too."""
    for name, value in asked.items():
        found = seen.get(name)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            yield from _differing(value, seen=found, where=f"{where}{name}.")
        elif found not in (value, CENSORED):
            yield f"{where}{name}", json.dumps(value), _shown(found)


def limit_rates(url: str, *, nodes: Collection[str], limits: Mapping[str, RateLimit]) -> list[str]:
    """Set the rate limits of job kinds in workers; None removes a limit.

    Returns the kinds whose limit a worker did not confirm.

    Raises:
        StackError: if the broker is lost.
    """
    unconfirmed = []
    with _connected(url) as (app, connection):
        for kind, limit in limits.items():
            answers = app.control.rate_limit(
                kind,
                limit,  # type: ignore[arg-type]  # its stub lacks None, which is no limit
                destination=list(nodes),
                connection=connection,
                reply=True,
                timeout=TIMEOUT_S,
                limit=len(nodes),
            )
            found = {node: answer for one in answers or () for node, answer in one.items()}
            if not all("ok" in found.get(node, {}) for node in nodes):
                unconfirmed.append(kind)
    return unconfirmed


@contextlib.contextmanager
def _connected(url: str) -> Iterator[tuple[Celery, Connection]]:
    """Open a connection to the broker, for one or several commands.

    Raises:
        StackError: if the broker is lost.
    """
    app = Celery(broker=url, set_as_current=False)
    try:
        with app.connection_for_write() as connection:
            yield app, connection
    except (OperationalError, redis.RedisError) as error:
        raise StackError(f"the broker was lost: {error}") from error


def _shown(found: object) -> str:
    return "unset" if found is None else json.dumps(found)
