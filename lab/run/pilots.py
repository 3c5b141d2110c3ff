"""Measures before the first trial: sizes of backlogs, ceilings, the configuration in effect."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from collector.run_manifest import Workload
from lab.instruments.ceilings import redis_cpu_s
from lab.run.state import Run
from lab.trial.context import LabWorker
from lab.trial.plan import TrialOrder
from lab.trial.runner import backlog_size, busy_slots, conduct, measured_rate_per_s
from poolbench.errors import StackError
from poolbench.jobs import find_kind, ideal_wait_s
from poolbench.keys import queue_name, run_key
from poolbench.records import TrialPlan
from producer.publisher import publish

#: Jobs of the trial that measures a worker's ceiling with no-op jobs.
NOOP_JOBS = 250
NOOP_JOBS_PER_SLOT = 5
#: Contender of a queue that no worker reads.
NOBODY = "nobody"
#: Messages of the burst that measures the producer's ceiling.
PRODUCER_JOBS = 5_000
#: Jobs of a pilot that only computes: enough for a rate, since more slots don't speed them up.
CPU_PILOT_JOBS = 16


def size_backlogs(run: Run, workers: Mapping[str, LabWorker]) -> None:
    """Size every backlog; measure the ceilings of each worker and of Redis by no-op jobs."""
    noop = Workload(name="no-op", kind="io.sleep", parameters={"delay_ms": 0.0})
    rates_per_s: dict[str, float] = {}
    redis_per_s: dict[str, float] = {}
    for contender in run.experiment.originals:
        worker = workers[contender.name]
        count = max(NOOP_JOBS, NOOP_JOBS_PER_SLOT * contender.slots)
        before_s = redis_cpu_s(run.bench.client)
        rate_per_s = round(_pilot(run, worker, noop, count)[0], 1)
        spent_s = redis_cpu_s(run.bench.client) - before_s
        rates_per_s[contender.name] = rate_per_s
        if spent_s > 0:
            # one thread of the server runs all commands
            redis_per_s[contender.name] = round(count / spent_s, 1)
        for workload in run.experiment.workloads:
            found = _workload_pilot(run, worker, workload)
            run.rates_per_s[contender.name, workload.name] = found.rate_per_s
            run.counts[contender.name, workload.name] = backlog_size(
                found.rate_per_s,
                slots=busy_slots(found.peak, jobs=found.jobs, slots=contender.slots),
                trial_s=run.experiment.trial_s,
            )
    run.ceilings = replace(run.ceilings, noop_per_s=rates_per_s, redis_per_s=redis_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The result of a worker's pilots in a workload."""

    #: Jobs a second; 0 if unknown.
    rate_per_s: float
    #: The highest number of jobs in flight at once, and the number of jobs.
    peak: int
    jobs: int


def _workload_pilot(run: Run, worker: LabWorker, workload: Workload) -> _Found:
    """Return a worker's result in a workload.

    For a mix it is computed from a pilot of each of its parts. A pilot of the mix itself would
    mostly wait for its longest job.
    """
    job_s = 0.0
    found = _Found(rate_per_s=0.0, peak=0, jobs=0)
    for sort, share in zip(workload.sorts, workload.shares, strict=True):
        count = CPU_PILOT_JOBS if _only_computes(sort) else 2 * worker.contender.slots
        rate_per_s, peak = _pilot(run, worker, sort, count)
        job_s += share / rate_per_s if rate_per_s else math.inf
        found = max(found, _Found(rate_per_s=0.0, peak=peak, jobs=count), key=lambda one: one.peak)
    return replace(found, rate_per_s=1 / job_s)


def _only_computes(workload: Workload) -> bool:
    kind = find_kind(workload.kind)
    return kind.computes and not ideal_wait_s(kind, workload.parameters)


def _pilot(run: Run, worker: LabWorker, workload: Workload, count: int) -> tuple[float, int]:
    """Return the jobs a second of a small trial, and the most jobs in flight at once."""
    run.progress.now(f"pilot: {worker.contender.name} · {workload.name}")
    order = TrialOrder(
        worker=worker,
        workload=workload,
        count=count,
        is_pilot=True,
        stall_s=run.experiment.stall_s,
        workers_up=len(run.experiment.contenders),
    )
    trial = conduct(run.bench, order)
    if trial.result.reasons:
        reason = "; ".join(one.text for one in trial.result.reasons)
        raise StackError(f"{worker.contender.name} failed its pilot of {workload.name}: {reason}")
    return measured_rate_per_s(trial.view), trial.view.peak_overlap()


def ceiling_run(run: str) -> str:
    """Return the run name for the producer's ceiling, which keeps it apart from the run's jobs."""
    return f"{run}-ceiling"


def producer_ceiling_per_s(run: Run) -> float:
    """Return the messages a second that the producer sends into a queue without a worker."""
    queue = queue_name(NOBODY, scope=run.name)
    plan = TrialPlan(
        trial=0, contender=NOBODY, pool="", slots=0, kind="io.sleep", parameters={"delay_ms": 0}
    )
    began_s = time.perf_counter()
    publish(
        run.bench.client,
        run=ceiling_run(run.name),
        plan=plan,
        offsets_s=[0.0] * PRODUCER_JOBS,
        scope=run.name,
    )
    spent_s = time.perf_counter() - began_s
    run.bench.client.delete(queue, run_key(ceiling_run(run.name)))
    return round(PRODUCER_JOBS / spent_s, 1)


def ask_configuration(run: Run) -> None:
    """Record each worker's Celery configuration in effect; Celery censors the secrets."""
    names = [contender.name for contender in run.experiment.contenders]
    run.celery.update(run.bench.control.configurations(names))
