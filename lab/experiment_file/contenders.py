"""The contenders of an experiment file: its `[[contender]]` tables and its `[sweep]`."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
)

from collector.run_manifest import SettingValue, SweepPoint
from lab.experiment.control import CONTROL_SUFFIX
from lab.experiment.file_table import FileTable, broken, constraint
from lab.experiment.interpreter import FREE_THREADED
from lab.experiment.worker_settings import SLOTS, Tuning
from lab.experiment_file.rules import Broken, Name, Names, each_once, one_of, raise_all
from poolbench.pools import POOLS, always_has

#: Pools built on greenlet, whose import turns the GIL on.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})


def _is_no_control(name: str) -> str:
    if name.endswith(CONTROL_SUFFIX):
        problem = f"{CONTROL_SUFFIX} ends the name of a contender that is measured twice"
        raise broken(problem, remedy="rename it")
    return name


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    Tuning.model_validate(given)
    return given


def _can_run_without_the_gil(pool: str, info: ValidationInfo) -> str:
    if info.data.get("interpreter") == FREE_THREADED and pool in GREENLET_POOLS:
        problem = f"{pool} is built on greenlet, which turns the GIL on"
        raise broken(problem, among=POOLS)
    return pool


def _suit_the_pool(slots: object, info: ValidationInfo) -> object:
    pool = POOLS.get(info.data.get("pool", ""))
    if pool is None:
        return slots
    count = slots if isinstance(slots, int) and not isinstance(slots, bool) else 0
    if pool.fixed_slots is not None:
        if count != pool.fixed_slots:
            raise broken(always_has(pool), remedy=f"write slots = {pool.fixed_slots}")
    elif slots != "cores" and not 1 <= count <= pool.max_slots:
        remedy = 'write a whole number, or "cores"'
        raise broken(f"pool {pool.name} takes 1 to {pool.max_slots} slots", remedy=remedy)
    return slots


class ContenderInput(FileTable):
    """A pool with its slots and settings."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        Tuning.model_fields, "write it in settings"
    )

    #: Its name in tables and charts.
    name: Annotated[Name, AfterValidator(_is_no_control)]
    #: Path of the Python that runs the worker, or `free-threaded`; Poolbench's own by default.
    interpreter: str = ""
    #: Celery's pool.
    pool: Annotated[str, one_of("pool", POOLS), AfterValidator(_can_run_without_the_gil)]
    #: Jobs in flight at once in each worker; `"cores"` is the number of usable cores.
    slots: Annotated[int | Literal["cores"], PlainValidator(_suit_the_pool)]
    #: Text beside its name in the report.
    note: str = ""
    #: Settings in addition to pool and slots.
    settings: Annotated[dict[str, Any], AfterValidator(_settings)] = Field(default_factory=dict)

    def at(self, point: SweepPoint) -> ContenderInput:
        """Return the contender with the value of a point of a sweep.

        Raises:
            ValidationError: if the value is invalid for this contender.
        """
        table = self.model_dump(exclude_unset=True) | {"name": point.name}
        if point.setting == SLOTS:
            table[SLOTS] = point.value
        else:
            table["settings"] = {**self.settings, point.setting: point.value}
        return ContenderInput.model_validate(table)


def _as_list(of: object) -> object:
    return [of] if isinstance(of, str) else of


def _is_value(value: object) -> SettingValue:
    if not isinstance(value, bool | int | float):
        raise broken("must be a number, true or false")
    return value


_Value = Annotated[SettingValue, PlainValidator(_is_value)]


class SweepInput(FileTable):
    """One or several contenders at each value of one setting; each is a contender of its own."""

    #: Names of the contenders, or one name.
    of: Annotated[Names, BeforeValidator(_as_list)]
    #: The setting that varies.
    setting: Annotated[str, one_of("setting", (SLOTS, *Tuning.model_fields))]
    #: Its values.
    values: Annotated[list[_Value], Field(min_length=2), each_once()]


def read_sweep(table: object, info: ValidationInfo) -> list[tuple[SweepPoint, ContenderInput]]:
    """Return the contenders of a sweep, in the order of its bases, with ascending values.

    Raises:
        ValidationError: with every unknown contender and every invalid value.
    """
    sweep = SweepInput.model_validate(table)
    known = {contender.name: contender for contender in info.data.get("contender", ())}
    faults: list[Broken] = [
        (("of", index), broken("unknown contender", among=known))
        for index, name in enumerate(sweep.of)
        if known and name not in known
    ]
    found = []
    for base in (known[name] for name in sweep.of if name in known):
        for index, value in sorted(enumerate(sweep.values), key=itemgetter(1)):
            point = SweepPoint(of=base.name, setting=sweep.setting, value=value)
            if point.name in known:
                faults.append((("values", index), broken(f"{point.name} is a contender already")))
            try:
                found.append((point, base.at(point)))
            except ValidationError as error:
                # only the last error: a value that makes the name too long is also too large
                faults.append((("values", index), broken(constraint(error.errors()[-1]))))
    raise_all(faults)
    return found
