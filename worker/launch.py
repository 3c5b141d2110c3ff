"""What a worker is started with: the `celery` command line and its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from poolbench.errors import Fault, UsageError, nearest
from poolbench.keys import check_name, queue_name
from poolbench.pools import Pool, find_pool
from poolbench.settings import VARIABLES, Settings

#: The words after ``--log-level``, as Celery knows them.
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: Celery obeys variables of this prefix before any setting of ours, the broker's address included.
_FOREIGN_PREFIX = "CELERY_"

Word = TypeVar("Word")

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A worker to be started, checked."""

    pool: Pool
    #: Name of the contender that the worker is.
    contender: str
    slots: int
    #: Whether it sends Celery's events, for Flower; they cost about half of a no-op's throughput.
    has_events: bool
    #: Messages reserved for each slot.
    prefetch_multiplier: int
    #: Whether a job is acknowledged after it ran, not before.
    acks_late: bool
    #: Whether it stores the results of messages that leave it to the worker.
    stores_results: bool
    log_level: str
    #: Prefix of the queue's name, or empty.
    scope: str

    @property
    def node(self) -> str:
        """Return the worker's name before the ``@``: two of one name would share their control."""
        return f"{self.contender}.{self.scope}" if self.scope else self.contender

    def command(self) -> list[str]:
        """Return the `celery` command line, for `os.execvpe`.

        ``-P`` must stand in a command line: named anywhere else, gevent is chosen after the
        sockets were imported, and leaves them as they are.
        """
        return [
            *(sys.executable, "-m", "celery", "-A", "worker.app", "worker"),
            *("-P", self.pool.celery_value),
            *("-c", str(self.slots)),
            *("-Q", queue_name(self.contender, scope=self.scope)),
            *("-n", f"{self.node}@%h"),
            *("-I", "poolbench.probe"),
            *("-l", self.log_level),
            # both talk to other workers at the start and ever after, and none of ours listens
            *("--without-mingle", "--without-gossip"),
            # a heartbeat is an event: only Flower reads it
            "-E" if self.has_events else "--without-heartbeat",
        ]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the worker's environment: what it inherits, less what Celery would obey."""
        kept = {
            name: value for name, value in inherited.items() if not name.startswith(_FOREIGN_PREFIX)
        }
        path = os.pathsep.join(filter(None, (str(_CHECKOUT), kept.get("PYTHONPATH"))))
        return {
            **kept,
            **dict(self.pool.environment),
            "PYTHONPATH": path,
            "POOLBENCH_CONTENDER": self.contender,
            "POOLBENCH_PREFETCH": str(self.prefetch_multiplier),
            "POOLBENCH_ACKS_LATE": str(int(self.acks_late)),
            "POOLBENCH_RESULTS": str(int(self.stores_results)),
        }


def plan_launch(
    settings: Settings,
    *,
    pool: str,
    contender: str | None,
    slots: int | None,
    has_events: bool,
    log_level: str,
    prefetch_multiplier: int | None = None,
    acks_late: bool | None = None,
    stores_results: bool | None = None,
) -> Launch:
    """Return the launch that was asked for, with the settings' word where nothing was said.

    Raises:
        UsageError: with everything that is wrong with it.
    """
    name = contender or settings.contender or pool
    multiplier = _or(prefetch_multiplier, settings.prefetch_multiplier)
    faults = [
        *_name_faults(name, pool=pool),
        *_level_faults(log_level),
        *_prefetch_faults(multiplier),
    ]
    try:
        found = find_pool(pool)
        wanted = found.fixed_slots or settings.slots[found.name] if slots is None else slots
        faults = [*_slot_faults(found, wanted), *faults]
    except UsageError as error:
        raise UsageError(*error.faults, *faults) from error
    if faults:
        raise UsageError(*faults)
    return Launch(
        pool=found,
        contender=name,
        slots=wanted,
        has_events=has_events,
        prefetch_multiplier=multiplier,
        acks_late=_or(acks_late, settings.acks_late),
        stores_results=_or(stores_results, settings.stores_results),
        log_level=log_level,
        scope=settings.scope,
    )


def _name_faults(name: str, *, pool: str) -> list[Fault]:
    try:
        check_name(name, what="contender")
    except UsageError as error:
        # a pool that is none is said already
        return [*error.faults] if name != pool else []
    return []


def _level_faults(log_level: str) -> list[Fault]:
    if log_level in LOG_LEVELS:
        return []
    remedy = nearest(log_level, among=LOG_LEVELS)
    return [Fault(problem="unknown log level", seen=log_level, remedy=remedy)]


def _or(asked: Word | None, setting: Word) -> Word:
    return setting if asked is None else asked


def _prefetch_faults(multiplier: int) -> list[Fault]:
    low, high = VARIABLES["POOLBENCH_PREFETCH"].bounds or (1, 1)
    if low <= multiplier <= high:
        return []
    remedy = f"it takes {low} to {high} messages a slot"
    return [Fault(problem="impossible prefetch multiplier", seen=str(multiplier), remedy=remedy)]


def _slot_faults(pool: Pool, slots: int) -> list[Fault]:
    if pool.fixed_slots is not None:
        if slots == pool.fixed_slots:
            return []
        remedy = f"pool {pool.name} has {pool.fixed_slots}, {pool.slot}"
    else:
        high = pool.max_slots
        if 1 <= slots <= high:
            return []
        remedy = f"pool {pool.name} takes 1 to {high}, each {pool.slot}"
    return [Fault(problem="impossible slots", seen=str(slots), remedy=remedy)]
