"""Every place where a Celery app resolves a broker or a result backend, and whether it is ours.

No address is returned or printed: those that are not ours may have passwords.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery, _state
from celery.backends.base import DisabledBackend
from kombu import Connection

from poolbench.userapp import BACKEND_VARIABLE
from poolbench.userapp.failure import AppError, shortened
from poolbench.userapp.find import own_tasks

#: Options of kombu's Redis transport that would change the keys of queues, of unacknowledged
#: messages or of remote control: left out in tries.
KEY_OPTIONS = (
    "fanout_patterns", "fanout_prefix", "global_keyprefix", "sep",
    "unacked_index_key", "unacked_key", "unacked_mutex_key",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One place where an app names a broker or a backend."""

    #: The setting, or the option of the task.
    setting: str
    is_ours: bool
    #: Why it is not ours; empty if it is.
    reason: str = ""


def check_transport(broker_url: str) -> None:
    """Check that this Python can use our Redis, whatever broker the app has by itself.

    Raises:
        AppError: if a package is missing or too old.
    """
    try:
        transport: Any = Connection(broker_url).transport
        channel = transport.Channel
        # checks the version, as a channel does before it connects
        channel._get_client(channel)  # noqa: SLF001
    except Exception as error:
        text = f"the app's Python can't use Redis: {shortened(error)}"
        raise AppError("redis", text, remedy="install celery[redis] there") from error


def find_places(app: Celery, *, broker_url: str) -> list[Place]:
    """Return the places of an app, and of other configured apps in this process.

    ``broker_url`` is the address of our Redis, for broker and results.
    """
    places = list(_places(app, broker_url=broker_url))
    apps: Any = getattr(_state, "_get_active_apps", set)()
    for other in apps:
        is_in_use = other.configured and (other.finalized or other.autofinalize)
        if other is not app and is_in_use:
            suffix = f" of the app {other.main or 'without a name'}"
            places += [
                Place(setting=place.setting + suffix, is_ours=place.is_ours, reason=place.reason)
                for place in _places(other, broker_url=broker_url)
            ]
    return places


def has_backend(app: Celery) -> bool:
    """Return whether the app stores results when it isn't redirected."""
    with _without(BACKEND_VARIABLE):
        found = app.backend_cls or app.conf.result_backend
    return bool(found) and str(found).partition("://")[0].lower() != "disabled"


def _places(app: Celery, *, broker_url: str) -> Iterator[Place]:
    conf = app.conf
    yield _place("broker_url", "" if conf.broker_url == broker_url else _NOT_REDIRECTED)
    for setting, connect in (
        ("broker_read_url", app.connection_for_read),
        ("broker_write_url", app.connection_for_write),
    ):
        yield _place(setting, _broker_fault(connect, broker_url=broker_url))
    yield _place("broker_use_ssl", _TLS if conf.broker_use_ssl else "")
    yield _place("redis_backend_use_ssl", _TLS if conf.get("redis_backend_use_ssl") else "")
    try:
        backend = app.backend
    except Exception as error:  # noqa: BLE001 -- whatever a backend of the app's raises
        yield _place("result_backend", f"it can't be loaded: {shortened(error)}")
        return
    yield _place("result_backend", _backend_fault(backend, broker_url=broker_url))
    for name, task in own_tasks(app).items():
        # a task without one has the app's
        if task.backend is not backend:
            fault = _backend_fault(task.backend, broker_url=broker_url)
            yield _place(f"backend of the task {name}", fault)


_NOT_REDIRECTED = "it is not redirected by the environment"
_TLS = "it asks for TLS, which the server of a try doesn't have"


def _place(setting: str, reason: str) -> Place:
    return Place(setting=setting, is_ours=not reason, reason=reason)


def _broker_fault(connect: Any, *, broker_url: str) -> str:
    """Return why a connection of the app does not lead to our broker; empty if it does."""
    try:
        connection = connect()
        found, ours = connection.info(), Connection(broker_url).info()
        failover = list(connection.alt or ())
    except Exception as error:  # noqa: BLE001 -- whatever a transport of the app's raises
        return f"it can't be resolved: {shortened(error)}"
    if len(failover) > 1:
        return "it is a list of several brokers"
    # TLS is a place of its own
    names = ("transport", "hostname", "port", "userid", "password", "virtual_host")
    differs = any(str(found[name] or "") != str(ours[name] or "") for name in names)
    return _NOT_REDIRECTED if differs else ""


def _backend_fault(backend: Any, *, broker_url: str) -> str:
    """Return why a result backend is not ours; empty if it is, or stores nothing anywhere."""
    if isinstance(backend, DisabledBackend):
        return ""
    kind = f"{type(backend).__module__}:{type(backend).__name__}"
    if kind != "celery.backends.redis:RedisBackend":
        return _NOT_REDIRECTED
    ours = Connection(broker_url).info()
    names = {
        "host": "hostname",
        "port": "port",
        "db": "virtual_host",
        "username": "userid",
        "password": "password",
    }
    found: Mapping[str, Any] = backend.connparams
    differs = any(str(found.get(name) or "") != str(ours[own] or "") for name, own in names.items())
    return _NOT_REDIRECTED if differs else ""


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Leave an environment variable out in the context."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value
