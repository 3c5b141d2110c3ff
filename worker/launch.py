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

#: Prefix of variables that override Poolbench's settings in Celery, including the broker's address.
_FOREIGN_PREFIX = "CELERY_"

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The checked options of a worker to start."""

    pool: Pool
    slots: int
    #: Whether it sends Celery's events, for Flower; they halve the throughput of no-op jobs.
    has_events: bool
    log_level: str
    #: Settings of the environment, with the overrides of the command line.
    settings: Settings

    def command(self) -> list[str]:
        """Return the `celery` command line, for `os.execvpe`.

        ``-P`` must be in the command line: with any other way to select gevent, sockets are
        imported before gevent could patch them.
        """
        contender, scope = self.settings.contender, self.settings.scope
        # two nodes with the same name would share their remote control
        node = f"{contender}.{scope}" if scope else contender
        return [
            *(sys.executable, "-m", "celery", "-A", "worker.app", "worker"),
            *("-P", self.pool.celery_value),
            *("-c", str(self.slots)),
            *("-Q", queue_name(contender, scope=scope)),
            *("-n", f"{node}@%h"),
            *("-I", "poolbench.probe"),
            *("-l", self.log_level),
            # both exchange messages with other workers, which Poolbench's workers don't need
            *("--without-mingle", "--without-gossip"),
            # a heartbeat is an event, which only Flower reads
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
    """Return the launch for these options.

    ``overrides`` replace the settings of those names; None keeps the setting.

    Raises:
        UsageError: if the contender's name or the number of slots is invalid.
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
