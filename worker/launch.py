"""The `celery` command line and the environment of a worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poolbench.errors import Fault, UsageError
from poolbench.keys import check_name, queue_name
from poolbench.pools import Pool
from poolbench.settings import Settings

#: The values of ``--log-level``, by Celery's names.
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: Celery obeys variables of this prefix before any setting of ours, the broker's address included.
_FOREIGN_PREFIX = "CELERY_"

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A worker to be started, checked."""

    pool: Pool
    slots: int
    #: Whether it sends Celery's events, for Flower; they cost about half of a no-op's throughput.
    has_events: bool
    log_level: str
    #: The environment's settings, with those that the command line overrides.
    settings: Settings

    def command(self) -> list[str]:
        """Return the `celery` command line, for `os.execvpe`.

        ``-P`` must be in the command line: named anywhere else, gevent is chosen after the
        sockets were imported, and leaves them as they are.
        """
        contender, scope = self.settings.contender, self.settings.scope
        # two nodes of one name would share their control
        node = f"{contender}.{scope}" if scope else contender
        return [
            *(sys.executable, "-m", "celery", "-A", "worker.app", "worker"),
            *("-P", self.pool.celery_value),
            *("-c", str(self.slots)),
            *("-Q", queue_name(contender, scope=scope)),
            *("-n", f"{node}@%h"),
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
            "POOLBENCH_CONTENDER": self.settings.contender,
            "POOLBENCH_PREFETCH": str(self.settings.prefetch_multiplier),
            "POOLBENCH_ACKS_LATE": str(int(self.settings.acks_late)),
            "POOLBENCH_RESULTS": str(int(self.settings.stores_results)),
        }


def plan_launch(
    settings: Settings,
    *,
    pool: Pool,
    slots: int | None = None,
    has_events: bool = False,
    log_level: str = "warning",
    **overrides: Any,
) -> Launch:
    """Return the launch that was asked for.

    ``overrides`` go before the settings of those names; None stands for the setting's value.

    Raises:
        UsageError: if the contender's name or the number of slots is impossible.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = replace(settings, **given)
    slots = settings.slots[pool.name] if slots is None else slots
    most = pool.fixed_slots or pool.max_slots
    if not (pool.fixed_slots or 1) <= slots <= most:
        bounds = f"always has {most}, " if pool.fixed_slots else f"takes 1 to {most}, each "
        problem = f"pool {pool.name} {bounds}{pool.slot}"
        raise UsageError(Fault(field="slots", seen=str(slots), problem=problem))
    contender = check_name(settings.contender or pool.name, what="contender")
    return Launch(
        pool=pool,
        slots=slots,
        has_events=has_events,
        log_level=log_level,
        settings=replace(settings, contender=contender),
    )
