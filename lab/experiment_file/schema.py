"""The schema of an experiment file: its tables and keys, with types, bounds and rules.

The order of the fields matters: the later table of a rule checks it, and uses the valid parts of
the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from collector.run_manifest import SweepPoint
from lab.experiment.file_table import FileTable, broken
from lab.experiment.stopping_rule import LONGEST_S, SHORTEST_S
from lab.experiment_file.app import AppInput, app_faults
from lab.experiment_file.contenders import (
    AnyContender,
    queues_of,
    read_contender,
    read_sweep,
)
from lab.experiment_file.jobs import LONGEST_STALL_S, PartInput
from lab.experiment_file.rules import Broken, Keys, Names, each_once, raise_all
from lab.experiment_file.slo import Slo
from lab.experiment_file.workloads import (
    AnyWorkload,
    RecordedInput,
    WorkloadInput,
    measure_of,
    read_workload,
)
from poolbench.errors import nearest
from poolbench.keys import NAME, NAME_RULE
from report.trials.slo import slo_by_part
from report.verdicts.fail_on import parse_conditions, row_faults

#: Default of `stall_s`: a trial that reports no line for this time is stopped, seconds.
DEFAULT_STALL_S = 10.0


class ProfileInput(FileTable):
    """Contenders, repetitions and trial length of a run; `--profile NAME` selects it."""

    #: Number of repetitions: each measures every contender and workload once, with fresh workers.
    repetitions: int = Field(ge=1, le=1_000)
    #: Add repetitions as long as they end within this time; `repetitions` is the least number.
    budget_s: float | None = Field(default=None, ge=SHORTEST_S, le=LONGEST_S)
    #: Approximate length of a trial.
    trial_s: float = Field(gt=0.05, le=600)
    #: Names of the contenders that it measures; a swept one includes all its points.
    contenders: Names
    #: Names of workloads of which the page also shows what each slot did when: with 32 jobs on
    #: workers of their own, after the last repetition.
    lanes: list[str] = Field(default_factory=list)


def _names(file: dict[str, Any]) -> list[str]:
    """Return the names of all contenders, swept ones included; none if either part is invalid."""
    if not {"contender", "sweep"} <= file.keys():
        return []
    return [one.name for one in file["contender"]] + [point.name for point, _ in file["sweep"]]


def _profiles_name_contenders(
    profiles: dict[str, ProfileInput], info: ValidationInfo
) -> dict[str, ProfileInput]:
    names = _names(info.data)
    raise_all(
        ((profile, "contenders", index), broken("unknown contender", among=names))
        for profile, known in profiles.items()
        for index, name in enumerate(known.contenders)
        if names and name not in names
    )
    return profiles


def _is_measured(name: str, info: ValidationInfo) -> str:
    names = _names(info.data)
    if names and name not in names:
        raise broken("unknown contender", among=names)
    swept = [point for point, _ in info.data.get("sweep", ())]
    measured = {
        one for profile in info.data.get("profile", {}).values() for one in profile.contenders
    }
    measured |= {point.name for point in swept if point.of in measured}
    if measured and name not in measured:
        raise broken("no profile measures it", remedy="add it to a profile, or leave twin out")
    return name


def _conditions_name_rows(texts: list[str], info: ValidationInfo) -> list[str]:
    conditions, faults = parse_conditions(texts, is_one_run=True)
    names, workloads = _names(info.data), info.data.get("workload", [])
    if names and workloads:
        rows = [
            f"{name}/{row}"
            for name in sorted(names)
            for one in workloads
            for row in _row_names(one)
        ]
        parts = [
            (f"{name}/{one.name}", part)
            for name in sorted(names)
            for _, one in _with_jobs(workloads)
            for parts in [[part for known in one.mix for part in known.part_names]]
            for part in (parts if len(parts) > 1 else ())
        ]
        faults += row_faults(conditions, names=rows, parts=parts)
    places = {f'"{text}"': index for index, text in enumerate(texts)}
    raise_all(((places[fault.seen],), fault) for fault in faults)
    return texts


def _row_names(workload: AnyWorkload) -> tuple[str, ...]:
    return workload.names if isinstance(workload, RecordedInput) else (workload.name,)


def _with_jobs(workloads: list[AnyWorkload]) -> list[tuple[int, WorkloadInput]]:
    """Return the workloads that have jobs, each with its index."""
    return [(index, one) for index, one in enumerate(workloads) if isinstance(one, WorkloadInput)]


def _jobs_of(workloads: list[AnyWorkload]) -> Iterator[tuple[Keys, PartInput | WorkloadInput]]:
    """Yield each sort of jobs with its place."""
    for index, workload in _with_jobs(workloads):
        for number, part in enumerate(workload.mix):
            yield ("workload", index, "mix", number), part
        if not workload.mix:
            yield ("workload", index), workload


def _result_faults(
    contenders: Iterable[AnyContender], *, workloads: list[AnyWorkload]
) -> Iterator[Broken]:
    """Yield sizes of results that no contender stores."""
    if any(one.settings.get("result_backend") for one in contenders):
        return
    for keys, jobs in _jobs_of(workloads):
        if jobs.result_bytes:
            remedy = "write settings = { result_backend = true } in a contender"
            yield (*keys, "result_bytes"), broken("no contender stores results", remedy=remedy)


def _queue_faults(
    contenders: list[AnyContender], *, workloads: list[AnyWorkload]
) -> Iterator[Broken]:
    """Yield jobs that would wait for ever, and queues without jobs or without workers."""
    sent = [((*keys, "queue"), jobs.queue or "") for keys, jobs in _jobs_of(workloads)]
    places = [
        *sent,
        *(
            (("contender", index, *keys), queue)
            for index, one in enumerate(contenders)
            for keys, queue in queues_of(one)
        ),
    ]
    if wrong := [place for place, queue in places if queue and not NAME.fullmatch(queue)]:
        yield from ((place, broken(NAME_RULE)) for place in wrong)
        return
    if not sent:
        # a start reaches all queues
        return
    named = sorted({queue for _, queue in sent if queue})
    known = {queue for one in contenders for _, queue in queues_of(one) if queue}
    for keys, queue in sent:
        if queue and queue not in known:
            remedy = nearest(queue, among=known) if known else "write queues in a contender"
            yield keys, broken("no contender consumes this queue", remedy=remedy)
    for index, contender in enumerate(contenders):
        consumed = queues_of(contender)
        for keys, queue in consumed:
            if queue and queue not in named:
                remedy = nearest(queue, among=named) if named else "write queue in the workload"
                place = ("contender", index, *keys)
                yield place, broken("no workload sends jobs to this queue", remedy=remedy)
        names = {queue for _, queue in consumed}
        for keys, queue in sent if "" not in names else ():
            if queue not in names:
                which = f'queue "{queue}" nor its default queue' if queue else "the default queue"
                verb = "consumes neither" if queue else "doesn't consume"
                remedy = "add a group without queues, or name one of its queues here"
                yield keys, broken(f"{contender.name} {verb} {which}", remedy=remedy)


def _slo_faults(slo: Mapping[str, Any], *, workloads: list[AnyWorkload]) -> Iterator[Broken]:
    """Yield the fault of each SLO that bounds no job: of a backlog, or hidden by nearer ones."""
    every: list[Mapping[str, float]] = []
    for index, one in enumerate(workloads):
        if not isinstance(one, WorkloadInput | RecordedInput):
            continue
        mix = one.mix if isinstance(one, WorkloadInput) else ()
        parts = {part.name: part.slo for part in mix}
        found = slo_by_part(slo, measure=measure_of(one), own=one.slo, parts=parts).values()
        every += found
        own: dict[Keys, Mapping[str, float] | None] = {("workload", index, "slo"): one.slo}
        for number, part in enumerate(mix):
            own["workload", index, "mix", number, "slo"] = part.slo
        yield from (
            (place, _without_effect(has_rate=bool(found)))
            for place, bounds in own.items()
            if bounds is not None and not any(bounds is other for other in found)
        )
    if slo and not any(slo is other for other in every):
        yield ("slo",), _without_effect(has_rate=bool(every))


def _sweep_faults(file: ExperimentInput) -> Iterator[Broken]:
    """Yield the fault of a sweep of which no profile measures a point."""
    measured = {name for profile in file.profile.values() for name in profile.contenders}
    if file.sweep and not any({point.of, point.name} & measured for point, _ in file.sweep):
        remedy = "add one of its contenders to a profile, or leave the sweep out"
        yield ("sweep", "of"), broken("no profile measures it", remedy=remedy)


def _lane_faults(file: ExperimentInput) -> Iterator[Broken]:
    """Yield the names in `ProfileInput.lanes` that are of no workload with jobs of its own."""
    names = [one.name for _, one in _with_jobs(file.workload)]
    for profile, known in file.profile.items():
        for index, name in enumerate(known.lanes):
            if name not in names:
                place = ("profile", profile, "lanes", index)
                yield place, broken("no workload with jobs has this name", among=names)


def _without_effect(*, has_rate: bool) -> PydanticCustomError:
    if has_rate:
        problem = "it bounds no job: each workload at a rate, or each part, has its own"
        return broken(problem, remedy="leave one of them out")
    problem = "it bounds no job: the whole backlog arrives at once"
    remedy = 'give the workload arrivals or measure = "sustain", or leave slo out'
    return broken(problem, remedy=remedy)


class ExperimentInput(FileTable):
    """Keys of the file itself, and its tables."""

    misplaced: ClassVar[Mapping[str, str]] = {
        "require": 'write above all tables fail_on = ["failed_jobs > 0", '
        '"two: throughput < 1.5 * one"]'
    }

    #: The question, as a title.
    title: str = Field(min_length=1)
    #: Random seed of the order of trials, of arrivals and of mixes.
    seed: int = Field(default=0, ge=0)
    #: A trial that reports no line for this time is stopped and invalid.
    stall_s: float = Field(default=DEFAULT_STALL_S, gt=0, le=LONGEST_STALL_S)
    #: The latency that jobs must keep where they arrive at a rate; by part of a mix.
    slo: Slo = Field(default_factory=dict)
    #: A Celery app of yours whose tasks are the jobs.
    app: AppInput | None = None
    #: What is compared: pools with their slots and settings.
    contender: Annotated[
        list[Annotated[AnyContender, PlainValidator(read_contender)]],
        Field(min_length=1),
        each_once(key="name"),
    ]
    #: One or several contenders at each value of one setting.
    sweep: Annotated[list[tuple[SweepPoint, AnyContender]], PlainValidator(read_sweep)] = Field(
        default_factory=list
    )
    #: How long to measure what.
    profile: Annotated[
        dict[str, ProfileInput], Field(min_length=1), AfterValidator(_profiles_name_contenders)
    ]
    #: Jobs and how they arrive, the same for every contender.
    workload: Annotated[
        list[Annotated[AnyWorkload, PlainValidator(read_workload)]],
        Field(min_length=1),
        each_once(key="name"),
    ]
    #: Contender of the A/A control; the first of the profile by default.
    twin: Annotated[str, AfterValidator(_is_measured)] | None = None
    #: Thresholds: a run that misses one exits with code 99.
    fail_on: Annotated[list[str], AfterValidator(_conditions_name_rows)] = Field(
        default_factory=list
    )

    @model_validator(mode="after")
    def _suit_each_other(self) -> Self:
        contenders = [*self.contender, *(contender for _, contender in self.sweep)]
        # an app routes its tasks itself
        queues = () if self.app else _queue_faults(self.contender, workloads=self.workload)
        of_app = app_faults(self.contender, workloads=self.workload) if self.app else ()
        results = _result_faults(contenders, workloads=self.workload)
        slo = _slo_faults(self.slo, workloads=self.workload)
        raise_all([*of_app, *queues, *results, *slo, *_sweep_faults(self), *_lane_faults(self)])
        return self
