"""The `celery` command line and the environment of a worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poolbench.errors import Fault, UsageError
from poolbench.keys import check_name, queue_name, worker_name
from poolbench.pools import Pool
from poolbench.recording.settings import LANES, RECORD
from poolbench.settings import Settings

#: The values of ``--log-level``, by Celery's names.
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: Prefix of variables that override Poolbench's settings in Celery, including the broker's address.
_FOREIGN_PREFIX = "CELERY_"

#: Instead of a number of slots: leave it to Celery.
UNSET = "unset"

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The checked options of a worker to start."""

    pool: Pool
    #: None leaves ``-c`` out: Celery takes as many slots as the host has cores.
    slots: int | None
    #: Whether it sends Celery's events, for Flower; they halve the throughput of no-op jobs.
    has_events: bool
    log_level: str
    #: Names of the queues that it consumes; empty for the contender's default queue.
    queues: tuple[str, ...] = ()
    #: What distinguishes it from the contender's other workers: a number, or ``group:number``.
    instance: str = ""
    #: Whether it exchanges messages with other workers: all the time, and when it starts.
    has_gossip: bool = False
    has_mingle: bool = False
    #: Whether it sends Celery's heartbeat events. They come with events anyway.
    has_heartbeat: bool = False
    #: More arguments of ``celery worker``.
    arguments: tuple[str, ...] = ()
    #: Settings of the environment, with the overrides of the command line.
    settings: Settings

    def command(self) -> list[str]:
        """Return the `celery` command line, for `os.execvpe`.

        ``-P`` must be in the command line: with any other way to select gevent, sockets are
        imported before gevent could patch them.
        """
        contender, scope = self.settings.contender, self.settings.scope
        queues = (queue_name(contender, scope=scope, queue=one) for one in self.queues or ("",))
        # two nodes with the same name would share their remote control
        node = worker_name(contender, scope=scope, instance=self.instance)
        # these exchange messages with other workers, which Poolbench's workers don't need, and a
        # heartbeat is an event, which only Flower reads
        switches = {
            "--without-mingle": not self.has_mingle,
            "--without-gossip": not self.has_gossip,
            "--without-heartbeat": not (self.has_heartbeat or self.has_events),
            "-E": self.has_events,
        }
        return [
            *(sys.executable, "-m", "celery", "-A", "worker.app", "worker"),
            *("-P", self.pool.celery_value),
            *(() if self.slots is None else ("-c", str(self.slots))),
            *("-Q", ",".join(queues)),
            *("-n", f"{node}@%h"),
            *("-I", "poolbench.probe"),
            *("-l", self.log_level),
            *(option for option, is_given in switches.items() if is_given),
            *self.arguments,
        ]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the worker's environment: the inherited one without Celery's own variables.

        It isn't recorded into a local file either, as a forgotten variable would ask for: the
        lines of its jobs belong to a run.
        """
        kept = {
            name: value
            for name, value in inherited.items()
            if (name != RECORD or inherited.get(LANES)) and not name.startswith(_FOREIGN_PREFIX)
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
    slots: int | str | None = None,
    has_events: bool = False,
    log_level: str = "warning",
    queues: Sequence[str] = (),
    instance: str = "",
    has_gossip: bool = False,
    has_mingle: bool = False,
    has_heartbeat: bool = False,
    arguments: Sequence[str] = (),
    **overrides: Any,
) -> Launch:
    """Return the launch for these options.

    ``slots`` is a number, `UNSET`, or None for the setting of the environment. ``overrides``
    replace the settings of those names; None keeps the setting.

    Raises:
        UsageError: if a name or the number of slots is invalid.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = replace(settings, **given)
    count = settings.slots[pool.name] if slots is None else slots
    most = pool.fixed_slots or pool.max_slots
    if isinstance(count, int) and not (pool.fixed_slots or 1) <= count <= most:
        bounds = f"always has {most}, " if pool.fixed_slots else f"takes 1 to {most}, each "
        problem = f"pool {pool.name} {bounds}{pool.slot}"
        raise UsageError(Fault(field="slots", seen=str(count), problem=problem))
    contender = check_name(settings.contender or pool.name, what="contender")
    for part in instance.split(":") if instance else ():
        check_name(part, what="instance")
    return Launch(
        pool=pool,
        slots=count if isinstance(count, int) else None,
        has_events=has_events,
        log_level=log_level,
        queues=tuple(check_name(queue, what="queue") for queue in queues),
        instance=instance,
        has_gossip=has_gossip,
        has_mingle=has_mingle,
        has_heartbeat=has_heartbeat,
        arguments=tuple(arguments),
        settings=replace(settings, contender=contender),
    )
