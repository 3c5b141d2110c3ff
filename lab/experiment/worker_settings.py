"""What a contender may be set to beside its pool and slots: as data, checked, with its faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from collector.run_manifest import SettingValue
from poolbench.errors import Fault, nearest

#: The setting that a contender has in a key of its own, and that a sweep may take as well.
SLOTS = "slots"

_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a contender."""

    name: str
    type: type[bool | int | float]
    #: What it does, with its unit.
    help: str
    #: Bounds of a number, both allowed.
    low: float = 0
    high: float = 1


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="prefetch_multiplier",
            type=int,
            help="messages that a worker reserves for each slot",
            low=1,
            high=1_000,
        ),
        Setting(name="acks_late", type=bool, help="a job is acknowledged after it, not before"),
        Setting(name="events", type=bool, help="the worker sends Celery's events"),
        Setting(name="result_backend", type=bool, help="each job's result is stored in Redis"),
        Setting(name="flower", type=bool, help="a Flower watches the worker during its trials"),
        Setting(
            name="redis_delay_ms",
            type=float,
            help="milliseconds that a proxy adds to each answer of Redis to the worker",
            high=1_000,
        ),
        Setting(
            name="payload_bytes",
            type=int,
            help="bytes of an argument that every job carries and none reads",
            high=100_000,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A contender's settings, with what holds where nothing is said."""

    #: None: what POOLBENCH_PREFETCH says.
    prefetch_multiplier: int | None = None
    #: None: what POOLBENCH_ACKS_LATE says.
    acks_late: bool | None = None
    events: bool = False
    result_backend: bool = False
    flower: bool = False
    #: None: no proxy. 0 is a proxy that adds no more than its own way.
    redis_delay_ms: float | None = None
    payload_bytes: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, SettingValue]) -> Tuning:
        """Return the settings as a file or a manifest gives them, checked before."""
        given: dict[str, Any] = dict(settings)
        return cls(**given)


def setting_faults(settings: Mapping[str, Any]) -> list[tuple[str, Fault]]:
    """Return every fault of a contender's settings, each with the setting it lies at."""
    free = SETTINGS.keys() - settings.keys()
    found = [
        (name, fault)
        for name, value in settings.items()
        if (fault := _fault(name, value=value, free=free))
    ]
    if settings.get("flower") is True and settings.get("events") is not True:
        remedy = "Flower sees what events tell; add events = true"
        found.append(("flower", Fault(problem="Flower without events", remedy=remedy)))
    return found


def _fault(name: str, *, value: object, free: Collection[str]) -> Fault | None:
    """Return what is wrong with a setting; ``free`` are the names that the table may still use."""
    known = SETTINGS.get(name)
    if known is None:
        beside = "write it beside pool, not in settings"
        remedy = beside if name == SLOTS else nearest(name, among=free, refused={SLOTS: beside})
        return Fault(problem="unknown setting", seen=name, remedy=remedy)
    allowed = (int, float) if known.type is float else (known.type,)
    is_of_type = isinstance(value, allowed) and (known.type is bool) == isinstance(value, bool)
    if not is_of_type:
        remedy = f"it takes {_TYPE_NAMES[known.type]} ({known.help})"
        return Fault(problem=name, seen=repr(value), remedy=remedy)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not known.low <= value <= known.high:  # type: ignore[operator]  # a number
        remedy = f"it takes {known.low:g} to {known.high:g} ({known.help})"
        return Fault(problem=name, seen=str(value)[:40], remedy=remedy)
    return None
