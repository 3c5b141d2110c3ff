"""Estimates the throughput of a setting from an app's demand, to choose what to measure. Pure.

An estimate is an upper bound: the smallest of what slots, one interpreter, one thread and the cores
allow. It ranks candidates and is never shown as a result: results are measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lab.advise.model import Demand, Setting

#: Celery's own time for a job, seconds, by pool: from no-op jobs on two cores of 2026, rounded. For
#: gevent it is from jobs that wait, of which its one thread does no more.
CELERY_S: Mapping[str, float] = {
    "prefork": 0.0012, "threads": 0.0011, "gevent": 0.0020, "asyncio": 0.0010, "solo": 0.0012,
}  # fmt: skip

#: The part of it that one process does for all slots of a prefork worker, seconds.
PARENT_S = 0.0010

#: The pools whose slots share one thread.
ONE_THREAD = frozenset({"gevent", "asyncio", "solo"})


def interpreter_s(pool: str, demand: Demand) -> float:
    """Return for how long a mean job keeps the others of its process from computing, seconds.

    For threads it is the computing with the GIL held, and for the pools of one thread all computing
    and every wait that doesn't yield; both with Celery's own part. In prefork, a process has one
    job, and the parent is what all share. Computing of unknown kind counts as held.
    """
    job = demand.mean
    if pool == "prefork":
        return PARENT_S
    if pool == "solo":
        return job.service_s + CELERY_S[pool]
    if pool in ONE_THREAD:
        return job.cpu_s + job.blocking_s + CELERY_S[pool]
    return job.held_s + job.unknown_s + CELERY_S[pool]


def ceiling_per_s(pool: str, demand: Demand, *, workers: int = 1) -> float:
    """Return the most jobs a second that a pool could do with any number of slots."""
    cores_per_s = demand.cores / (demand.mean.cpu_s + CELERY_S[pool])
    return min(cores_per_s, workers / interpreter_s(pool, demand))


def occupancy_s(pool: str, demand: Demand) -> float:
    """Return how long a mean job keeps its slot if nothing else runs, seconds."""
    return demand.mean.service_s + CELERY_S[pool]


def capacity_per_s(setting: Setting, demand: Demand) -> float:
    """Return the most jobs a second that a setting could do."""
    pool = setting.pool
    slots_per_s = setting.total_slots / occupancy_s(pool, demand)
    return min(slots_per_s, ceiling_per_s(pool, demand, workers=setting.workers))


def filling_slots(pool: str, demand: Demand, *, workers: int, spare: float) -> int:
    """Return the slots of each worker that a pool needs to reach its ceiling.

    ``spare`` is a factor above what the mean job needs: jobs differ, and some wait while others
    compute.
    """
    busy = ceiling_per_s(pool, demand, workers=workers) * occupancy_s(pool, demand)
    return max(1, math.ceil(spare * busy / workers))
