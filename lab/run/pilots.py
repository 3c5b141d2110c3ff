"""Determines the sizes of backlogs, and ceilings, before the first trial."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from collector.run_manifest import Contender, Workload
from lab.experiment.app import queue_of
from lab.experiment.arrivals import MAX_JOBS
from lab.experiment.worker_settings import limits_overlap
from lab.instruments.ceilings import redis_cpu_s
from lab.run.state import Run
from lab.trial.context import LabWorker
from lab.trial.queues import addressed, spread
from lab.trial.runner import backlog_size, busy_slots, conduct, measured_rate_per_s
from poolbench.errors import StackError
from poolbench.jobs import ideal_wait_s, kind_of
from poolbench.keys import queue_name, run_key
from poolbench.records import TrialPlan
from producer.publisher import publish

#: Ends a worker that may be faulty, and starts another.
ReplaceWorker = Callable[[LabWorker], None]

#: Jobs of the trial that measures a worker's ceiling with no-op jobs.
NOOP_JOBS = 250
NOOP_JOBS_PER_SLOT = 5
#: First no-op jobs of a contender whose settings may let it take half a second for each, and for
#: how many seconds of such jobs its pilots may then be.
FEW_JOBS = 10
LIMITED_PILOT_S = 5.0
#: The measures that need a pilot: to size a backlog, or to start a search.
PILOTED = frozenset({"capacity", "sustain", "curve", "ping"})
#: Contender name of a queue that no worker reads.
NO_WORKER = "no-worker"
#: Messages of the burst that measures the producer's ceiling.
PRODUCER_JOBS = 5_000
#: Jobs of a pilot that only computes: enough for a rate, since more slots don't speed them up.
CPU_PILOT_JOBS = 16


def size_backlogs(run: Run, *, replace_worker: ReplaceWorker) -> None:
    """Size every backlog; measure the ceilings of each worker and of Redis by no-op jobs.

    A worker of which the kernel kills a process at its memory limit is replaced if its pilot is
    invalid for it. Its trial, of the fewest jobs, shows that; the others are measured.
    """
    noop = Workload(name="no-op", kind="io.sleep", parameters={"delay_ms": 0.0})
    rates_per_s: dict[str, float] = {}
    redis_per_s: dict[str, float] = {}
    for contender in run.experiment.originals:
        every_worker, most = spread(noop, contender=contender), MAX_JOBS
        if any(limits_overlap(group) for group in contender.crew):
            few_per_s, _ = _pilot(
                run, contender, every_worker, FEW_JOBS, replace_worker=replace_worker
            )
            most = max(FEW_JOBS, round(few_per_s * LIMITED_PILOT_S))
        count = min(most, max(NOOP_JOBS, NOOP_JOBS_PER_SLOT * contender.slots))
        before_s = redis_cpu_s(run.client)
        seen_per_s, _ = _pilot(run, contender, every_worker, count, replace_worker=replace_worker)
        rate_per_s = round(seen_per_s, 1)
        spent_s = redis_cpu_s(run.client) - before_s
        rates_per_s[contender.name] = rate_per_s
        if spent_s > 0:
            # one thread of the server runs all commands
            redis_per_s[contender.name] = round(count / spent_s, 1)
        for workload in run.experiment.workloads:
            if workload.measure in PILOTED:
                _size_backlog(run, contender, workload, most=most, replace_worker=replace_worker)
    run.ceilings = replace(run.ceilings, noop_per_s=rates_per_s, redis_per_s=redis_per_s)


def _size_backlog(
    run: Run, contender: Contender, workload: Workload, *, most: int, replace_worker: ReplaceWorker
) -> None:
    """Record a contender's rate in a workload, and how many jobs its trial needs.

    For a mix both are computed from a pilot of each of its parts. A pilot of the mix itself would
    mostly wait for its longest job. The queue that takes longest determines the rate, or a rate
    limit that allows fewer jobs than the workers can run. No pilot has more than ``most`` jobs.
    """
    #: Seconds that a queue takes for a job of the workload, by the queue.
    queues_s: dict[str, float] = {}
    #: The most jobs in flight at once, and the number of jobs of that pilot.
    peak, jobs = 0, 0
    described = run.experiment.described
    queues = [
        queue_of(part, described=described) if described else part.options.queue
        for part in workload.mix
    ] or [""]
    for sort, share, asked in zip(workload.sorts, workload.shares, queues, strict=True):
        queue = asked if asked in contender.queues_consumed else ""
        count = min(most, CPU_PILOT_JOBS if _only_computes(sort) else 2 * contender.slots)
        pilot = addressed(sort, contender=contender, queue=queue)
        rate_per_s, seen = _pilot(run, contender, pilot, count, replace_worker=replace_worker)
        job_s = share / rate_per_s if rate_per_s else math.inf
        queues_s[queue] = queues_s.get(queue, 0.0) + job_s
        if seen > peak:
            peak, jobs = seen, count
    job_s = max(*queues_s.values(), limited_job_s(contender, workload))
    run.rates_per_s[contender.name, workload.name] = 1 / job_s
    run.counts[contender.name, workload.name] = backlog_size(
        1 / job_s,
        slots=busy_slots(peak, jobs=jobs, slots=contender.slots),
        trial_s=run.experiment.trial_s,
    )


def limited_job_s(contender: Contender, workload: Workload) -> float:
    """Return the time for each job of a workload by its rate limits; 0 without any."""
    workers = sum(group.workers for group in contender.crew)
    shares: dict[str, float] = {}
    for part, share in zip(workload.mix, workload.shares, strict=False):
        retries = part.options.retry.share if part.options.retry else 0.0
        shares[part.kind] = shares.get(part.kind, 0.0) + share * (1 + retries)
    limits = {part.kind: part.options.limit_per_s for part in workload.mix}
    return max(
        (shares[kind] / (limit * workers) for kind, limit in limits.items() if limit), default=0.0
    )


def _only_computes(workload: Workload) -> bool:
    kind = kind_of(workload.kind)
    return kind.computes and not ideal_wait_s(kind, workload.parameters)


def _pilot(
    run: Run,
    contender: Contender,
    workload: Workload,
    count: int,
    *,
    replace_worker: ReplaceWorker,
) -> tuple[float, int]:
    """Return the jobs a second of a small trial, and the most jobs in flight at once."""
    worker = run.up[contender.name]
    run.progress.now(f"pilot: {contender.name} · {workload.name}")
    result, view = conduct(run, worker, workload, count=count, is_pilot=True)
    if not result.is_valid and result.limits and result.limits.oom_kills:
        replace_worker(worker)
        return 0.0, 0
    if not result.is_valid:
        reason = "; ".join(one.text for one in result.reasons)
        raise StackError(f"{contender.name} failed its pilot of {workload.name}: {reason}")
    return measured_rate_per_s(view), view.peak_overlap()


def producer_ceiling_per_s(run: Run) -> float:
    """Return the messages a second that the producer sends into a queue without a worker."""
    # a run of its own, so that its jobs don't count as jobs of this run
    name = f"{run.name}-ceiling"
    plan = TrialPlan(
        trial=0, contender=NO_WORKER, pool="", slots=0, kind="io.sleep", parameters={"delay_ms": 0}
    )
    began_s = time.perf_counter()
    try:
        publish(run.client, run=name, plan=plan, offsets_s=[0.0] * PRODUCER_JOBS, scope=run.name)
        return round(PRODUCER_JOBS / (time.perf_counter() - began_s), 1)
    finally:
        run.client.delete(queue_name(NO_WORKER, scope=run.name), run_key(name))
