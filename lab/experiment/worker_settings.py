"""The settings of a group of workers in addition to its pool and slots, and their translation.

Most are shorthands of Celery's settings and arguments. `launch_options` alone translates them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from collector.run_manifest import Contender, WorkerGroup
from lab.experiment.file_table import FileTable, broken
from poolbench.settings import merged

#: The settings that have a key of their own in a contender's table; a sweep may vary them too.
SLOTS, WORKERS = "slots", "workers"

#: Setting → Celery's setting that it is a shorthand of.
SHORTHANDS: Mapping[str, str] = {
    "prefetch_multiplier": "worker_prefetch_multiplier",
    "acks_late": "task_acks_late",
    "events": "worker_send_task_events",
}

#: The settings of a worker, which may differ between groups; the others concern a contender.
GROUP_SETTINGS = frozenset({*SHORTHANDS, "gossip", "mingle", "heartbeat"})


class Tuning(FileTable):
    """Settings of a contender's workers."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (SLOTS, WORKERS), "write it next to pool, not in settings"
    )

    #: Messages that a worker reserves for each slot, 0 for no limit; by default the value of
    #: POOLBENCH_PREFETCH.
    prefetch_multiplier: int | None = Field(default=None, ge=0, le=1_000)
    #: Acknowledge a job after it ran; by default the value of POOLBENCH_ACKS_LATE.
    acks_late: bool | None = None
    #: The worker sends Celery's events.
    events: bool = False
    #: The worker exchanges messages with other workers all the time.
    gossip: bool = False
    #: The worker asks other workers for their state when it starts.
    mingle: bool = False
    #: The worker sends Celery's heartbeat events, as `events` does too.
    heartbeat: bool = False
    #: Store each job's result in Redis.
    result_backend: bool = False
    #: Flower monitors the worker during its trials; requires `events`.
    flower: bool = False
    #: Delay that a proxy adds to each answer of Redis to the worker; there is no proxy by default,
    #: and 0 is a proxy without an added delay.
    redis_delay_ms: float | None = Field(default=None, ge=0, le=1_000)
    #: Size of an argument that is sent with every job and read by none.
    payload_bytes: int = Field(default=0, ge=0, le=100_000)

    @field_validator("flower")
    @classmethod
    def _flower_needs_events(cls, is_on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 -- pydantic calls it
        if is_on and not info.data.get("events", True):
            remedy = "set events = true, or leave flower out"
            raise broken("Flower shows what events report", remedy=remedy)
        return is_on


def instances(contender: Contender) -> Iterator[tuple[WorkerGroup, str]]:
    """Yield the group and the instance of each worker of a contender.

    The instance is ``group:number`` or a number, as `poolbench.keys.worker_name` takes it. It is
    empty for a contender of one worker.
    """
    for group in contender.crew:
        for number in range(1, group.workers + 1):
            if group.name:
                yield group, f"{group.name}:{number}"
            else:
                yield group, str(number) if group.workers > 1 else ""


def celery_settings(group: WorkerGroup, *, is_app: bool = False) -> dict[str, Any]:
    """Return Celery's settings that a group's workers must have in effect, by Celery's names.

    Workers of a user's app store the results that the app stores by itself.
    """
    tuning = Tuning.model_validate(group.settings)
    shorthands = {
        "worker_prefetch_multiplier": tuning.prefetch_multiplier,
        "task_acks_late": tuning.acks_late,
        "task_ignore_result": None if is_app else not tuning.result_backend,
    }
    return merged(
        {name: value for name, value in shorthands.items() if value is not None}, group.celery
    )


def launch_options(group: WorkerGroup) -> list[str]:
    """Return the options of ``python -m worker`` for a group, without those of its settings.

    Arguments of ``celery worker`` come last, after two dashes.
    """
    tuning = Tuning.model_validate(group.settings)
    words = ["--slots", "unset" if group.is_unset else str(group.slots)]
    words += [word for queue in group.queues for word in ("--queue", queue)]
    words += [
        f"--{feature}"
        for feature in ("events", "gossip", "mingle", "heartbeat")
        if getattr(tuning, feature)
    ]
    return [*words, "--", *group.arguments] if group.arguments else words


def limits_overlap(group: WorkerGroup) -> bool:
    """Return whether a group's settings may keep its slots from ever being busy all at once.

    gevent with a prefetch multiplier of 1 and late acknowledgement is one example, and a pool that
    grows on demand another.
    """
    shorthands = {"prefetch_multiplier", "acks_late"} & group.settings.keys()
    return bool(group.is_unset or group.celery or group.arguments or shorthands)
