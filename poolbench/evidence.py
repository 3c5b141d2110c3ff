"""Evidence of what runs a job: host, process, slot, pool class, patched sockets, GIL."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping

from celery import concurrency

from poolbench.lines import evidence_members
from poolbench.machine import NAME_MAX_CHARS
from poolbench.pools import POOLS

#: Whether this interpreter has a GIL now: it may change when a module is imported.
is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)

#: Celery's pool classes by their ``-P`` value, as ``module:name``.
_CLASSES: Mapping[str, str] = vars(concurrency)["ALIASES"]

#: Our pool's class in older records, by Poolbench's name.
_FORMER_CLASSES: Mapping[str, str] = {"worker.pools.asyncio:TaskPool": "asyncio"}

#: Pools whose slots have a thread each, so that the thread's CPU time is the job's.
OWN_THREAD_POOLS = frozenset(_CLASSES[name] for name in ("prefork", "threads", "solo"))


def class_path(instance: object) -> str:
    """Return an object's class as ``module:name``, as Celery spells pools."""
    kind = type(instance)
    return f"{kind.__module__}:{kind.__qualname__}"[:NAME_MAX_CHARS]


def pool_name(seen: str) -> str:
    """Return Poolbench's name of a pool class, or the class itself if there is none."""
    for pool in POOLS.values():
        own_class = dict(pool.environment).get("CELERY_CUSTOM_WORKER_POOL")
        if seen == (own_class or _CLASSES[pool.celery_value]):
            return pool.name
    return _FORMER_CLASSES.get(seen, seen)


#: Pools whose slots have a process each, so that its memory and its children are the job's.
OWN_PROCESS_POOLS = frozenset(_CLASSES[name] for name in ("prefork", "solo"))


class Evidence:
    """The evidence of one process, as the members of a *started* line."""

    #: Process id.
    pid: int
    #: Whether gevent has replaced the sockets.
    are_sockets_patched: bool

    def __init__(self, *, pool_seen: str) -> None:
        self.has_own_thread = pool_seen in OWN_THREAD_POOLS
        self.has_own_process = pool_seen in OWN_PROCESS_POOLS
        self.slot_ident = threading.get_ident if self.has_own_thread else _greenlet_ident
        self._pool_seen = pool_seen
        self.describe_process()

    def describe_process(self) -> None:
        """Read the process's identity; call it again after a fork."""
        self.pid = os.getpid()
        self.are_sockets_patched = socket.socket.__module__.partition(".")[0] == "gevent"
        self._constant = evidence_members(
            pid=self.pid,
            pool_seen=self._pool_seen,
            are_sockets_patched=self.are_sockets_patched,
        )

    def fragment(self) -> str:
        """Return the members for the calling slot."""
        gil = "true" if is_gil_enabled() else "false"
        return f'{self._constant}{self.slot_ident()}","gil_enabled":{gil}'


def _greenlet_ident() -> int:
    """Return the id of the running greenlet, or of the thread if there is no greenlet."""
    greenlet = sys.modules.get("greenlet")
    return id(greenlet.getcurrent()) if greenlet else threading.get_ident()
