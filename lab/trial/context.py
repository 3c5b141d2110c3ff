"""What the trials of one run share: the broker, the stream's tail, the account so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl
import redis

from collector.schema import SAMPLE_SCHEMA
from lab.experiment.model import Workload
from lab.fixtures.proxies import Proxy
from lab.fixtures.sender import Sender
from lab.instruments.job_cost import Gauge
from lab.instruments.machine_monitor import Disturbance, Watch
from lab.instruments.process_sampler import Sample
from lab.instruments.remote_control import Control
from lab.instruments.stream_follower import Tail
from poolbench.calibration import message_parameters
from poolbench.errors import StackError
from poolbench.jobs import find_kind
from poolbench.keys import run_key, sent_field
from poolbench.records import TrialPlan
from producer.publisher import publish
from producer.template import Mix


@dataclass(slots=True, kw_only=True)
class PartFacts:
    """One sort of job in a trial of a mix; an entry of its ``parts``."""

    name: str
    kind: str
    #: What its messages carried.
    parameters: Mapping[str, int | float]
    share: float
    ideal_wait_s: float | None
    #: As `TrialFacts` has them, of this part alone.
    cpu_s_per_job_before: float | None = None
    cpu_s_per_job_after: float | None = None


@dataclass(slots=True, kw_only=True)
class TrialFacts:
    """A trial as it went; one entry of the manifest's ``trials``."""

    plan: TrialPlan
    block: int
    workload: str
    #: A pilot sizes or readies and enters no figure.
    is_pilot: bool
    #: When its first job was due, and when it was over; None for a trial that was cut.
    start_ns: int | None = None
    end_ns: int | None = None
    sent: int = 0
    #: CPU-seconds of what a job computes, in one thread without Celery, around the trial; None if
    #: it only waits. Mixed jobs have these and an ideal wait.
    cpu_s_per_job_before: float | None = None
    cpu_s_per_job_after: float | None = None
    ideal_wait_s: float | None = None
    #: Of a mix: its parts as they were sent, each with its share and the same two measures.
    parts: list[PartFacts] = field(default_factory=list)
    #: What the workload measures; one of `lab.experiment.arrivals.MEASURES`.
    measure: str = "capacity"
    #: Which step of a search it was, from 0, and whether its rate was held; None elsewhere.
    step: int | None = None
    held: bool | None = None
    #: Of a point of a curve: its rate as a share of the sustained one.
    load_share: float | None = None
    #: Workers that were up, idle but for the one measured.
    workers_up: int = 0
    #: Share of all the machine's CPU that others took, stolen time included; None if untold.
    foreign_cpu_share: float | None = None
    #: The part of it that a hypervisor took.
    stolen_cpu_share: float | None = None
    #: How far the wall clock was set in it, seconds.
    clock_step_s: float | None = None
    #: Events that a Flower took in meanwhile; None without one.
    flower_events: int | None = None
    #: What the worker's connections asked of Redis; None where the server doesn't tell.
    redis_commands: int | None = None
    redis_bytes: int | None = None
    redis_connections: int | None = None
    #: Why the trial is invalid; empty if it is not.
    reasons: list[str] = field(default_factory=list)
    #: Why it is doubtful.
    tolerated: list[str] = field(default_factory=list)

    def take(self, found: Disturbance) -> None:
        """Keep what happened on the machine meanwhile."""
        self.foreign_cpu_share = found.foreign_cpu_share
        self.stolen_cpu_share = found.stolen_cpu_share
        self.clock_step_s = found.clock_step_s

    def as_manifest(self) -> dict[str, Any]:
        """Return the manifest's entry, the plan's fields beside the facts."""
        facts = asdict(self)
        return {**facts.pop("plan"), **facts}


@dataclass(slots=True, kw_only=True)
class Bench:
    """One run's broker connection and everything gathered so far."""

    run: str
    client: redis.Redis
    tail: Tail
    #: By the Python that a contender names; empty: the lab's own.
    gauges: Mapping[str, Gauge]
    #: Variables that every worker of the run gets.
    environment: Mapping[str, str]
    watch: Watch = field(default_factory=Watch)
    #: Asks the workers by Celery's remote control.
    control: Control
    #: The proxies between workers and Redis, by contender.
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    #: CPU-seconds of a unit of work, by kind; of those kinds that need one here.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: What sends jobs at their times; None where all workloads are backlogs.
    sender: Sender | None = None
    trials: list[TrialFacts] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def message_parameters(self, workload: Workload) -> dict[str, int | float]:
        """Return what the messages of a workload carry: its work in units, by the calibration."""
        kind = find_kind(workload.kind)
        return message_parameters(kind, workload.parameters, calibration=self.calibration)

    def send(self, facts: TrialFacts, *, mix: Mix | None = None) -> None:
        """Send a trial's jobs at once; it is kept in the account, whatever becomes of it."""
        self.trials.append(facts)
        self.tail.view(facts.plan.trial)
        try:
            sent = publish(
                self.client,
                run=self.run,
                plan=facts.plan,
                offsets_s=[0.0] * facts.plan.count,
                scope=self.run,
                mix=mix,
            )
            facts.start_ns = sent.first_due_ns
        finally:
            self.count_sent(facts)

    def begin_sending(
        self, facts: TrialFacts, *, offsets_s: Sequence[float], mix: Mix | None
    ) -> Sender:
        """Have a trial's jobs sent at their times by the sender, which is returned.

        The trial is kept in the account, whatever becomes of it; `count_sent` completes that.
        """
        if self.sender is None:
            raise StackError("this run has no sender")
        self.trials.append(facts)
        self.tail.view(facts.plan.trial).lines = None if facts.step is None else []
        self.sender.begin(facts.plan, run=self.run, offsets_s=offsets_s, mix=mix)
        return self.sender

    def count_sent(self, facts: TrialFacts) -> None:
        """Note how many of a trial's jobs the broker has counted, whether it was cut or not."""
        counted = self.client.hget(run_key(self.run), sent_field(facts.plan.trial))
        facts.sent = int(counted or 0)

    def next_trial(self) -> int:
        """Return the index of the next trial, dense from 0."""
        return len(self.trials)

    def samples_frame(self) -> pl.DataFrame:
        """Return all samples, as ``samples.parquet`` holds them."""
        return pl.DataFrame([asdict(sample) for sample in self.samples], schema=SAMPLE_SCHEMA)
