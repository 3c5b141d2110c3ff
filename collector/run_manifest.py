"""The content of ``manifest.json``: the conditions of a run, and the result of each trial.

The lab and the collector write it, and the report reads it. Nothing is measured here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from collector.reasons import Code, Reason, Severity
from collector.worker_figures import IdleFigures, PingAnswers, StartFigures
from poolbench.errors import Fault, StorageError
from poolbench.job_options import JobOptions
from poolbench.records import TrialPlan

#: Version of the manifest's format.
MANIFEST_FORMAT = 2

#: The previous version, which can still be read: each trial's plan and result are one flat table.
PREVIOUS_FORMAT = 1

#: Value of a setting in an experiment file.
SettingValue = bool | int | float | str

#: Celery's settings by name, with JSON values.
CelerySettings = Mapping[str, Any]

#: Pool of a contender whose groups of workers have different pools.
MIXED_POOLS = "groups"

#: Parameters of a job: numbers by name, the unit in the name.
Parameters = Mapping[str, int | float]

#: Whether a run is complete.
State = Literal["finished", "unfinished"]

#: Value in an ``arrivals`` table.
ArrivalValue = str | int | float | Sequence[int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One point of a sweep: the value of the setting that a contender has."""

    #: Name of the swept contender.
    of: str
    setting: str
    value: SettingValue

    @property
    def name(self) -> str:
        """Return the name of the contender at this point, such as ``threads.slots-8``.

        One of Celery's settings has no prefix in it, and a text has only the characters of names.
        """
        value = f"{self.value:.12g}" if isinstance(self.value, float) else str(self.value)
        if isinstance(self.value, bool):
            value = "on" if self.value else "off"
        if isinstance(self.value, str):
            value = re.sub(r"[^a-z0-9._-]+", "-", self.value.lower())
        return f"{self.of}.{self.setting.rpartition('.')[2]}-{value}"


def _flattened(table: Mapping[str, Any], *, prefix: str) -> dict[str, SettingValue]:
    found: dict[str, SettingValue] = {}
    for key, value in table.items():
        name = f"{prefix}.{key}"
        if isinstance(value, Mapping):
            found |= _flattened(value, prefix=name)
        else:
            is_plain = isinstance(value, bool | int | float | str)
            found[name] = value if is_plain else json.dumps(value)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGroup:
    """Workers that are started alike and consume the same queues."""

    #: Empty for the only group of a contender.
    name: str = ""
    pool: str
    #: Slots of each worker.
    slots: int
    #: Whether ``-c`` is left out, so that Celery starts as many slots as the host has cores.
    is_unset: bool = False
    #: Number of workers.
    workers: int = 1
    #: Names of the queues that they consume; empty for the contender's default queue.
    queues: tuple[str, ...] = ()
    #: The Python that runs them: a path, or ``free-threaded``. Empty for the lab's own.
    interpreter: str = ""
    #: Settings in addition to pool and slots (`lab.experiment.worker_settings.Tuning`); only those
    #: in the file.
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    #: Celery's settings, by Celery's names.
    celery: CelerySettings = field(default_factory=dict)
    #: Arguments of ``celery worker`` in addition to Poolbench's.
    arguments: tuple[str, ...] = ()

    @property
    def all_settings(self) -> dict[str, SettingValue]:
        """Return its settings with Celery's: ``celery.worker_eta_task_limit``.

        The values of tables have names of their own; a list is JSON.
        """
        return {**self.settings, **_flattened(self.celery, prefix="celery")}

    def rate_limit(self, kind: str) -> str | int | float | None:
        """Return the rate limit that Celery's settings give a kind of job in each of its workers.

        None without one. Celery applies the annotation of all kinds last.
        """
        given = self.celery.get("task_annotations") or []
        tables = [one for one in ([given] if isinstance(given, Mapping) else given) if one]
        limit = self.celery.get("task_default_rate_limit")
        for name in (kind, "*"):
            found = next((one[name] for one in tables if name in one), None)
            limit = found.get("rate_limit", limit) if isinstance(found, Mapping) else limit
        return limit or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender(WorkerGroup):
    """A pool with its slots and settings, or several groups of workers, compared with others.

    With groups, ``pool`` is that of all groups or else `MIXED_POOLS`, and the other fields of
    `WorkerGroup` are those that the file gives for all groups. ``slots`` is the sum over all
    workers.
    """

    #: Its groups of workers; empty for a single one, which `crew` returns.
    groups: tuple[WorkerGroup, ...] = ()
    #: CPU quota of all its workers together, cores; None for no limit.
    cpus: float | None = None
    #: Memory limit of all its workers together, bytes; None for no limit.
    memory_bytes: int | None = None
    note: str = ""
    #: For an A/A control: the contender that it repeats; empty for all others.
    twin_of: str = ""
    #: Its point of a sweep; None without a sweep.
    sweep: SweepPoint | None = None

    @property
    def crew(self) -> tuple[WorkerGroup, ...]:
        """Return its groups of workers, at least one."""
        if self.groups:
            return self.groups
        own = {one.name: getattr(self, one.name) for one in fields(WorkerGroup)}
        return (WorkerGroup(**own | {"name": "", "slots": self.slots // self.workers}),)

    @property
    def queues_consumed(self) -> frozenset[str]:
        """Return the names of the queues that its workers consume; "" is its default queue."""
        return frozenset(queue for group in self.crew for queue in group.queues or ("",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A contender that can't run on this machine."""

    contender: str
    reason: str
    #: The command that makes it runnable.
    remedy: str

    def __str__(self) -> str:
        return str(Fault(where=self.contender, problem=self.reason, remedy=self.remedy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A job that Celery runs as several executions, each of which is a part of its mix."""

    #: Its name in the file.
    name: str
    #: ``chain``, ``group`` or ``chord``. Its parts follow each other in the order of the
    #: executions; the last one of a chord is its body.
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A Celery app of the user's, which runs in its own Python with only the wheel added."""

    #: As after ``celery -A``.
    module: str
    #: Path of its Python.
    python: str
    #: Folder that it is imported from.
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCall:
    """The arguments of a user's task: fixed, or from a function of the job's number."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    #: ``module:function`` in the app's Python, called with the job's number from 0; it returns
    #: ``args`` or ``(args, kwargs)``. Empty for fixed arguments.
    function: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One kind of job in a mix, with its parameters and its share."""

    name: str
    kind: str
    parameters: Parameters
    #: Its share of the executions, above 0; the shares of all parts add up to about 1.
    share: float
    options: JobOptions = field(default_factory=JobOptions)
    #: The job that it is an execution of; None for a job of one execution.
    canvas: Canvas | None = None
    #: Bounds on its jobs (`report.trials.slo`); None: the workload's, or the file's.
    slo: Mapping[str, float] | None = None
    #: Its arguments if ``kind`` is a task of the user's app; None for Poolbench's own kinds.
    call: AppCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSource:
    """The recording whose executions a workload repeats, each as a stand-in."""

    #: As in the experiment file.
    file: str
    sha256: str
    #: The part of it, seconds since its begin; to the end without ``to_s``.
    from_s: float = 0.0
    to_s: float | None = None
    #: How much faster than recorded the jobs arrive.
    speed: float = 1.0
    #: The tasks that it repeats; empty for all.
    tasks: tuple[str, ...] = ()
    #: Messages, and executions with those of their retries.
    jobs: int = 0
    executions: int = 0
    #: Time from the first to the last message as recorded, seconds.
    span_s: float = 0.0
    #: Whether it is known when each message was published; else jobs arrive when received.
    has_published: bool = True
    #: Computing with the GIL held or released, unknown which, as a share of the slots' time.
    unknown_share: float = 0.0
    #: How it is replayed: ``held`` or ``released``; empty if it doesn't matter (held).
    unknown_as: str = ""
    #: Executions that are not repeated, by the reason.
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A kind of job with its parameters, or a mix; the same for every contender."""

    name: str
    #: The job kind; ``mix`` for a mix, empty if the measure has no jobs of the user's.
    kind: str
    parameters: Parameters
    #: What is measured: ``capacity``, ``rate``, ``sustain``, ``curve``, ``start``, ``idle`` or
    #: ``ping``.
    measure: str = "capacity"
    #: Parameters of the measure itself, by their names in the file.
    measure_parameters: Parameters = field(default_factory=dict)
    #: The arrivals, as `producer.arrivals.read_schedule` reads them; for a search, only ``how``.
    #: None if the whole backlog is sent at once.
    arrivals: Mapping[str, ArrivalValue] | None = None
    #: The parts of a mix; else empty. A workload of one kind whose jobs have options is a mix of
    #: one part.
    mix: tuple[Part, ...] = ()
    #: Whether the parts of a mix are sent one after another instead of in random order.
    is_in_sequence: bool = False
    #: Bounds on its jobs; None: the file's.
    slo: Mapping[str, float] | None = None
    #: The recording that its jobs are from, as a mix of its tasks; None for all other workloads.
    recorded: RecordedSource | None = None

    @property
    def sorts(self) -> tuple[Workload, ...]:
        """Return a workload of one kind for each part, in the order of the mix."""
        if not self.kind:
            return ()
        if not self.mix:
            return (self,)
        return tuple(
            Workload(
                name=f"{self.name}/{part.name}",
                kind=part.kind,
                parameters=part.parameters,
                # a task of an app keeps its arguments
                mix=(replace(part, share=1.0),) if part.call else (),
            )
            for part in self.mix
        )

    @property
    def part_names(self) -> tuple[str, ...]:
        """Return the names of the parts of a mix; none if there are fewer than two."""
        return tuple(part.name for part in self.mix) if len(self.mix) > 1 else ()

    @property
    def has_waits_by_part(self) -> bool:
        """Return whether each part of a mix has a wait of its own.

        In a backlog, a job's wait is its place in the queue, the same for all parts, unless they
        are sent one after another or differ in a job option, such as the queue.
        """
        differ = self.is_in_sequence or len({part.options for part in self.mix}) > 1
        return len(self.mix) > 1 and (self.arrivals is not None or differ)

    @property
    def has_options(self) -> bool:
        """Return whether any of its jobs have options."""
        return any(part.options != JobOptions() for part in self.mix)

    @property
    def executions_per_job(self) -> float:
        """Return the mean number of executions of a job; above 1 only with chains or the like."""
        jobs = {part.canvas or part.name: part.share for part in self.mix}
        return sum(part.share for part in self.mix) / sum(jobs.values()) if jobs else 1.0

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the share of each of the `sorts`; they add up to 1."""
        if not self.kind:
            return ()
        whole = sum(part.share for part in self.mix)
        return tuple(part.share / whole for part in self.mix) or (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """The stopping rule of a run whose number of repetitions is open."""

    #: Half of the width of each verdict's interval, as a share of the ratio; None: the time alone.
    half_width: float | None = None
    #: Longest time from the run's start to the end of its last block, seconds.
    at_most_s: float
    #: Duration of a block, seconds; None before the first has ended.
    block_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSource:
    """The file that a run's experiment was read from."""

    file: str
    sha256: str
    title: str
    #: Comment at the top of the file: one line for each paragraph, with blank lines between them.
    question: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that can run a worker, with the properties that it reports."""

    path: str
    #: Implementation and version: ``CPython 3.14.2``.
    python: str
    #: Whether it was built to run without the GIL.
    is_free_threaded: bool
    #: Whether its GIL was on after all of a worker's imports.
    gil_enabled: bool
    #: The modules that turned it on.
    gil_turned_on_by: tuple[str, ...]
    #: Versions of its own packages that can change a number.
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine of a run; unknown fields are None or empty."""

    #: Cores that the run could use at once; a fraction if there is a quota.
    cores: int | float
    os: str
    #: Implementation and version.
    python: str
    cpu_model: str = ""
    cores_of_host: int | None = None
    memory_bytes: int | None = None
    architecture: str = ""
    gil_enabled: bool = True
    #: Load averages over 1, 5 and 15 minutes when the run began.
    load_average: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The checkout that a run was made from; empty outside a checkout."""

    commit: str = ""
    is_dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """Median time of a PING to Redis, through a contender's proxy and directly, seconds."""

    round_trip_s: float
    direct_round_trip_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The highest rate of each part of the harness, per second."""

    #: Messages that the producer sends, all due at once.
    producer_per_s: float | None = None
    #: Answers of upstream, by workload.
    upstream_per_s: Mapping[str, float] = field(default_factory=dict)
    #: No-op jobs of a worker, by contender.
    noop_per_s: Mapping[str, float] = field(default_factory=dict)
    #: No-op jobs that Redis can serve, by contender.
    redis_per_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """A worker of the run, with its exit code."""

    block: int
    contender: str
    #: Time from its start until it was ready, seconds; None if it never was.
    ready_s: float | None
    #: Exit code; None while it runs.
    exit_code: int | None
    #: Path of its log, relative to the run's folder.
    log: str = ""
    #: Most slots of its contender that were seen busy at once before the trials; None if unknown.
    busy_slots: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart(Part):
    """One part of a mix in a trial; the parameters are those of its messages."""

    #: Requested wait of a job, seconds; None if it only computes.
    ideal_wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial(TrialPlan):
    """The plan of a trial, which is complete before its first job is sent."""

    block: int
    workload: str
    #: Whether it is a pilot, which is excluded from all figures.
    is_pilot: bool
    #: Requested wait of a job, seconds; for a mix, the mean; None if it only computes.
    ideal_wait_s: float | None = None
    #: The parts of a mix; else empty.
    parts: tuple[PlannedPart, ...] = ()
    #: The workload's measure.
    measure: str = "capacity"
    #: Index of the step of a search, from 0; None elsewhere.
    step: int | None = None
    #: For a point of a curve: its rate as a share of the sustained rate.
    load_share: float | None = None
    #: Workers that are running, all idle except the measured one; None if unknown.
    workers_up: int | None = 0
    #: Index of the trial that it measures once more, since that one was disturbed from outside.
    repeats: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCost:
    """CPU-seconds of a job's work, in one thread without Celery; None if it only waits."""

    #: For a mix, the mean.
    cpu_s: float | None = None
    #: For a mix: CPU-seconds by the part's name.
    parts: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """The disturbances of the machine during a trial."""

    #: Share of the machine's CPU time of other processes, with stolen time; None if unknown.
    foreign_cpu_share: float | None
    #: Share of the machine's CPU time that the hypervisor gave to others.
    stolen_cpu_share: float | None
    #: Step of the wall clock, seconds; negative if it was set back.
    clock_step_s: float
    #: CPU-seconds by who spent them (`lab.instruments.machine_monitor`); others are ``foreign``.
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    #: Name of the foreign process that spent most; empty if none did, or unknown.
    largest_foreign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUse:
    """The load of a worker's connections on Redis during a trial."""

    #: Executed commands; each command in a transaction or a script counts.
    commands: int
    #: Bytes in both directions, as the server read and wrote them.
    net_bytes: int
    #: Connections at the trial's end.
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """What a contender's limits did to its workers."""

    #: Enforcement periods of the CPU quota, and those in which it stopped the workers; None
    #: without a quota.
    periods: int | None = None
    throttled_periods: int | None = None
    #: Time for which the quota stopped them, seconds, summed over the cores that it stopped.
    throttled_s: float | None = None
    #: Largest use of memory since the workers started, with cached files; None without a limit.
    memory_peak_bytes: int | None = None
    #: Processes that the kernel killed at the memory limit; None without a limit.
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trial."""

    #: When its first job was due, Unix ns; None if it was interrupted before.
    start_ns: int | None = None
    #: When it ended, Unix ns; None for an interrupted trial.
    end_ns: int | None = None
    #: Number of jobs sent.
    sent: int = 0
    #: Cost of a job before the trial and after it; empty if nothing was measured.
    cost_before: JobCost = field(default_factory=JobCost)
    cost_after: JobCost = field(default_factory=JobCost)
    #: None if the machine was not monitored.
    disturbance: Disturbance | None = None
    #: None if the server doesn't count by connection.
    redis: RedisUse | None = None
    #: What the contender's limits did during the trial; None without limits.
    limits: LimitUse | None = None
    #: Events that Flower received during the trial; None without Flower.
    flower_events: int | None = None
    #: For a step of a search: whether its rate was sustained; None elsewhere.
    is_sustained: bool | None = None
    #: The figures of the worker itself; each is None unless it is the trial's measure.
    start: StartFigures | None = None
    idle: IdleFigures | None = None
    ping: PingAnswers | None = None
    #: Why it is invalid or unstable; reasons that its records show are not included.
    reasons: tuple[Reason, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Return whether no reason makes it invalid; its records may."""
        return all(one.severity is not Severity.INVALID for one in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEntry:
    """A trial of the run: its plan and its result."""

    plan: PlannedTrial
    result: TrialResult = field(default_factory=TrialResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The conditions of a run: everything needed to repeat it."""

    run: str
    #: Origin of the run: ``lab``, or ``producer`` for a submitted run.
    source: str = "lab"
    #: When the run was created, Unix ns.
    created_ns: int | None = None
    finished_ns: int | None = None
    state: State
    #: The command line that repeats the run.
    command: str = ""
    profile: str = ""
    experiment: ExperimentSource
    seed: int | None = None
    repetitions: int = 0
    #: Requested duration of a trial, seconds.
    trial_s: float | None = None
    contenders: tuple[Contender, ...]
    #: The user's app whose tasks are the jobs; None for Poolbench's own jobs.
    app: App | None = None
    #: Versions in the app's Python: of Python, Celery and Poolbench.
    app_versions: Mapping[str, str] = field(default_factory=dict)
    #: Interpreters of the contenders that name one, by that name.
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    workloads: tuple[Workload, ...]
    #: Bounds on jobs that arrive at a rate, seconds by name (`report.trials.slo`).
    slo: Mapping[str, float] = field(default_factory=dict)
    #: CPU-seconds of a unit of work, by kind.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: Thresholds, as `report.verdicts.fail_on` reads them.
    fail_on: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Machine
    #: Limits of the lab's control group and of those above it; if a contender has limits, also
    #: what applies them and where.
    cgroup: Mapping[str, str] = field(default_factory=dict)
    git: Commit = field(default_factory=Commit)
    #: ``server``, ``version`` and ``origin``.
    broker: Mapping[str, str] = field(default_factory=dict)
    #: Celery's configuration in effect, secrets censored, by contender or ``contender/group``.
    celery: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: Settings that are not in effect as the experiment asks for them, by contender.
    settings_unmet: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    #: Round trips by contender, for those with a proxy.
    proxies: Mapping[str, RoundTrip] = field(default_factory=dict)
    ceilings: Ceilings = field(default_factory=Ceilings)
    workers: tuple[WorkerEnd, ...] = ()
    #: For a submitted run: when its first job was due, Unix ns.
    first_due_ns: int | None = None
    #: For a submitted run: number of lines in the folder when the manifest was written.
    lines: int | None = None
    #: For a submitted run: whether a worker sent Celery's events.
    events: bool = False
    #: For a submitted run: other runs that had jobs in the system at the same time.
    overlapped_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTrial:
    """Jobs that ran on workers of their own, with a recording of what each slot did when.

    They are in no comparison, and in no ledger except this one.
    """

    contender: str
    workload: str
    #: Parameters and options of the jobs, as text.
    jobs: str
    #: Recordings of the contender's workers, relative to the run's folder.
    files: tuple[str, ...]
    #: From before the first job was sent until after the last one had ended, Unix ns.
    from_ns: int
    to_ns: int
    sent: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(RunInfo):
    """The conditions of a run, and the result of each trial."""

    #: The stopping rule; None for a fixed number of repetitions.
    until: Until | None = None
    trials: tuple[TrialEntry, ...]
    #: The trials of lanes.
    lanes: tuple[LaneTrial, ...] = ()

    def workload(self, name: str) -> Workload | None:
        """Return a workload; None if there is none of that name."""
        return next((one for one in self.workloads if one.name == name), None)


@cache
def manifest_type() -> TypeAdapter[Manifest]:
    """Return the adapter that reads a manifest from JSON and generates its schema."""
    return TypeAdapter(Manifest)


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``manifest.json``."""
    schema = manifest_type().json_schema()
    schema["properties"] = {"format": {"const": MANIFEST_FORMAT}, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_manifest(content: dict[str, Any], *, where: str) -> Manifest:
    """Return the manifest in the content of a ``manifest.json`` of this or the previous format.

    Raises:
        StorageError: if a field is missing or invalid; its message begins with ``where``.
    """
    is_flat = content["format"] == PREVIOUS_FORMAT
    try:
        return manifest_type().validate_python(_from_flat_trials(content) if is_flat else content)
    except ValidationError as error:
        raise StorageError(
            f"{where}: {first_fault(error)}. Restore the file, or use the Poolbench that wrote it."
        ) from error


def first_fault(error: ValidationError, *where: str) -> str:
    """Return pydantic's first fault: the field, with the path ``where``, and its value."""
    fault = error.errors(include_url=False)[0]
    name = ".".join([*where, *map(str, fault["loc"])])
    if fault["type"] == "missing":
        return f"{name} is missing"
    return f"{name} = {fault['input']!r:.60} is invalid"


def _from_flat_trials(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a manifest of format 1 as one of `MANIFEST_FORMAT`."""
    return {**content, "trials": [_from_flat_trial(trial) for trial in content.get("trials", [])]}


def _from_flat_trial(trial: dict[str, Any]) -> dict[str, Any]:
    costs = {
        f"cost_{moment}": {
            "cpu_s": trial.get(f"cpu_s_per_job_{moment}"),
            "parts": {
                part["name"]: part[f"cpu_s_per_job_{moment}"] for part in trial.get("parts", [])
            },
        }
        for moment in ("before", "after")
    }
    known = {
        "commands": trial.get("redis_commands"),
        "net_bytes": trial.get("redis_bytes"),
        "connections": trial.get("redis_connections"),
    }
    shares = {name: trial.get(name) for name in ("foreign_cpu_share", "stolen_cpu_share")}
    clock_step_s = trial.get("clock_step_s")
    nested = {
        "disturbance": shares | {"clock_step_s": clock_step_s}
        if clock_step_s is not None
        else None,
        "redis": known if None not in known.values() else None,
        # format 1 has 0 for an interrupted trial
        "start_ns": trial.get("start_ns") or None,
        "end_ns": trial.get("end_ns") or None,
        "is_sustained": trial.get("held"),
    }
    reasons = {
        "reasons": [
            {"code": Code.RECORDED, "severity": severity, "parameters": {"text": text}}
            for severity, name in ((Severity.INVALID, "reasons"), (Severity.UNSTABLE, "tolerated"))
            for text in trial.get(name) or []
        ]
    }
    return {"plan": trial, "result": trial | costs | nested | reasons}
