"""What ``manifest.json`` holds: how a run was made, and what became of each of its trials.

Plain values that the lab and the collector write and the report reads. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from collector.reasons import Code, Reason, Severity
from poolbench.errors import StorageError
from poolbench.records import TrialPlan

#: Version of the manifest's shape.
MANIFEST_FORMAT = 2

#: The one before, which can still be read: it had each trial's plan and result in one flat table.
PREVIOUS_FORMAT = 1

#: A setting's value, as an experiment file gives it.
SettingValue = bool | int | float

#: Parameters of a job: numbers by name, the unit in the name.
Parameters = Mapping[str, int | float]

#: Whether a run came to its own end.
State = Literal["finished", "unfinished"]

#: What an ``arrivals`` table says under one key.
ArrivalValue = str | int | float | Sequence[int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """What makes a contender one of a sweep."""

    #: The contender that all its points come from.
    of: str
    setting: str
    value: SettingValue

    @property
    def name(self) -> str:
        """Return the name of the contender at this point, such as ``threads.slots-8``."""
        value = f"{self.value:.12g}" if isinstance(self.value, float) else str(self.value)
        if isinstance(self.value, bool):
            value = "on" if self.value else "off"
        return f"{self.of}.{self.setting}-{value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One column of the comparison."""

    name: str
    pool: str
    slots: int
    note: str = ""
    #: The Python that runs its worker: a path, or ``free-threaded``. Empty: the lab's own.
    interpreter: str = ""
    #: The contender that it measures a second time (the A/A control); empty for all others.
    twin_of: str = ""
    #: Its settings beside pool and slots, by `lab.experiment.worker_settings.Tuning`; only those
    #: that the file gives.
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    #: Which point of a sweep it is; None for a contender of its own.
    sweep: SweepPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A contender that can't run on this machine."""

    contender: str
    reason: str
    #: The command that helps.
    remedy: str

    def __str__(self) -> str:
        return f"{self.contender}: {self.reason}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sort of job in a mix."""

    name: str
    kind: str
    parameters: Parameters
    #: How many of a mix's jobs are of this sort, above 0; those of all parts make about 1.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The jobs that every contender gets."""

    name: str
    #: ``mix`` where its jobs are of several sorts.
    kind: str
    parameters: Parameters
    #: What is measured of it: ``capacity``, ``rate``, ``sustain`` or ``curve``.
    measure: str = "capacity"
    #: How its jobs come, as `producer.arrivals.read_schedule` takes it, complete for a rate; where
    #: a rate is searched for, ``how`` alone. None: the whole backlog at once.
    arrivals: Mapping[str, ArrivalValue] | None = None
    #: Its parts, or none.
    mix: tuple[Part, ...] = ()

    @property
    def sorts(self) -> tuple[Workload, ...]:
        """A workload of one kind for each sort of its jobs, in the order of the mix."""
        if not self.mix:
            return (self,)
        return tuple(
            Workload(name=f"{self.name}/{part.name}", kind=part.kind, parameters=part.parameters)
            for part in self.mix
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """How many of its jobs are of each of the `sorts`; together 1."""
        whole = sum(part.share for part in self.mix)
        return tuple(part.share / whole for part in self.mix) or (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """What ends a run that adds repetitions until its intervals are narrow."""

    #: Half of the width of each verdict's interval, as a share of the ratio.
    half_width: float
    #: From the run's start to the end of its last block, seconds.
    at_most_s: float
    #: How long a block took, seconds; None before the first has ended.
    block_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSource:
    """The file that a run's experiment was read from."""

    file: str
    sha256: str
    title: str
    #: The comment that opens the file: a line a paragraph, a blank one between two.
    question: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that can run a worker, as it describes itself."""

    path: str
    #: Implementation and version: ``CPython 3.14.2``.
    python: str
    #: Whether it was built to run without the GIL.
    is_free_threaded: bool
    #: Whether its GIL was on when everything was imported that a worker imports.
    gil_enabled: bool
    #: The modules that turned it on.
    gil_turned_on_by: tuple[str, ...]
    #: Of its own packages, those whose version can change a number.
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a run was made; what isn't known is None or empty."""

    #: Cores that the run could use at once; a quota may give half of one.
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
    """Median time of a PING to Redis, through a contender's proxy and straight, seconds."""

    round_trip_s: float
    direct_round_trip_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What each part of the harness can do at most, per second."""

    #: Messages that the producer sends at once.
    producer_per_s: float | None = None
    #: Answers of upstream, by workload.
    upstream_per_s: Mapping[str, float] = field(default_factory=dict)
    #: Empty jobs of a worker, by contender.
    noop_per_s: Mapping[str, float] = field(default_factory=dict)
    #: Empty jobs that Redis can serve, by contender.
    redis_per_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """A worker of the run, and how it ended."""

    block: int
    contender: str
    #: From start to proved ready, seconds; None if it never was.
    ready_s: float | None
    #: None while it runs.
    exit_code: int | None
    #: Its log, relative to the run's folder.
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart(Part):
    """One sort of job in a trial of a mix; the parameters are those of its messages."""

    #: What it is asked to wait for, seconds; None if it only computes.
    ideal_wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial(TrialPlan):
    """A trial before its first job is sent: what its messages carry, and what it is for."""

    block: int
    workload: str
    #: A pilot sizes or prepares, and enters no figure.
    is_pilot: bool
    #: What a job is asked to wait for, seconds: of a mix, the mean; None if it only computes.
    ideal_wait_s: float | None = None
    #: Of a mix: its parts.
    parts: tuple[PlannedPart, ...] = ()
    #: What the workload measures.
    measure: str = "capacity"
    #: Which step of a search it is, from 0; None elsewhere.
    step: int | None = None
    #: Of a point of a curve: its rate as a share of the sustained one.
    load_share: float | None = None
    #: Workers that are up, idle but for the one measured; None if unknown.
    workers_up: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCost:
    """CPU-seconds of what a job computes, in one thread without Celery; None if it only waits."""

    #: Of a mix, the mean.
    cpu_s: float | None = None
    #: Of a mix: by the part's name.
    parts: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What happened on the machine during a trial."""

    #: Share of all the machine's CPU that others took, stolen time included; None if unknown.
    foreign_cpu_share: float | None
    #: The part of it that a hypervisor took.
    stolen_cpu_share: float | None
    #: How far the wall clock was set, forward or back, seconds.
    clock_step_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUse:
    """What a worker's connections asked of Redis during a trial."""

    #: Commands carried out, those within a transaction or a script each.
    commands: int
    #: Both ways, as the server read and wrote them.
    net_bytes: int
    #: Connections at the trial's end.
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What became of a trial."""

    #: When its first job was due, Unix ns; None if it was interrupted before.
    start_ns: int | None = None
    #: When it was over, Unix ns; None for a trial that was interrupted.
    end_ns: int | None = None
    #: Jobs that were sent.
    sent: int = 0
    #: Before the trial and after it; without a value where nothing was measured.
    cost_before: JobCost = field(default_factory=JobCost)
    cost_after: JobCost = field(default_factory=JobCost)
    #: None where nobody watched the machine.
    disturbance: Disturbance | None = None
    #: None where the server doesn't count by connection.
    redis: RedisUse | None = None
    #: Events that a Flower received during it; None without one.
    flower_events: int | None = None
    #: Of a step of a search: whether its rate was sustained; None elsewhere.
    is_sustained: bool | None = None
    #: Why it is invalid or unstable, as far as its records don't show it.
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEntry:
    """A trial of the run: what was to be done, and what happened."""

    plan: PlannedTrial
    result: TrialResult = field(default_factory=TrialResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """How a run was made: everything needed to repeat it."""

    run: str
    #: Who wrote it: the lab, or the collector for a producer.
    source: str = "lab"
    #: Unix ns.
    created_ns: int | None = None
    finished_ns: int | None = None
    state: State
    #: The command line that asks for the same again.
    command: str = ""
    profile: str = ""
    experiment: ExperimentSource
    seed: int | None = None
    repetitions: int = 0
    #: About how long a trial was to last, seconds.
    trial_s: float | None = None
    contenders: tuple[Contender, ...]
    #: The contenders' own Pythons, by the name that a contender gives.
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    workloads: tuple[Workload, ...]
    #: What a rate has to keep to be sustained: bounds in seconds by name (`report.trials.slo`).
    slo: Mapping[str, float] = field(default_factory=dict)
    #: CPU-seconds of a unit of work, by kind.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: Thresholds, by `report.verdicts.fail_on`.
    fail_on: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Machine
    #: Limits of the control group and of those above it.
    cgroup: Mapping[str, str] = field(default_factory=dict)
    git: Commit = field(default_factory=Commit)
    #: ``server``, ``version`` and ``origin``.
    broker: Mapping[str, str] = field(default_factory=dict)
    #: Celery's configuration in effect, secrets censored, by contender.
    celery: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: By contender that has a proxy.
    proxies: Mapping[str, RoundTrip] = field(default_factory=dict)
    ceilings: Ceilings = field(default_factory=Ceilings)
    workers: tuple[WorkerEnd, ...] = ()
    #: Of a submitted run: when its first job was due, Unix ns.
    first_due_ns: int | None = None
    #: Of a submitted run: lines in the folder when this was written.
    lines: int | None = None
    #: Of a submitted run: whether a worker sent Celery's events.
    events: bool = False
    #: Of a submitted run: other runs that had jobs in the system at the same time.
    overlapped_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(RunInfo):
    """How a run was made, and what became of each trial."""

    #: None for a run whose number of repetitions was set.
    until: Until | None = None
    trials: tuple[TrialEntry, ...]


@cache
def manifest_type() -> TypeAdapter[Manifest]:
    """Return what reads a manifest from JSON, and describes that JSON as a schema."""
    return TypeAdapter(Manifest)


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``manifest.json``."""
    schema = manifest_type().json_schema()
    schema["properties"] = {"format": {"const": MANIFEST_FORMAT}, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_manifest(content: dict[str, Any], *, where: str) -> Manifest:
    """Return the manifest in the content of a ``manifest.json``, of this format or the one before.

    Raises:
        StorageError: if a field is missing or wrong; ``where`` begins the message.
    """
    is_flat = content["format"] == PREVIOUS_FORMAT
    try:
        return manifest_type().validate_python(_from_flat_trials(content) if is_flat else content)
    except ValidationError as error:
        raise StorageError(
            f"{where}: {first_fault(error)}; restore the file, or use the Poolbench that wrote it"
        ) from error


def first_fault(error: ValidationError, *where: str) -> str:
    """Return the first fault that pydantic found: the field, below ``where``, and its value."""
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
        # a trial that was interrupted had 0 at first
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
