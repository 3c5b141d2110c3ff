"""The contenders of an experiment file: its `[[contender]]` tables and its `[sweep]`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
from lab.experiment.worker_settings import GROUP_SETTINGS, SLOTS, WORKERS, Tuning
from lab.experiment_file.celery_options import (
    argument_faults,
    conflicts,
    most_slots,
    name_fault,
    pool_faults,
    setting_faults,
)
from lab.experiment_file.rules import (
    Broken,
    Keys,
    Name,
    Names,
    QueueName,
    each_once,
    errors_of,
    one_of,
    raise_all,
)
from poolbench.pools import POOLS, always_has

#: Most workers of a group.
MAX_WORKERS = 64

#: Prefix of one of Celery's settings in a sweep.
CELERY = "celery"


#: Values of ``slots`` that are no number: one for each core that the lab may use; ``-c`` left out,
#: so that Celery decides; and Celery's ``-c auto``.
CORES, UNSET, AUTO = SLOT_WORDS = ("cores", "unset", "auto")

#: Bounds of a memory limit, bytes. Below the lowest, no Python imports Celery.
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 16 << 20, 16 << 40

#: Matches a size with its unit, as Docker reads it.
_SIZE = re.compile(r"(\d+)([KMG])")
_UNIT_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

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


def as_bytes(memory: object) -> int:
    """Return a size of memory, bytes: a number, or a text such as 512M.

    Raises:
        PydanticCustomError: of `broken`, if it is neither or out of bounds.
    """
    count = memory if isinstance(memory, int) and not isinstance(memory, bool) else 0
    if isinstance(memory, str) and (size := _SIZE.fullmatch(memory)):
        count = int(size[1]) * _UNIT_BYTES[size[2]]
    if not MIN_MEMORY_BYTES <= count <= MAX_MEMORY_BYTES:
        problem = f"must be {MIN_MEMORY_BYTES >> 20}M to {MAX_MEMORY_BYTES >> 30}G"
        raise broken(problem, remedy='write bytes, or a text such as "512M"')
    return count


def _suit_the_pool(slots: object, info: ValidationInfo) -> object:
    pool = POOLS.get(info.data.get("pool", ""))
    if pool is None:
        return slots
    count = slots if isinstance(slots, int) and not isinstance(slots, bool) else 0
    if pool.fixed_slots is not None:
        if count != pool.fixed_slots:
            raise broken(always_has(pool), remedy=f"write slots = {pool.fixed_slots}")
    elif slots not in SLOT_WORDS and not 1 <= count <= pool.max_slots:
        remedy = 'write a whole number, "cores", "unset" or "auto"'
        raise broken(f"pool {pool.name} takes 1 to {pool.max_slots} slots", remedy=remedy)
    return slots


def _known_settings(given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    raise_all(setting_faults(given))
    settings = info.data.get("settings", {})
    found = conflicts(settings=settings, celery=given, arguments=())
    ignored = pool_faults(info.data.get("pool", ""), celery=given, arguments=())
    raise_all((keys[1:], what) for keys, what in (*found, *ignored))
    return given


def _known_arguments(given: list[str], info: ValidationInfo) -> list[str]:
    raise_all(argument_faults(given))
    settings, celery = info.data.get("settings", {}), info.data.get("celery", {})
    found = conflicts(settings=settings, celery=celery, arguments=given)
    ignored = pool_faults(info.data.get("pool", ""), celery={}, arguments=given)
    raise_all((keys[1:], what) for keys, what in (*found, *ignored) if keys[0] == "arguments")
    _scale_to_slots(given, slots=info.data.get("slots"))
    return given


def _scale_to_slots(arguments: list[str], *, slots: object) -> None:
    most = most_slots(arguments)
    if most is not None and slots is not None and slots != most:
        remedy = f"write slots = {most}"
        raise broken("slots must be the largest number of --autoscale", remedy=remedy)


_Settings = Annotated[dict[str, Any], AfterValidator(_settings)]
_CelerySettings = Annotated[dict[str, Any], AfterValidator(_known_settings)]
_Arguments = Annotated[list[str], AfterValidator(_known_arguments)]


class GroupInput(FileTable):
    """Workers that are alike: one group of a contender that has several."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        Tuning.model_fields, "write it in settings"
    )

    #: Its name in tables.
    name: Name
    #: Path of the Python that runs the workers, or `free-threaded`; Poolbench's own by default.
    interpreter: str = ""
    #: Celery's pool.
    pool: Annotated[str, one_of("pool", POOLS), AfterValidator(_can_run_without_the_gil)]
    #: Jobs in flight at once in each worker; `"cores"` is the number of usable cores. `"unset"`
    #: leaves `-c` out: Celery takes the host's cores. `"auto"` is Celery's `-c auto`.
    slots: Annotated[int | Literal["cores", "unset", "auto"], PlainValidator(_suit_the_pool)]
    #: Number of workers.
    workers: int = Field(default=1, ge=1, le=MAX_WORKERS)
    #: Names of the queues that the workers consume; the contender's default queue if left out.
    queues: Annotated[list[QueueName], Field(min_length=1), each_once()] = Field(
        default_factory=list
    )
    #: Settings in addition to pool and slots.
    settings: _Settings = Field(default_factory=dict)
    #: Celery's settings, by Celery's names; a table is merged into Poolbench's own.
    celery: _CelerySettings = Field(default_factory=dict)
    #: More arguments of `celery worker`.
    arguments: _Arguments = Field(default_factory=list)


class _Limited(FileTable):
    """What all workers of a contender together may use; a control group of Linux limits it."""

    #: CPU time that all its workers together may use in each tenth of a second, in cores; no limit
    #: by default.
    cpus: float | None = Field(default=None, ge=0.01, le=1_024)
    #: Memory that all its workers together may use: bytes, or a text such as `"512M"` or `"1G"`
    #: (1M is 1,048,576 bytes). The kernel kills a process that needs more. No limit by default.
    memory: Annotated[int | None, PlainValidator(as_bytes, json_schema_input_type=int | str)] = None


class ContenderInput(GroupInput, _Limited):
    """A pool with its slots and settings."""

    #: Its name in tables and charts.
    name: Annotated[Name, AfterValidator(_is_no_control)]
    #: Text next to its name in the report.
    note: str = ""


def _suit_each_other(groups: list[GroupInput], info: ValidationInfo) -> list[GroupInput]:
    raise_all(
        ((index, *keys), what)
        for index, group in enumerate(groups)
        for keys, what in _group_faults(group, common=info.data)
    )
    return groups


def _group_faults(group: GroupInput, *, common: Mapping[str, Any]) -> Iterator[Broken]:
    """Yield the faults of a group beside the keys that its contender has for all groups."""
    for name in group.settings.keys() - GROUP_SETTINGS:
        remedy = "write it in the settings of the contender"
        yield ("settings", name), broken("it concerns all groups", remedy=remedy)
    found = conflicts(
        settings={**common.get("settings", {}), **group.settings},
        celery={**common.get("celery", {}), **group.celery},
        arguments=[*common.get("arguments", ()), *group.arguments],
    )
    for _, what in found:
        yield (), what


class GroupedInput(_Limited):
    """Several groups of workers, which are compared as one contender; the keys are for all."""

    misplaced: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(Tuning.model_fields, "write it in settings"),
        **dict.fromkeys(("pool", SLOTS, WORKERS, "queues"), "write it in each group"),
    }

    #: Its name in tables and charts.
    name: Annotated[Name, AfterValidator(_is_no_control)]
    #: Path of the Python that runs the workers, or `free-threaded`; Poolbench's own by default.
    interpreter: str = ""
    #: Settings in addition to pool and slots.
    settings: _Settings = Field(default_factory=dict)
    #: Celery's settings, by Celery's names; a group's own come before them.
    celery: _CelerySettings = Field(default_factory=dict)
    #: More arguments of `celery worker`; those of the group follow.
    arguments: _Arguments = Field(default_factory=list)
    #: Its groups of workers.
    group: Annotated[
        list[GroupInput],
        Field(min_length=1),
        each_once(key="name"),
        AfterValidator(_suit_each_other),
    ]
    #: Text next to its name in the report.
    note: str = ""


#: A `[[contender]]` table.
AnyContender = ContenderInput | GroupedInput


def queues_of(contender: AnyContender) -> list[tuple[Keys, str]]:
    """Return the queues that a contender consumes, each with its place in the table.

    The default queue is an empty text.
    """
    if isinstance(contender, ContenderInput):
        return _queues(contender)
    return [
        (("group", index, *keys), queue)
        for index, group in enumerate(contender.group)
        for keys, queue in _queues(group)
    ]


def _queues(group: GroupInput) -> list[tuple[Keys, str]]:
    named = [(("queues", index), queue) for index, queue in enumerate(group.queues)]
    return [*named] if named else [((), "")]


def read_contender(table: object) -> AnyContender:
    """Return a contender, with groups or without.

    Raises:
        ValidationError: with every fault of the table.
    """
    has_groups = isinstance(table, dict) and "group" in table
    return (GroupedInput if has_groups else ContenderInput).model_validate(table)


def at_point(contender: AnyContender, point: SweepPoint) -> AnyContender:
    """Return a contender with the value of a point of a sweep.

    Raises:
        ValidationError: if the value is invalid for this contender.
    """
    table = contender.model_dump(exclude_unset=True) | {"name": point.name}
    inner, setting = table, point.setting
    if of_group := _OF_GROUP.fullmatch(setting):
        setting = of_group["setting"]
        named = [group for group in table.get("group", ()) if group["name"] == of_group["name"]]
        if not named:
            raise errors_of([((), broken(f"{contender.name} has no group {of_group['name']}"))])
        (inner,) = named
    *above, key = setting.split(".")
    if key in Tuning.model_fields and not above:
        above = ["settings"]
    for name in above:
        given = inner.get(name)
        inner[name] = given if isinstance(given, dict) else {}
        inner = inner[name]
    inner[key] = point.value
    return read_contender(table)


#: The settings that a sweep may vary, beside Celery's.
SWEPT = (SLOTS, WORKERS, *_Limited.model_fields, *Tuning.model_fields)


#: A setting of one group in a sweep: ``group.NAME.slots``.
_OF_GROUP = re.compile(rf"group\.(?P<name>.+?)\.(?P<setting>{CELERY}\..+|\w+)")


def _as_list(of: object) -> object:
    return [of] if isinstance(of, str) else of


def _is_value(value: object) -> SettingValue:
    if not isinstance(value, bool | int | float | str):
        raise broken("must be a text, a number, true or false")
    return value


def _are_alike(values: list[SettingValue]) -> list[SettingValue]:
    texts = [isinstance(value, str) for value in values]
    if any(texts) and not all(texts):
        raise_all([((texts.index(True),), broken("must be a number, as the others are"))])
    return values


def _can_be_swept(setting: str) -> str:
    of_group = _OF_GROUP.fullmatch(setting)
    swept = of_group["setting"] if of_group else setting
    area, _, name = swept.partition(".")
    if area == CELERY:
        if fault := name_fault(name.partition(".")[0]):
            raise fault
    elif swept not in SWEPT:
        raise broken("unknown setting", among=SWEPT)
    return setting


_Value = Annotated[SettingValue, PlainValidator(_is_value)]


class SweepInput(FileTable):
    """One or several contenders at each value of one setting; each is a contender of its own."""

    #: Names of the contenders, or one name.
    of: Annotated[Names, BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
    #: The setting that varies: `slots`, `workers`, `cpus`, `memory`, one of `settings`, or one of
    #: Celery's, such as `celery.worker_eta_task_limit`; for one group `group.NAME.slots`.
    setting: Annotated[str, AfterValidator(_can_be_swept)]
    #: Its values: numbers, texts, or true and false.
    values: Annotated[list[_Value], Field(min_length=2), each_once(), AfterValidator(_are_alike)]


def read_sweep(table: object, info: ValidationInfo) -> list[tuple[SweepPoint, AnyContender]]:
    """Return the contenders of a sweep, in the order of its bases.

    Numbers ascend; texts have the order of the file.

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
    numbers = {index: value for index, value in enumerate(sweep.values) if value != str(value)}
    order = sorted(range(len(sweep.values)), key=lambda index: numbers.get(index, 0))
    found, names = [], set(known)
    for base in (known[name] for name in sweep.of if name in known):
        for index in order:
            point = SweepPoint(of=base.name, setting=sweep.setting, value=sweep.values[index])
            if point.name in names:
                faults.append((("values", index), broken(f"{point.name} is a contender already")))
            names.add(point.name)
            try:
                found.append((point, at_point(base, point)))
            except ValidationError as error:
                # only the last error: a value that makes the name too long is also too large
                faults.append((("values", index), broken(constraint(error.errors()[-1]))))
    raise_all(faults)
    return found
