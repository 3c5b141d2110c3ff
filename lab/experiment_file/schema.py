"""An experiment's file as a person writes it: its tables and keys, typed, bounded and checked.

A rule across tables is checked by the later of them, with what is valid of the earlier: the order
of the fields matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lab.experiment.arrivals import MEASURES, SEARCH_ARRIVALS, complete_arrivals
from lab.experiment.file_table import FileTable, broken, constraint
from lab.experiment.interpreter import FREE_THREADED
from lab.experiment.model import MIX
from lab.experiment.sweep import SweepPoint
from lab.experiment.twin import TWIN_SUFFIX
from lab.experiment.worker_settings import SLOTS, Tuning, Value
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import JOB_KINDS, complete_parameters, find_kind, rough_job_s
from poolbench.keys import NAME
from poolbench.pools import MAX_SLOTS, POOLS, always_has
from producer.arrivals import ARRIVALS, read_schedule
from producer.mixes import check_shares
from report.trials.slo import SLO_KEYS
from report.verdicts.fail_on import parse_conditions, row_faults

#: A trial without a line for so long is over, where the file doesn't say, seconds.
DEFAULT_STALL_S = 10.0

#: The most that it may be, seconds.
LONGEST_STALL_S = 3_600.0

#: Pools built on greenlet, which has not declared that it can run without the GIL.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})

#: The arrivals that have no rate.
BURST = "burst"

#: A trial's length where no profile is valid, seconds: any will do to check arrivals.
_SOME_TRIAL_S = 1.0

#: What an `arrivals` table may have, whatever the way.
_ARRIVALS_KEYS = frozenset(
    {"how", "count", "rate_per_s"}
    | {parameter.name for way in ARRIVALS.values() for parameter in way.parameters}
)

_Item = TypeVar("_Item")
_Named = TypeVar("_Named", "ContenderInput", "PartInput", "JobWorkload | MixWorkload")

#: A broken rule, and the keys below the validated value at which it is broken.
Broken = tuple[tuple[str | int, ...], PydanticCustomError | str]


def _raise_all(found: Iterable[Broken]) -> None:
    """Raise every broken rule at once, if there is any.

    Raises:
        ValidationError: pydantic adds it to the others of the file.
    """
    errors = [InitErrorDetails(type=rule, loc=keys, input=None) for keys, rule in found]
    if errors:
        raise ValidationError.from_exception_data("experiment", errors)


def _of_fault(fault: Fault) -> PydanticCustomError:
    return broken(fault.problem, seen=fault.seen, remedy=fault.remedy)


def _one_of(what: str, words: Iterable[str]) -> AfterValidator:
    """Return the validator of a word that is one of ``words``."""
    known = tuple(words)

    def check(word: str) -> str:
        if word not in known:
            raise broken(f"unknown {what}", among=known)
        return word

    return AfterValidator(check)


def _each_once(values: list[_Item]) -> list[_Item]:
    """Return a list, checked to have nothing twice; 1 and true differ."""
    words = list(map(repr, values))
    _raise_all(
        ((index,), broken("it is listed twice", remedy="list each once"))
        for index, word in enumerate(words)
        if word in words[:index]
    )
    return values


def _named_once(tables: list[_Named]) -> list[_Named]:
    """Return tables, checked to have no name twice."""
    names = [table.name for table in tables]
    _raise_all(
        ((index, "name"), broken(f"{name} is named twice", remedy="rename one"))
        for index, name in enumerate(names)
        if name in names[:index]
    )
    return tables


def _no_twin(name: str) -> str:
    if name.endswith(TWIN_SUFFIX):
        problem = f"{TWIN_SUFFIX} ends the name of a contender that is measured twice"
        raise broken(problem, remedy="rename it")
    return name


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    Tuning.model_validate(given)
    return given


Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(_each_once)]


class ContenderInput(FileTable):
    """A `[[contender]]` table."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        Tuning.model_fields, "write it in settings"
    )

    name: Annotated[Name, AfterValidator(_no_twin)]
    interpreter: str = ""
    pool: Annotated[str, _one_of("pool", POOLS)]
    slots: int | Literal["cores"]
    note: str = ""
    settings: Annotated[dict[str, Any], AfterValidator(_settings)] = Field(default_factory=dict)

    @field_validator("pool")
    @classmethod
    def _can_run_without_the_gil(cls, pool: str, info: ValidationInfo) -> str:
        if info.data.get("interpreter") == FREE_THREADED and pool in GREENLET_POOLS:
            problem = f"{pool} is built on greenlet, which turns the GIL on"
            raise broken(problem, among=POOLS)
        return pool

    @field_validator("slots", mode="plain")
    @classmethod
    def _suit_the_pool(cls, slots: object, info: ValidationInfo) -> object:
        pool = POOLS.get(info.data.get("pool", ""))
        is_whole = isinstance(slots, int) and not isinstance(slots, bool)
        if pool is not None and pool.fixed_slots is not None:
            if not is_whole or slots != pool.fixed_slots:
                raise broken(always_has(pool), remedy=f"write slots = {pool.fixed_slots}")
            return slots
        most = MAX_SLOTS if pool is None else pool.max_slots
        if slots != "cores" and not (is_whole and slots in range(1, most + 1)):
            taker = "a pool" if pool is None else f"pool {pool.name}"
            remedy = 'write a whole number, or "cores"'
            raise broken(f"{taker} takes 1 to {most} slots", remedy=remedy)
        return slots

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


def _is_value(value: object) -> Value:
    if not isinstance(value, bool | int | float):
        raise broken("it must be a number, true or false")
    return value


class SweepInput(FileTable):
    """The `[sweep]` table: one contender, or several, at each of some values of one setting."""

    #: A file may give one or a list.
    of: Annotated[Names, BeforeValidator(_as_list)]
    setting: Annotated[str, _one_of("setting", (SLOTS, *Tuning.model_fields))]
    values: Annotated[
        list[Annotated[Any, PlainValidator(_is_value)]],
        Field(min_length=2),
        AfterValidator(_each_once),
    ]

    @property
    def points(self) -> list[SweepPoint]:
        """The points: base after base, values ascending."""
        return [
            SweepPoint(of=base, setting=self.setting, value=value)
            for base in self.of
            for value in sorted(self.values)
        ]


class _Job(FileTable):
    """A kind of job with its parameters, complete."""

    kind: Annotated[str, _one_of("job kind", JOB_KINDS)]
    parameters: dict[str, Any] = Field(default_factory=dict, validate_default=True)

    @field_validator("parameters")
    @classmethod
    def _complete(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "kind" in info.data:
            try:
                return complete_parameters(find_kind(info.data["kind"]), given)
            except UsageError as error:
                _raise_all(((), _of_fault(fault)) for fault in error.faults)
        return given


class PartInput(_Job):
    """A `[[workload.mix]]` table: one sort of job among several, and how many of them it is."""

    name: Name
    share: float = Field(gt=0, le=1)


class _Workload(FileTable):
    """What every `[[workload]]` table has."""

    name: str = ""
    #: Empty: `capacity`, or `rate` where arrivals are given.
    measure: Annotated[str, _one_of("measure", MEASURES)] = ""
    #: As `producer.arrivals.read_schedule` takes it, or completed by the length of a trial.
    arrivals: dict[str, Any] | None = None


class JobWorkload(_Workload, _Job):
    """A `[[workload]]` table of one kind; its name is the kind's unless it is given."""

    mix: ClassVar[Sequence[PartInput]] = ()
    name: str = Field(default="", validate_default=True)

    @field_validator("name")
    @classmethod
    def _is_named(cls, name: str, info: ValidationInfo) -> str:
        return name or info.data.get("kind", "")


class MixWorkload(_Workload):
    """A `[[workload]]` table with a mix."""

    kind: ClassVar[str] = MIX
    parameters: ClassVar[Mapping[str, int | float]] = {}
    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("kind", "parameters"), "each part of a mix has its own: write it there"
    )

    name: str = Field(min_length=1)
    mix: Annotated[list[PartInput], Field(min_length=1), AfterValidator(_named_once)]

    @field_validator("mix")
    @classmethod
    def _shares_make_a_whole(cls, parts: list[PartInput]) -> list[PartInput]:
        faults = check_shares({part.name: part.share for part in parts})
        _raise_all(((0, "share"), _of_fault(fault)) for fault in faults)
        return parts


def workload_type(table: object) -> type[JobWorkload | MixWorkload]:
    """Return which of the two a `[[workload]]` table is."""
    return MixWorkload if isinstance(table, dict) and "mix" in table else JobWorkload


def _workload(table: object, info: ValidationInfo) -> JobWorkload | MixWorkload:
    """Return a workload, checked with what is valid of the tables above."""
    workload = workload_type(table).model_validate(table)
    _raise_all([*_stall_faults(workload, file=info.data), *_load_faults(workload, file=info.data)])
    return workload


def _stall_faults(
    workload: JobWorkload | MixWorkload, *, file: Mapping[str, Any]
) -> Iterator[Broken]:
    """Yield the fault of each job that is longer than a trial may be silent."""
    stall_s = file.get("stall_s", LONGEST_STALL_S)
    jobs: dict[tuple[str | int, ...], _Job] = {
        ("mix", index): part for index, part in enumerate(workload.mix)
    }
    if isinstance(workload, JobWorkload):
        jobs = {(): workload}
    for keys, job in jobs.items():
        job_s = rough_job_s(find_kind(job.kind), job.parameters)
        if job_s >= stall_s:
            remedy = f"shorten the job below stall_s = {stall_s:g}"
            if job_s < LONGEST_STALL_S:
                remedy = f"raise stall_s above {job_s:g}, now {stall_s:g}"
            problem = "a job lasts longer than a trial may be silent"
            yield (*keys, "parameters"), broken(problem, seen=f"{job_s:g} s", remedy=remedy)


def _load_faults(
    workload: JobWorkload | MixWorkload, *, file: Mapping[str, Any]
) -> Iterator[Broken]:
    """Yield every fault of how a workload's jobs come."""
    measure, arrivals = workload.measure, workload.arrivals
    if measure in ("sustain", "curve"):
        if not file.get("slo", True):
            remedy = "write [slo] with p95_wait_s = 1.0, or another bound"
            yield ("measure",), broken(f"{measure} needs an SLO", remedy=remedy)
        for key, value in (arrivals or {}).items():
            if key != "how":
                problem = f"{measure} finds the rate itself and takes how alone"
                yield ("arrivals", key), broken(problem, remedy="leave it out")
            elif value not in SEARCH_ARRIVALS:
                problem = f"unknown arrivals of {measure}"
                yield ("arrivals", "how"), broken(problem, among=SEARCH_ARRIVALS)
    elif arrivals is None:
        if measure == "rate":
            remedy = 'write arrivals = { how = "poisson", rate_per_s = 50 }'
            yield ("measure",), broken("a rate needs arrivals", remedy=remedy)
    elif measure == "capacity":
        problem = "the whole backlog of a capacity trial arrives at once"
        yield ("arrivals",), broken(problem, remedy="leave arrivals out")
    else:
        profiles = file.get("profile", {}).values()
        trial_s = max((profile.trial_s for profile in profiles), default=_SOME_TRIAL_S)
        yield from _arrivals_faults(arrivals, trial_s=trial_s)


def _arrivals_faults(arrivals: Mapping[str, Any], *, trial_s: float) -> Iterator[Broken]:
    way = ARRIVALS.get(str(arrivals.get("how")))
    for key in [key for key in arrivals if key not in _ARRIVALS_KEYS]:
        keys = ["count", *(["rate_per_s"] if way is None or way.has_rate else [])]
        keys += [parameter.name for parameter in way.parameters] if way else []
        remedy = nearest(key, among=[known for known in keys if known not in arrivals])
        yield ("arrivals", key), broken("unknown key", remedy=remedy)
    if "how" not in arrivals:
        yield ("arrivals", "how"), "missing"
    elif way is None:
        yield ("arrivals", "how"), broken("unknown arrivals", among=ARRIVALS)
    elif way.name == BURST:
        remedy = 'leave arrivals out, with measure = "capacity"'
        yield ("arrivals", "how"), broken("a burst has no rate", remedy=remedy)
    else:
        known = {key: value for key, value in arrivals.items() if key in _ARRIVALS_KEYS}
        try:
            read_schedule(complete_arrivals(known, trial_s=trial_s))
        except UsageError as error:
            yield from ((("arrivals", fault.where), _of_fault(fault)) for fault in error.faults)


class ProfileInput(FileTable):
    """A `[profile.NAME]` table: how much of the experiment a command runs."""

    repetitions: int = Field(ge=1, le=1_000)
    trial_s: float = Field(gt=0.05, le=600)
    contenders: Names


class ExperimentInput(FileTable):
    """The whole file."""

    misplaced: ClassVar[Mapping[str, str]] = {
        "require": 'write above all tables fail_on = ["failed_jobs > 0", '
        '"two: throughput < 1.5 * one"]'
    }

    title: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    stall_s: float = Field(default=DEFAULT_STALL_S, gt=0, le=LONGEST_STALL_S)
    #: Bounds that a rate has to keep in order to be held, seconds by name.
    slo: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    contender: Annotated[list[ContenderInput], Field(min_length=1), AfterValidator(_named_once)]
    sweep: SweepInput | None = None
    profile: dict[str, ProfileInput] = Field(min_length=1)
    workload: Annotated[
        list[Annotated[JobWorkload | MixWorkload, PlainValidator(_workload)]],
        Field(min_length=1),
        AfterValidator(_named_once),
    ]
    #: The contender to be measured a second time; None: the first of the profile.
    twin: str | None = None
    #: Thresholds, by `report.verdicts.fail_on`.
    fail_on: list[str] = Field(default_factory=list)

    @field_validator("slo", mode="before")
    @classmethod
    def _bounds_are_known(cls, slo: object) -> object:
        given = list(slo) if isinstance(slo, dict) else []
        free = [key for key in SLO_KEYS if key not in given]
        _raise_all(
            ((key,), broken("unknown bound", remedy=nearest(key, among=free)))
            for key in given
            if key not in SLO_KEYS
        )
        return slo

    @field_validator("sweep")
    @classmethod
    def _sweep_makes_contenders(
        cls, sweep: SweepInput | None, info: ValidationInfo
    ) -> SweepInput | None:
        if sweep is not None and "contender" in info.data:
            _raise_all(_sweep_faults(sweep, contenders=info.data["contender"]))
        return sweep

    @field_validator("profile")
    @classmethod
    def _profiles_name_contenders(
        cls, profiles: dict[str, ProfileInput], info: ValidationInfo
    ) -> dict[str, ProfileInput]:
        names = _names(info.data)
        _raise_all(
            ((profile, "contenders", index), broken("unknown contender", among=names))
            for profile, known in profiles.items()
            for index, name in enumerate(known.contenders)
            if names and name not in names
        )
        return profiles

    @field_validator("twin")
    @classmethod
    def _twin_is_a_contender(cls, twin: str | None, info: ValidationInfo) -> str | None:
        names = _names(info.data)
        if twin == "":
            remedy = "name a contender, or leave the line out for the first"
            raise broken("a claim needs its A/A control", remedy=remedy)
        if twin is not None and names and twin not in names:
            raise broken("unknown contender", among=names)
        return twin

    @field_validator("fail_on")
    @classmethod
    def _conditions_name_rows(cls, texts: list[str], info: ValidationInfo) -> list[str]:
        conditions, faults = parse_conditions(texts, is_one_run=True)
        names, workloads = _names(info.data), info.data.get("workload", [])
        if names and workloads:
            rows = [f"{name}/{one.name}" for name in sorted(names) for one in workloads]
            faults += row_faults(conditions, names=rows)
        places = {f'fail_on "{text}"': index for index, text in enumerate(texts)}
        _raise_all(((places[fault.where],), _of_fault(fault)) for fault in faults)
        return texts


def _names(file: Mapping[str, Any]) -> list[str]:
    """Return the names of a file's contenders and of its sweep; none, if either is invalid."""
    if not {"contender", "sweep"} <= file.keys():
        return []
    own = [contender.name for contender in file["contender"]]
    return own + [point.name for point in (file["sweep"].points if file["sweep"] else ())]


def _sweep_faults(sweep: SweepInput, *, contenders: Sequence[ContenderInput]) -> Iterator[Broken]:
    """Yield every fault of a sweep's contenders, and of each value in each of them."""
    known = {contender.name: contender for contender in contenders}
    for index, name in enumerate(sweep.of):
        if name not in known:
            yield ("of", index), broken("unknown contender", among=known)
    for base in (known[name] for name in sweep.of if name in known):
        pool = POOLS[base.pool]
        if sweep.setting == SLOTS and pool.fixed_slots is not None:
            remedy = "sweep a contender of another pool"
            yield ("values",), broken(always_has(pool), remedy=remedy)
            continue
        for index, value in enumerate(sweep.values):
            point = SweepPoint(of=base.name, setting=sweep.setting, value=value)
            if point.name in known:
                remedy = "rename one"
                yield (
                    ("values", index),
                    broken("contender named twice", seen=point.name, remedy=remedy),
                )
            try:
                base.at(point)
            except ValidationError as error:
                # the last one, since a value that is too long for a name is too large as well
                yield ("values", index), broken(constraint(error.errors()[-1]))
