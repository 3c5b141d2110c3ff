"""The settings of a contender in addition to its pool and slots, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from lab.experiment.file_table import FileTable, broken

#: The setting that has a key of its own in a contender's table; a sweep may vary it too.
SLOTS = "slots"


class Tuning(FileTable):
    """Settings of a contender's workers."""

    misplaced: ClassVar[Mapping[str, str]] = {SLOTS: "write it beside pool, not in settings"}

    #: Messages that a worker reserves for each slot; by default the value of POOLBENCH_PREFETCH.
    prefetch_multiplier: int | None = Field(default=None, ge=1, le=1_000)
    #: Acknowledge a job after it ran; by default the value of POOLBENCH_ACKS_LATE.
    acks_late: bool | None = None
    #: The worker sends Celery's events.
    events: bool = False
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
