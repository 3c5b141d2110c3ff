"""The workloads of an experiment file: `[[workload]]` tables, of one kind of job or of a mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from collector.run_manifest import Workload
from lab.experiment.arrivals import MEASURES, SEARCH_ARRIVALS
from lab.experiment.file_table import FileTable, broken
from lab.experiment.model import MIX
from lab.experiment.recorded import RECORDED_MEASURES
from lab.experiment_file.jobs import (
    OPTIONS,
    CallInput,
    JobInput,
    PartInput,
)
from lab.experiment_file.rules import (
    Broken,
    above,
    each_once,
    keys_of,
    one_of,
    raise_all,
)
from lab.experiment_file.slo import Slo
from poolbench.errors import UsageError
from poolbench.format import listed
from producer.arrivals import ARRIVALS, read_schedule
from producer.mixes import check_shares

#: The orders in which the parts of a mix are sent.
MIX_ORDERS = ("random", "sequence")

#: The measures that search for a rate.
SEARCHES = ("sustain", "curve")

#: The arrivals that have no rate.
BURST = "burst"

#: The keys of a workload that only pings have.
PING_KEYS = ("ping_every_s", "ping_timeout_s")

#: Length of a trial to check arrivals with if no profile is valid, seconds.
_SOME_TRIAL_S = 1.0


def _can_be_measured(measure: str, info: ValidationInfo) -> str:
    own, parts = info.data.get("slo"), info.data.get("mix", ())
    whole = above(info).get("slo", True) if own is None else own
    if measure in SEARCHES and not whole and not any(part.slo for part in parts):
        remedy = "write [slo] with p95_wait_s = 1.0, or another bound"
        raise broken(f"{measure} needs an SLO", remedy=remedy)
    shapes = [part.shape for part in info.data.get("mix", ()) if part.shape]
    if measure in SEARCHES and shapes:
        remedy = 'write measure = "rate", or "capacity"'
        raise broken(f"no rate is searched for with jobs that are a {shapes[0]}", remedy=remedy)
    return measure


class SearchArrivals(FileTable):
    """How jobs arrive where the rate is searched for."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("count", "rate_per_s"), "leave it out: a search finds the rate itself"
    )

    #: At random times, or evenly spaced.
    how: Annotated[str, one_of("arrivals of a search", SEARCH_ARRIVALS)] = SEARCH_ARRIVALS[0]


def _suit_the_measure(
    arrivals: dict[str, Any] | None, info: ValidationInfo
) -> dict[str, Any] | None:
    measure = info.data.get("measure")
    if measure == "rate" and arrivals is None:
        raise broken("a rate needs it", remedy='write { how = "poisson", rate_per_s = 50 }')
    if measure == "capacity" and arrivals is not None:
        remedy = "leave arrivals out"
        raise broken("the whole backlog of a capacity trial arrives at once", remedy=remedy)
    if measure in SEARCHES:
        return SearchArrivals.model_validate(arrivals or {}).model_dump()
    if arrivals is not None:
        profiles = above(info).get("profile", {}).values()
        longest_s = max((profile.trial_s for profile in profiles), default=_SOME_TRIAL_S)
        raise_all(_rate_faults(arrivals, trial_s=longest_s))
    return arrivals


def _are_its_jobs(parts: list[PartInput], info: ValidationInfo) -> list[PartInput]:
    if parts:
        if info.data.get("kind", MIX) != MIX or info.data.get("parameters"):
            remedy = "write kind and parameters in each part alone"
            raise broken("each part of a mix has its own kind and parameters", remedy=remedy)
        if info.data.get("task"):
            remedy = "write task and its arguments in each part alone"
            raise broken("each part of a mix has its own task", remedy=remedy)
        given = [
            name
            for name, key in JobInput.model_fields.items()
            if name in OPTIONS and name in info.data and info.data[name] != key.default
        ]
        if given:
            remedy = f"write {listed(given)} in each part alone"
            raise broken("each part of a mix has its own job options", remedy=remedy)
        faults = check_shares({part.name: part.share for part in parts})
        raise_all(((0, "share"), fault) for fault in faults)
        raise_all(_limit_faults(parts))
    elif info.data.get("kind") == MIX and not info.data.get("task", True):
        if above(info).get("app"):
            remedy = "write a task, or [[workload.mix]] tables"
            raise broken("a workload has a task, or a mix of tasks", remedy=remedy)
        remedy = "write a kind, or [[workload.mix]] tables"
        raise broken("a workload has a kind, or a mix of kinds", remedy=remedy)
    return parts


def _limit_faults(parts: Sequence[PartInput]) -> Iterator[Broken]:
    """Yield the parts whose rate limit differs from that of an earlier part of their kind."""
    limits: dict[str, str | None] = {}
    for index, part in enumerate(parts):
        for kind in dict.fromkeys(part.task or one.kind for one in part.executions):
            if part.rate_limit != limits.setdefault(kind, part.rate_limit):
                remedy = "write the same in all parts of the kind, or change the kind of one"
                problem = f"Celery limits all jobs of a kind, and another part of {kind} differs"
                yield (index, "rate_limit"), broken(problem, remedy=remedy)


def _orders_a_mix(order: str, info: ValidationInfo) -> str:
    if not info.data.get("mix", True):
        raise broken("only a mix has an order", remedy="leave it out, or write [[workload.mix]]")
    return order


def _is_named(name: str, info: ValidationInfo) -> str:
    return name or info.data.get("task") or info.data.get("kind", "")


def _is_for_pings(value: float, info: ValidationInfo) -> float:
    if info.data.get("measure", "ping") != "ping":
        raise broken("only pings have it", remedy='write measure = "ping", or leave it out')
    return value


class WorkloadInput(JobInput):
    """Jobs of one kind, or a mix of several kinds, and how they arrive."""

    misplaced: ClassVar[Mapping[str, str]] = {
        "import_ms": 'write it with measure = "start"',
        "import_mb": 'write it with measure = "start"',
        "idle_s": 'write it with measure = "idle"',
    }

    #: The kinds of a mix, instead of one kind.
    mix: Annotated[list[PartInput], each_once(key="name"), AfterValidator(_are_its_jobs)] = Field(
        default_factory=list, validate_default=True
    )
    #: Whether the parts are sent in random order, or one part after another.
    mix_order: Annotated[str, one_of("mix_order", MIX_ORDERS), AfterValidator(_orders_a_mix)] = (
        MIX_ORDERS[0]
    )
    #: Its name in tables and charts; the kind by default.
    name: Annotated[str, AfterValidator(_is_named)] = Field(default="", validate_default=True)
    #: What is measured; by default `capacity`, or `rate` if there are arrivals.
    measure: Annotated[str, one_of("measure", MEASURES), AfterValidator(_can_be_measured)] = ""
    #: Time from one `inspect ping` to the next, with `measure = "ping"`.
    ping_every_s: Annotated[float, AfterValidator(_is_for_pings)] = Field(
        default=0.2, ge=0.05, le=60
    )
    #: Longest time to wait for the answer to a ping, with `measure = "ping"`.
    ping_timeout_s: Annotated[float, AfterValidator(_is_for_pings)] = Field(
        default=1.0, ge=0.05, le=60
    )
    #: How jobs arrive; without it, the whole backlog is sent at once.
    arrivals: Annotated[dict[str, Any] | None, AfterValidator(_suit_the_measure)] = Field(
        default=None, validate_default=True
    )


class _Jobless(FileTable):
    """A workload without jobs of the user's."""

    misplaced: ClassVar[Mapping[str, str]] = dict.fromkeys(
        WorkloadInput.model_fields, "leave it out: this measure has no jobs of yours"
    )

    #: Its name in tables and charts; the measure by default.
    name: str = Field(min_length=1)
    measure: str

    def workload(self) -> Workload:
        """Return it as the run's manifest has it."""
        own = self.model_dump(exclude={"name", "measure"})
        return Workload(
            name=self.name, kind="", parameters={}, measure=self.measure, measure_parameters=own
        )


class StartInput(_Jobless):
    """How fresh workers start: from exec to the first job, and to all slots busy at once."""

    name: str = Field(default="start", min_length=1)
    #: What is measured.
    measure: Literal["start"]
    #: CPU time that the import of the worker's app takes in addition.
    import_ms: float = Field(default=0, ge=0, le=60_000)
    #: Memory that the worker's app takes in addition.
    import_mb: float = Field(default=0, ge=0, le=10_000)


class IdleInput(_Jobless):
    """What ready workers cost while there is no job."""

    name: str = Field(default="idle", min_length=1)
    #: What is measured.
    measure: Literal["idle"]
    #: How long they are measured.
    idle_s: float = Field(default=20, ge=1, le=3_600)


def _are_of_the_app(calls: list[CallInput], info: ValidationInfo) -> list[CallInput]:
    if calls and not above(info).get("app"):
        remedy = 'write [app] with module = "shop", or leave it out'
        raise broken("without an app, all jobs are stand-ins", remedy=remedy)
    return calls


def _bounds_a_search(slo: dict[str, float] | None, info: ValidationInfo) -> Any:
    measure = info.data.get("measure")
    if measure in SEARCHES and not (above(info).get("slo", True) if slo is None else slo):
        remedy = "write [slo] with p95_wait_s = 1.0, or another bound"
        raise broken(f"{measure} needs an SLO", remedy=remedy)
    return slo


def _is_named_by_its_file(name: str, info: ValidationInfo) -> str:
    return name or PurePath(info.data.get("recorded", "")).stem


class RecordedInput(FileTable):
    """The jobs of a recording, each as a stand-in: its mix and its arrivals, as recorded."""

    misplaced: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            WorkloadInput.model_fields.keys() - {"name", "measure", "slo"},
            "leave it out: the jobs are those of the recording",
        ),
        "rate_per_s": "write speed, as a multiple of the recorded pace",
    }

    #: The file of a recording (`poolbench record`), relative to this file.
    recorded: str = Field(min_length=1)
    #: Its name in tables and charts; the file's by default.
    name: Annotated[str, AfterValidator(_is_named_by_its_file)] = Field(
        default="", validate_default=True
    )
    #: What is measured: latency at the recorded rate, the capacity of a backlog in the recorded
    #: order, or a sustained rate or a curve with the recorded arrivals at other speeds.
    measure: Annotated[str, one_of("measure", RECORDED_MEASURES)] = RECORDED_MEASURES[0]
    #: How much faster than recorded the jobs arrive.
    speed: float = Field(default=1.0, gt=0, le=1_000)
    #: Begin of the part that is repeated, since the begin of the recording.
    from_s: float = Field(default=0.0, ge=0)
    #: Its end; the recording's by default.
    to_s: float | None = Field(default=None, gt=0)
    #: Instead of its end, its length.
    first_s: float | None = Field(default=None, gt=0)
    #: The tasks that are repeated; all by default.
    tasks: list[str] = Field(default=[], min_length=1)
    #: Its own `[slo]`, instead of the file's; `{}` for none.
    slo: Annotated[Slo | None, AfterValidator(_bounds_a_search)] = Field(
        default=None, validate_default=True
    )
    #: Tasks that the app runs itself, with arguments; all others are stand-ins.
    call: Annotated[list[CallInput], each_once(key="task"), AfterValidator(_are_of_the_app)] = (
        Field(default_factory=list)
    )

    @model_validator(mode="after")
    def _is_a_part(self) -> Self:
        if self.to_s is not None and self.first_s is not None:
            raise broken("a part has to_s or first_s", remedy="leave one of them out")
        if self.to_s is not None and self.to_s <= self.from_s:
            raise broken("to_s must be after from_s", seen=f"{self.from_s:g} to {self.to_s:g} s")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that its workloads may have, by what the recording shows."""
        return (self.name, *(f"{self.name} (GIL {one})" for one in ("held", "released")))

    @property
    def end_s(self) -> float | None:
        """Return the end of the part, seconds since the recording's begin; None for its end."""
        return self.to_s if self.first_s is None else self.from_s + self.first_s


#: The models of workloads without jobs of the user's, by measure.
_JOBLESS: Mapping[str, type[StartInput | IdleInput]] = {
    "start": StartInput,
    "idle": IdleInput,
}

#: A `[[workload]]` table.
AnyWorkload = WorkloadInput | RecordedInput | StartInput | IdleInput


def model_of(table: object) -> type[AnyWorkload]:
    """Return the model of a `[[workload]]` table, by its measure."""
    if isinstance(table, dict) and "recorded" in table:
        return RecordedInput
    measure = table.get("measure") if isinstance(table, dict) else None
    return _JOBLESS.get(str(measure), WorkloadInput)


def read_workload(table: object, info: ValidationInfo) -> AnyWorkload:
    """Return a workload, checked against the valid parts of the tables above it."""
    return model_of(table).model_validate(table, context=info.data)


def measure_of(workload: WorkloadInput | RecordedInput) -> str:
    """Return what is measured of a workload."""
    if isinstance(workload, RecordedInput):
        return workload.measure
    return workload.measure or ("capacity" if workload.arrivals is None else "rate")


def _rate_faults(arrivals: dict[str, Any], *, trial_s: float) -> Iterator[Broken]:
    how = arrivals.get("how")
    if how is None:
        yield ("how",), "missing"
    elif how == BURST:
        remedy = 'leave arrivals out, with measure = "capacity"'
        yield ("how",), broken("a burst has no rate", remedy=remedy)
    elif str(how) not in ARRIVALS:
        yield ("how",), broken("unknown arrivals", among=ARRIVALS)
    else:
        try:
            read_schedule(arrivals, span_s=trial_s)
        except UsageError as error:
            yield from ((keys_of(fault), fault) for fault in error.faults)
