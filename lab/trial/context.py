"""What the trials of one run share: its workers, the broker, the account so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl
import redis

from collector.reasons import Reason
from collector.run_manifest import (
    Contender,
    PlannedTrial,
    TrialEntry,
    TrialResult,
    WorkerEnd,
    Workload,
)
from collector.schema import SAMPLE_SCHEMA
from lab.fixtures.proxies import Proxy
from lab.fixtures.sender import Sender
from lab.instruments.job_cost import Gauge
from lab.instruments.machine_monitor import MachineMonitor
from lab.instruments.process_sampler import Sample, Sampler
from lab.instruments.remote_control import RemoteControl
from lab.instruments.stream_follower import StreamFollower
from lab.system.children import Child
from poolbench.calibration import message_parameters
from poolbench.jobs import find_kind
from poolbench.keys import run_key, sent_field
from producer.publisher import publish
from producer.template import Mix


@dataclass(slots=True, kw_only=True)
class LabWorker:
    """One contender's worker within a block."""

    contender: Contender
    block: int
    child: Child
    sampler: Sampler
    started_at_s: float
    #: From start to proved ready, seconds; None until then.
    ready_s: float | None = None
    exit_code: int | None = None

    @property
    def is_alive(self) -> bool:
        """Return whether its process runs."""
        return self.child.exit_code is None

    def describe(self, *, folder: Path) -> WorkerEnd:
        """Return the manifest's entry of the worker."""
        log = self.child.log
        return WorkerEnd(
            block=self.block,
            contender=self.contender.name,
            ready_s=None if self.ready_s is None else round(self.ready_s, 3),
            exit_code=self.exit_code,
            log=str(log.relative_to(folder)) if log.is_relative_to(folder) else log.name,
        )


@dataclass(slots=True, kw_only=True)
class Bench:
    """One run's broker connection and everything gathered so far."""

    run: str
    client: redis.Redis
    tail: StreamFollower
    #: By the Python that a contender names; empty: the lab's own.
    gauges: Mapping[str, Gauge]
    #: Variables that every worker of the run gets.
    environment: Mapping[str, str]
    watch: MachineMonitor = field(default_factory=MachineMonitor)
    #: Asks the workers by Celery's remote control.
    control: RemoteControl
    #: The proxies between workers and Redis, by contender.
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    #: CPU-seconds of a unit of work, by kind; of those kinds that need one here.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: What sends jobs at their times; None where all workloads are backlogs.
    sender: Sender | None = None
    #: Every trial that was begun, by its index; of one under way, with what is known so far.
    trials: list[TrialEntry] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def message_parameters(self, workload: Workload) -> dict[str, int | float]:
        """Return what the messages of a workload carry: its work in units, by the calibration."""
        kind = find_kind(workload.kind)
        return message_parameters(kind, workload.parameters, calibration=self.calibration)

    def begin_trial(self, plan: PlannedTrial) -> None:
        """Keep a trial in the account, whatever becomes of it."""
        self.trials.append(TrialEntry(plan=plan))

    def end_trial(self, plan: PlannedTrial, *, result: TrialResult) -> TrialEntry:
        """Replace what is known of a trial, and return its entry."""
        entry = TrialEntry(plan=plan, result=result)
        self.trials[plan.trial] = entry
        return entry

    def send(self, plan: PlannedTrial, *, mix: Mix | None = None) -> TrialResult:
        """Send all jobs of a new trial at once; return its start and how many were sent."""
        self.begin_trial(plan)
        self.tail.view(plan.trial)
        sent = publish(
            self.client,
            run=self.run,
            plan=plan,
            offsets_s=[0.0] * plan.count,
            scope=self.run,
            mix=mix,
        )
        result = TrialResult(start_ns=sent.first_due_ns, sent=self.count_sent(plan))
        return self.end_trial(plan, result=result).result

    def count_sent(self, plan: PlannedTrial) -> int:
        """Return how many of a trial's jobs the broker has counted, interrupted or not."""
        return int(self.client.hget(run_key(self.run), sent_field(plan.trial)) or 0)

    def count_interrupted(self) -> None:
        """Note of each trial that was interrupted how many of its jobs were sent."""
        for plan, result in [(one.plan, one.result) for one in self.trials]:
            if result.end_ns is None:
                self.end_trial(plan, result=replace(result, sent=self.count_sent(plan)))

    def invalidate(self, trials: Iterable[TrialEntry], *, reason: Reason) -> None:
        """Add a reason why trials are invalid."""
        for plan, result in [(one.plan, one.result) for one in trials]:
            self.end_trial(plan, result=replace(result, reasons=(*result.reasons, reason)))

    def next_trial(self) -> int:
        """Return the index of the next trial, dense from 0."""
        return len(self.trials)

    def samples_frame(self) -> pl.DataFrame:
        """Return all samples, as ``samples.parquet`` holds them."""
        return pl.DataFrame([asdict(sample) for sample in self.samples], schema=SAMPLE_SCHEMA)
