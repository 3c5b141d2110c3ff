"""The settings of a contender in addition to its pool and slots, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from lab.experiment.file_table import FileTable, broken

#: The setting that has a key of its own in a contender's table; a sweep may vary it too.
SLOTS = "slots"


class Tuning(FileTable):
    """A contender's settings and their defaults."""

    misplaced: ClassVar[Mapping[str, str]] = {SLOTS: "write it beside pool, not in settings"}

    #: Messages that a worker reserves for each slot. None: the value of POOLBENCH_PREFETCH.
    prefetch_multiplier: int | None = Field(default=None, ge=1, le=1_000)
    #: Whether a job is acknowledged after it ran. None: the value of POOLBENCH_ACKS_LATE.
    acks_late: bool | None = None
    #: Whether the worker sends Celery's events.
    events: bool = False
    #: Whether each job's result is stored in Redis.
    result_backend: bool = False
    #: Whether Flower monitors the worker during its trials.
    flower: bool = False
    #: Delay that a proxy adds to each answer of Redis to the worker, milliseconds. None: no proxy;
    #: 0: a proxy without an added delay.
    redis_delay_ms: float | None = Field(default=None, ge=0, le=1_000)
    #: Size of an argument that is sent with every job and read by none, bytes.
    payload_bytes: int = Field(default=0, ge=0, le=100_000)

    @field_validator("flower")
    @classmethod
    def _flower_needs_events(cls, is_on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 -- pydantic calls it
        if is_on and not info.data.get("events", True):
            remedy = "set events = true, or leave flower out"
            raise broken("Flower shows what events report", remedy=remedy)
        return is_on
