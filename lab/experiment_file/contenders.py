"""The contenders of an experiment's file: `[[contender]]` tables, and the `[sweep]` over some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from lab.experiment.file_table import FileTable, broken, constraint
from lab.experiment.interpreter import FREE_THREADED
from lab.experiment.twin import TWIN_SUFFIX
from lab.experiment.worker_settings import SLOTS, Tuning
from lab.experiment_file.rules import Broken, Name, Names, each_once, one_of
from poolbench.pools import POOLS, always_has

#: Pools built on greenlet, which has not declared that it can run without the GIL.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})


def _no_twin(name: str) -> str:
    if name.endswith(TWIN_SUFFIX):
        problem = f"{TWIN_SUFFIX} ends the name of a contender that is measured twice"
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
    """A `[[contender]]` table."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        Tuning.model_fields, "write it in settings"
    )

    name: Annotated[Name, AfterValidator(_no_twin)]
    interpreter: str = ""
    pool: Annotated[str, one_of("pool", POOLS), AfterValidator(_can_run_without_the_gil)]
    slots: Annotated[int | Literal["cores"], PlainValidator(_suit_the_pool)]
    note: str = ""
    settings: Annotated[dict[str, Any], AfterValidator(_settings)] = Field(default_factory=dict)

    def at(self, point: SweepPoint) -> ContenderInput:
        """Return the contender at a point of a sweep.

        Raises:
            ValidationError: if it can't be set to that.
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
        raise broken("it must be a number, true or false")
    return value


class SweepInput(FileTable):
    """The `[sweep]` table: one contender, or several, at each of some values of one setting."""

    #: A file may give one or a list.
    of: Annotated[Names, BeforeValidator(_as_list)]
    setting: Annotated[str, one_of("setting", (SLOTS, *Tuning.model_fields))]
    values: Annotated[
        list[Annotated[Any, PlainValidator(_is_value)]],
        Field(min_length=2),
        each_once(),
    ]

    @property
    def points(self) -> list[SweepPoint]:
        """The points: base after base, values ascending."""
        return [
            SweepPoint(of=base, setting=self.setting, value=value)
            for base in self.of
            for value in sorted(self.values)
        ]


def sweep_faults(sweep: SweepInput, *, contenders: Sequence[ContenderInput]) -> Iterator[Broken]:
    """Yield every fault of a sweep's contenders, and of each value in each of them."""
    known = {contender.name: contender for contender in contenders}
    for index, name in enumerate(sweep.of):
        if name not in known:
            yield ("of", index), broken("unknown contender", among=known)
    for base in (known[name] for name in sweep.of if name in known):
        for index, value in enumerate(sweep.values):
            point = SweepPoint(of=base.name, setting=sweep.setting, value=value)
            if point.name in known:
                yield ("values", index), broken(f"{point.name} is a contender already")
            try:
                base.at(point)
            except ValidationError as error:
                # the last one, since a value that is too long for a name is too large as well
                yield ("values", index), broken(constraint(error.errors()[-1]))
