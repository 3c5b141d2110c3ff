"""What a contender may be set to beside its pool and slots, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from lab.experiment.file_table import FileTable, broken

#: The setting that a contender has in a key of its own, and that a sweep may take as well.
SLOTS = "slots"


class Tuning(FileTable):
    """A contender's settings, with what holds where nothing is said."""

    misplaced: ClassVar[Mapping[str, str]] = {SLOTS: "write it beside pool, not in settings"}

    #: Messages that a worker reserves for each slot. None: what POOLBENCH_PREFETCH says.
    prefetch_multiplier: int | None = Field(default=None, ge=1, le=1_000)
    #: A job is acknowledged after it, not before. None: what POOLBENCH_ACKS_LATE says.
    acks_late: bool | None = None
    #: The worker sends Celery's events.
    events: bool = False
    #: Each job's result is stored in Redis.
    result_backend: bool = False
    #: A Flower watches the worker during its trials.
    flower: bool = False
    #: Milliseconds that a proxy adds to each answer of Redis to the worker. None: no proxy. 0 is a
    #: proxy that adds no more than its own way.
    redis_delay_ms: float | None = Field(default=None, ge=0, le=1_000)
    #: Bytes of an argument that every job carries and none reads.
    payload_bytes: int = Field(default=0, ge=0, le=100_000)

    @field_validator("flower")
    @classmethod
    def _flower_needs_events(cls, is_on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 -- pydantic calls it
        if is_on and not info.data.get("events", True):
            remedy = "set events = true, or leave flower out"
            raise broken("Flower shows what events report", remedy=remedy)
        return is_on
