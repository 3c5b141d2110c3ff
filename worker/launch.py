"""The `celery` command line and the environment of a worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from poolbench.errors import Fault, UsageError
from poolbench.keys import check_name, queue_name
from poolbench.pools import Pool
from poolbench.settings import Settings

#: The values of ``--log-level``, by Celery's names.
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: Celery obeys variables of this prefix before any setting of ours, the broker's address included.
_FOREIGN_PREFIX = "CELERY_"

Value = TypeVar("Value")

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

        ``-P`` must be in the command line: named anywhere else, gevent is chosen after the
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
        """Return the worker's environment: the inherited one without Celery's own variables."""
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
    pool: Pool,
    contender: str | None = None,
    slots: int | None = None,
    has_events: bool = False,
    log_level: str = "warning",
    prefetch_multiplier: int | None = None,
    acks_late: bool | None = None,
    stores_results: bool | None = None,
) -> Launch:
    """Return the launch that was asked for; None stands for the settings' value.

    Raises:
        UsageError: if the contender's name or the number of slots is impossible.
    """
    if slots is None:
        slots = pool.fixed_slots or settings.slots[pool.name]
    _check_slots(pool, slots)
    return Launch(
        pool=pool,
        contender=check_name(contender or settings.contender or pool.name, what="contender"),
        slots=slots,
        has_events=has_events,
        prefetch_multiplier=_or(prefetch_multiplier, settings.prefetch_multiplier),
        acks_late=_or(acks_late, settings.acks_late),
        stores_results=_or(stores_results, settings.stores_results),
        log_level=log_level,
        scope=settings.scope,
    )


def _or(asked: Value | None, setting: Value) -> Value:
    return setting if asked is None else asked


def _check_slots(pool: Pool, slots: int) -> None:
    low, high = (pool.fixed_slots,) * 2 if pool.fixed_slots else (1, pool.max_slots)
    if low <= slots <= high:
        return
    problem = f"pool {pool.name} takes 1 to {high}, each {pool.slot}"
    if pool.fixed_slots:
        problem = f"pool {pool.name} always has {pool.fixed_slots}, {pool.slot}"
    raise UsageError(Fault(field="slots", seen=str(slots), problem=problem))
