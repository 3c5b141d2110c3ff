"""What advice is computed from: an app's demand, its limits, and the settings that may serve it.

Nothing is computed from records here; `lab.advise.demand` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from report.statistics.ratios import Median

#: A task matters from this share of the busy time on.
MATTERS_SHARE = 0.1

#: Celery's prefetch multiplier if none is set.
CELERY_PREFETCH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDemand:
    """What one execution of a task needs: means, seconds, without waits for a core or the GIL."""

    name: str
    #: Executions whose duration is known.
    executions: int
    #: Executions per second.
    per_s: float
    #: Computing on a core: with the GIL held, with it released, and unknown which.
    held_s: float = 0.0
    released_s: float = 0.0
    unknown_s: float = 0.0
    #: Waits that let other greenlets or coroutines run, and those that don't.
    wait_s: float = 0.0
    blocking_s: float = 0.0
    #: Percentiles of the whole execution.
    p50_s: float = 0.0
    p95_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        """Return the computing of an execution, seconds of one core."""
        return self.held_s + self.released_s + self.unknown_s

    @property
    def service_s(self) -> float:
        """Return the time that an execution keeps its slot, seconds."""
        return self.cpu_s + self.wait_s + self.blocking_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A pool with its slots and settings, as a worker's command line has them."""

    pool: str
    #: Slots of each worker.
    slots: int
    #: Number of workers that are started alike.
    workers: int = 1
    #: Messages that a worker reserves for each slot; None for `CELERY_PREFETCH`.
    prefetch_multiplier: int | None = None

    @property
    def name(self) -> str:
        """Return its name in tables: ``prefork-8``, ``2x-threads-16``."""
        several = f"{self.workers}x-" if self.workers > 1 else ""
        return f"{several}{self.pool}-{self.slots}"

    @property
    def total_slots(self) -> int:
        """Return the slots of all workers together."""
        return self.slots * self.workers

    @property
    def processes(self) -> int:
        """Return the number of its processes; prefork has a parent in addition to its slots."""
        return self.workers * (self.slots + 1 if self.pool == "prefork" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Something of Celery's that the app relies on, and what each pool makes of it."""

    #: As people write it: ``time limit``, ``--max-tasks-per-child``.
    name: str
    #: Whether the recording shows that it had an effect, such as a job that was timed out.
    is_used: bool
    #: Pool → what it does instead, for those where it doesn't work: ``ignored`` or ``breaks``.
    lost_in: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the owner allows; None for no limit."""

    memory_bytes: int | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What an app asks of its worker, as recorded."""

    #: Every task that ran, the largest share of busy time first.
    tasks: tuple[TaskDemand, ...]
    #: Duration of the recording, seconds.
    span_s: float
    #: Today's pool, slots and settings.
    today: Setting
    #: Cores of the machine that will measure, and of the one that recorded; None if unknown.
    cores: float
    recorded_cores: float | None = None
    #: Variance ÷ mean of the arrivals per interval: 1 for random arrivals, more for bursts. None
    #: with too few arrivals.
    dispersion: float | None = None
    #: Memory of a worker of one process, and of each further process of prefork, bytes; None if
    #: unknown.
    process_bytes: Median | None = None
    child_bytes: Median | None = None
    #: Connections of the worker for each of its slots; None if unknown.
    connections_per_slot: Median | None = None
    #: Whether jobs are acknowledged after they ran.
    is_acked_late: bool = False
    #: Versions of the packages that decide which pools can run.
    packages: Mapping[str, str] = field(default_factory=dict)
    features: tuple[Feature, ...] = ()
    #: Why parts of the recording can't carry advice, each with its remedy; empty if all can.
    gaps: tuple[str, ...] = ()

    @property
    def per_s(self) -> float:
        """Return the executions per second of all tasks."""
        return sum(one.per_s for one in self.tasks)

    @property
    def mean(self) -> TaskDemand:
        """Return the mean execution over all tasks."""
        per_s = self.per_s
        weighted = {
            name: sum(one.per_s * getattr(one, name) for one in self.tasks) / per_s
            for name in ("held_s", "released_s", "unknown_s", "wait_s", "blocking_s")
        }
        executions = sum(one.executions for one in self.tasks)
        return TaskDemand(name="mean", executions=executions, per_s=per_s, **weighted)

    @property
    def busy_slots(self) -> float:
        """Return the mean number of busy slots, by Little's law."""
        return self.per_s * self.mean.service_s

    def share_of(self, task: TaskDemand) -> float:
        """Return a task's share of the time that slots are busy."""
        return task.per_s * task.service_s / self.busy_slots if self.busy_slots else 0.0

    def with_gil(self, *, is_held: bool) -> Demand:
        """Return the demand if all computing of unknown kind held the GIL, or released it."""
        return replace(self, tasks=tuple(_with_gil(one, is_held=is_held) for one in self.tasks))


def _with_gil(task: TaskDemand, *, is_held: bool) -> TaskDemand:
    held_s, released_s = task.held_s, task.released_s
    if is_held:
        held_s += task.unknown_s
    else:
        released_s += task.unknown_s
    return replace(task, held_s=held_s, released_s=released_s, unknown_s=0.0)
