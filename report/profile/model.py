"""The typed profile of recordings. Shares are of one; what is unknown is None or empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.recording import LineCounts, RecordedWorker
from poolbench.records import STATE_COLUMNS
from report.statistics.percentiles import Tail
from report.trials.wait_causes import WaitCauses

#: The states of a slot: the columns of a recording, without their unit.
STATES: tuple[str, ...] = tuple(name.removesuffix("_ns") for name in STATE_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float
    #: Number of values.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A number that was sampled each second, over all workers together."""

    mean: float
    p95: float
    most: float
    #: Its growth by the median slope (`report.statistics.differences.slope`), without the first
    #: third; None if the rest is shorter than ten minutes.
    per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProfile:
    """The executions of one task."""

    name: str
    #: Executions with a start and an end: those that all figures below are of.
    executions: int
    #: Executions that started, whatever is known of their end.
    started: int
    #: Executions that started, and whose end the recording doesn't have.
    unfinished: int
    #: Executions per second of the recorded time.
    jobs_per_s: float
    #: Its share of the time that the slots were busy with all tasks.
    busy_share: float
    #: Durations: started to finished.
    wall_s: Tail
    wall_mean_s: float
    wall_max_s: float
    #: Mean CPU time of the job's thread; None where slots share a thread.
    cpu_s: float | None = None
    #: Mean CPU time of ended child processes; None where slots share a process.
    child_cpu_s: float | None = None
    #: Shares of the duration by state (`STATES`) where slots are threads, without states of no
    #: sample. They add up to `sampled_share`; empty if nothing was sampled.
    states: Mapping[str, float] = field(default_factory=dict)
    #: Share of the duration that samples account for.
    sampled_share: float = 0.0
    #: Share of the duration in which its greenlet or coroutine ran; None if slots have threads.
    running_share: float | None = None
    #: Share of the duration in stretches of 50 ms or more that blocked the loop; None without one.
    blocked_share: float | None = None
    #: Executions with such a stretch.
    blocked_executions: int = 0
    #: Growth of the slot's process from the start of an execution to that of its next one, bytes,
    #: after the first third of them; None where slots share a process.
    growth_bytes: Mean | None = None
    #: Memory of the slot's process after an execution, bytes; None where slots share a process.
    rss_p95_bytes: float | None = None
    #: Executions by outcome.
    retries: int = 0
    failures: int = 0
    timeouts: int = 0
    #: Executions that ended with their worker or its child.
    lost: int = 0
    #: Variance ÷ mean of the number of arrivals in windows that expect ten of them: 1 for random
    #: arrivals, above 1 for bursts, below for regular ones. None for fewer than 100 arrivals.
    dispersion: float | None = None
    #: The same for a Poisson process of as many arrivals: exceeded by one in 40.
    dispersion_limit: float | None = None
    #: Share of its messages whose publisher recorded when it published them. Arrivals are those of
    #: publication only if it is 1, else of receipt.
    published_share: float = 0.0
    queues: tuple[str, ...] = ()
    #: Sizes of the messages' bodies, bytes.
    message_bytes: Tail = field(default_factory=Tail)
    message_max_bytes: int | None = None
    #: Waits by cause; None if it is unknown when its jobs were published and received.
    waits: WaitCauses | None = None
    #: Waits from published to started; no percentiles if it is unknown when they were published.
    wait_s: Tail = field(default_factory=Tail)

    @property
    def is_gil_known(self) -> bool:
        """Whether samples show if its computing held the GIL, but for a tenth of it."""
        return bool(self.states) and self.states.get("core", 0.0) <= 0.1 * self.core_share

    @property
    def core_share(self) -> float:
        """Return the sampled share of its duration on a core."""
        return sum(share for state, share in self.states.items() if state.startswith("core"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyPoint:
    """The slots in one stretch of the recording, over all workers."""

    #: Its begin since that of the recording, and its duration.
    at_s: float
    width_s: float
    #: Mean numbers of busy and of available slots.
    busy: float
    slots: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotUse:
    """How many slots were busy, over all workers and the time that they ran."""

    #: Mean number of slots available; 0 if unknown.
    available: float
    mean: float
    p95: float
    most: float
    points: tuple[BusyPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchUse:
    """The number of jobs that one worker may have at once, by its heartbeats."""

    worker: str
    start: int
    #: The last one while no countdown waited, since each raises the count by one.
    end: int
    most: int
    #: Its multiplier × its slots; 0 for no limit, None if unknown.
    asked: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolVerdict:
    """What one pool did with one promise of Celery's, by a survey."""

    #: ``works``, ``ignored``, ``breaks`` or ``not tried``.
    outcome: str
    #: What happened, in one sentence.
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What each pool did with each of Celery's promises, by a survey."""

    #: Version of Celery that was tried; empty if there is no survey.
    celery: str = ""
    #: Verdict by the promise's name, then by pool.
    by_promise: Mapping[str, Mapping[str, PoolVerdict]] = field(default_factory=dict)

    def of(self, promise: str) -> Mapping[str, PoolVerdict]:
        """Return the verdicts on a promise by pool; empty if it wasn't tried."""
        return self.by_promise.get(promise, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliance:
    """One feature of Celery's that the app relies on."""

    feature: str
    #: What shows it: a task's option, an option of the worker, or the jobs seen.
    shown_by: tuple[str, ...]
    #: Executions of the tasks concerned.
    executions: int
    #: Verdict by pool; empty if no survey covers the feature.
    pools: Mapping[str, PoolVerdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A setting that was asked for and is not in effect."""

    worker: str
    #: The setting with its value, as a person writes it.
    asked: str
    #: What is in effect instead, and why.
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fact of the profile that needs attention."""

    #: The task that it is about; empty for several tasks, and for the whole app.
    task: str = ""
    text: str
    #: Facts of a higher rank are shown first: the share of the busy time or of the wait.
    weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something that the recording doesn't show."""

    what: str
    why: str
    #: What to do, as a sentence.
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the jobs of an app are, and what its worker's settings did to them."""

    files: tuple[str, ...]
    #: When the recording began, Unix ns, and the time with at least one worker, seconds.
    begin_ns: int
    span_s: float
    #: Each worker by its latest description, and each host's cores (the largest number).
    workers: tuple[RecordedWorker, ...]
    cores: float | None
    #: Versions of Python and Celery.
    pythons: tuple[str, ...]
    celeries: tuple[str, ...]
    counts: LineCounts
    #: The busiest first.
    tasks: tuple[TaskProfile, ...]
    slots: SlotUse
    #: The waits of all jobs; None as in `TaskProfile.waits`.
    waits: WaitCauses | None = None
    wait_s: Tail = field(default_factory=Tail)
    #: Share of the executions whose publisher recorded when it published them.
    published_share: float = 0.0
    prefetch: tuple[PrefetchUse, ...] = ()
    #: Shares of the time by state of the thread that all slots share; empty if they don't.
    loop_states: Mapping[str, float] = field(default_factory=dict)
    connections: Level | None = None
    pss_bytes: Level | None = None
    processes: Level | None = None
    #: CPU of the workers without that of recording them, cores.
    worker_cores: float | None = None
    #: CPU of recorder and sampler, cores.
    recorder_cores: float | None = None
    sampler_cores: float | None = None
    #: Share of the time in which a CPU quota stopped the workers, over cores: may exceed 1.
    throttled_share: float | None = None
    #: Version of Celery that the verdicts of what the app relies on are of; empty without any.
    tried_celery: str = ""
    relied_on: tuple[Reliance, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    findings: tuple[Finding, ...] = ()
    unknown: tuple[Unknown, ...] = ()

    @property
    def executions(self) -> int:
        """Return the number of executions with a start and an end."""
        return sum(task.executions for task in self.tasks)
