"""What the trials of one run share: workers, broker, instruments, and the results so far."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis

from collector.reasons import Code, Parameter, Reason
from collector.run_manifest import (
    Contender,
    LimitUse,
    PlannedTrial,
    TrialEntry,
    TrialResult,
    WorkerEnd,
    Workload,
)
from collector.store import RunFolder
from lab.app.databases import Databases
from lab.experiment.model import Experiment
from lab.fixtures.pinger import Pinger
from lab.fixtures.proxies import Proxy
from lab.fixtures.sender import Sender
from lab.instruments.job_cost import Gauge
from lab.instruments.job_levels import LevelReader
from lab.instruments.machine_monitor import MachineMonitor
from lab.instruments.process_sampler import Sample, Sampler
from lab.instruments.stream_follower import StreamFollower
from lab.system.cgroup import ControlGroup
from lab.system.children import Child
from lab.trial.app_messages import TaskMessages
from poolbench.calibration import message_parameters
from poolbench.jobs import kind_of
from poolbench.keys import run_key, sent_field
from producer.mixes import Mix
from producer.publisher import publish


@dataclass(slots=True, kw_only=True)
class LabWorker:
    """One contender's workers within a block, which start, are measured and end together."""

    contender: Contender
    block: int
    #: The processes of its workers, at least one, in the order of its groups.
    processes: tuple[Child, ...]
    #: All of them under their limits; None without limits.
    cgroup: ControlGroup | None = None
    #: Measures the process trees of all of them together.
    sampler: Sampler
    #: One for each group; none for a contender without groups.
    group_samplers: tuple[Sampler, ...] = ()
    started_at_s: float
    #: From start to proved ready, seconds; None until then.
    ready_s: float | None = None
    #: Most slots seen busy at once before it was taken as ready; None until then.
    busy_slots: int | None = None

    @property
    def child(self) -> Child:
        """Return the first process that has ended, or else the first of all."""
        ended = (child for child in self.processes if child.exit_code is not None)
        return next(ended, self.processes[0])

    @property
    def is_alive(self) -> bool:
        """Return whether all its processes run."""
        return self.child.exit_code is None

    @property
    def is_oom_killed(self) -> bool:
        """Return whether the kernel ended one of them at the memory limit."""
        is_killed = self.child.exit_code == -signal.SIGKILL
        return is_killed and self.cgroup is not None and bool(self.cgroup.read().oom_kills)

    def read_limits(self) -> LimitUse | None:
        """Return what the limits did so far, before a trial; None without limits.

        Kills count in the trial that finds a worker killed, although they came before it.
        """
        use = self.cgroup.read() if self.cgroup else None
        return use if use is None or self.is_alive else replace(use, oom_kills=0)

    def limits_since(self, before: LimitUse | None) -> LimitUse | None:
        """Return what the limits did since an earlier `read_limits`; None without limits."""
        return self.cgroup.since(before) if self.cgroup and before else None

    @property
    def memory_mb(self) -> float:
        """Return the memory limit, 10^6 bytes; 0 without one."""
        return (self.contender.memory_bytes or 0) / 1e6

    def exit_reason(self, *, sent: int, missing: int) -> Reason:
        """Return why they can't do the rest of the jobs sent: one of them has ended."""
        known: dict[str, Parameter] = {"sent": sent, "missing": missing, "log": self.child.log.name}
        if self.is_oom_killed:
            return Reason.of(Code.WORKER_OOM_KILLED, memory_mb=self.memory_mb, **known)
        return Reason.of(Code.WORKER_EXITED, exit_code=self.child.exit_code, **known)

    def kill_reason(self, use: LimitUse | None) -> Reason | None:
        """Return the reason if the kernel killed children of live workers at their memory limit."""
        if use is None or not use.oom_kills or not self.is_alive:
            return None
        return Reason.of(Code.CHILDREN_OOM_KILLED, kills=use.oom_kills, memory_mb=self.memory_mb)

    def close(self) -> None:
        """Remove the control group; all processes must have ended."""
        if self.cgroup:
            self.cgroup.remove()

    def describe(self, *, folder: Path) -> tuple[WorkerEnd, ...]:
        """Return the manifest's entries of the workers, their logs relative to ``folder``."""
        return tuple(
            WorkerEnd(
                block=self.block,
                contender=self.contender.name,
                ready_s=None if self.ready_s is None else round(self.ready_s, 3),
                exit_code=child.exit_code,
                log=str(child.log.relative_to(folder)),
                busy_slots=self.busy_slots,
            )
            for child in self.processes
        )


@dataclass(slots=True, kw_only=True)
class Bench:
    """The instruments of a run's trials, and the results gathered so far."""

    #: Name of the run.
    name: str
    experiment: Experiment
    folder: RunFolder
    client: redis.Redis
    follower: StreamFollower
    #: Gauges by the name of a contender's Python; the lab's own has an empty name.
    gauges: Mapping[str, Gauge]
    #: Environment variables of every worker.
    environment: Mapping[str, str]
    monitor: MachineMonitor
    #: The proxies between workers and Redis, by contender.
    proxies: Mapping[str, Proxy]
    #: Sends jobs at their due times; None if all workloads are backlogs.
    sender: Sender | None
    #: Pings workers; None if no workload is measured by pings.
    pinger: Pinger | None = None
    #: The databases of the workers of a user's app; None without an app.
    databases: Databases | None = None
    #: Private folder for the messages of the app's tasks, which have their arguments.
    scratch: Path | None = None
    #: The messages of the app's tasks.
    messages: tuple[TaskMessages, ...] = ()
    #: Returns the number of events that Flower has received so far; None without Flower.
    count_events: Callable[[], int] | None = None
    #: CPU-seconds of a unit of work, by kind; only kinds of this run that need it.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: Every trial that was begun, by its index; a running one has a partial result.
    trials: list[TrialEntry] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    #: All workers so far.
    workers: list[LabWorker] = field(default_factory=list)
    #: Workers of the previous block, which end while the next block starts.
    leaving: list[LabWorker] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        """Return the folder of the workers' logs."""
        return self.folder.path / "logs"

    def message_parameters(self, workload: Workload) -> dict[str, int | float]:
        """Return the parameters in a workload's messages: work in units, from the calibration."""
        kind = kind_of(workload.kind)
        return message_parameters(kind, workload.parameters, calibration=self.calibration)

    def scope(self, block: int, *, label: str = "") -> str:
        """Return the scope of a block's queues: the workers of the block before may still end.

        ``label`` distinguishes a worker beside those of the block.
        """
        return f"{self.name}.{block}.{label}" if label else f"{self.name}.{block}"

    def database(self, plan: PlannedTrial) -> int:
        """Return the number of the database that a trial's jobs are sent to."""
        is_beside = plan.measure == "start"
        return self._database(plan.contender, block=plan.block, is_beside=is_beside)

    def _database(self, contender: str, *, block: int, is_beside: bool) -> int:
        if self.databases is None:
            return 0
        return self.databases.number(contender, block=block, is_beside=is_beside)

    def broker_url(self, contender: str, *, block: int, is_beside: bool = False) -> str:
        """Return the address of the broker of a contender's workers, without a proxy."""
        if self.databases is None:
            return self.environment["POOLBENCH_REDIS_URL"]
        number = self._database(contender, block=block, is_beside=is_beside)
        return self.databases.url(number)

    def broker(self, contender: str, *, block: int, is_beside: bool = False) -> redis.Redis:
        """Return a client of the broker of a contender's workers."""
        if self.databases is None:
            return self.client
        return self.databases.client(self._database(contender, block=block, is_beside=is_beside))

    def level_reader(self, worker: LabWorker) -> LevelReader:
        """Return the reader of a contender's jobs in its queues and workers."""
        name, block = worker.contender.name, worker.block
        if self.databases is None:
            return LevelReader.of(self.client, contender=worker.contender, scope=self.scope(block))
        broker = self.broker(name, block=block)
        return LevelReader.of_app(self.client, contender=worker.contender, broker=broker)

    def begin_trial(self, plan: PlannedTrial) -> None:
        """Add a trial to the run, so that it is reported even if it fails."""
        self.trials.append(TrialEntry(plan=plan))

    def record(self, trial: int, **known: Any) -> TrialResult:
        """Set fields of a trial's result, and return the new result."""
        entry = self.trials[trial]
        result = replace(entry.result, **known)
        self.trials[trial] = replace(entry, result=result)
        return result

    def send(self, plan: PlannedTrial, *, mix: Mix | None = None, label: str = "") -> None:
        """Send all jobs of a new trial at once, to the queues of its block.

        ``label`` is that of workers beside those of the block.
        """
        self.begin_trial(plan)
        self.follower.view(plan.trial)
        sent = publish(
            self._broker_of(plan),
            run=self.name,
            plan=plan,
            offsets_s=[0.0] * (len(mix.order) if mix else plan.count),
            scope=self.scope(plan.block, label=label),
            mix=mix,
        )
        self.record(plan.trial, start_ns=sent.first_due_ns, sent=self.count_sent(plan.trial))

    def count_sent(self, trial: int) -> int:
        """Return the number of a trial's jobs that the broker has counted so far."""
        client = self._broker_of(self.trials[trial].plan)
        return int(client.hget(run_key(self.name), sent_field(trial)) or 0)

    def _broker_of(self, plan: PlannedTrial) -> redis.Redis:
        return self.databases.client(self.database(plan)) if self.databases else self.client

    def count_interrupted(self) -> None:
        """Record the number of jobs sent for each interrupted trial."""
        for trial, entry in enumerate(self.trials):
            if entry.result.end_ns is None:
                self.record(trial, sent=self.count_sent(trial))

    def invalidate(self, trials: Iterable[int], *, reason: Reason) -> None:
        """Add a reason why trials are invalid."""
        for trial in trials:
            self.record(trial, reasons=(*self.trials[trial].result.reasons, reason))
