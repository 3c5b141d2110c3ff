"""Estimates how long a run takes, from its plan alone. Pure.

The constants were fitted to whole runs on two cores. The error is +2 % for `demo`, -2 to +3 % for
`bench`, +3 % for `cpu`, +5 % for `io`, 0 % for `mixed`, -6 % for `mix`, +19 % for `slots` and +16 %
for `load`, whose searches vary (tests/unit/lab/run/test_duration.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator

from collector.run_manifest import Contender, WorkerGroup, Workload
from lab.experiment.arrivals import MEASURES, paced_count
from lab.experiment.model import Experiment
from lab.run.lanes import LANE_JOBS, PAUSE_S
from lab.run.pilots import (
    CPU_PILOT_JOBS,
    NOOP_JOBS,
    NOOP_JOBS_PER_SLOT,
    PILOTED,
    limited_job_s,
)
from lab.run.rate_search import START_SHARE
from lab.run.trial_sequences import Unit, block_units
from lab.trial.runner import JOBS_IN_FLIGHT, MORE_THAN_PILOT
from lab.trial.worker_trials import SLOT_SLEEP_MS
from lab.trial.workers import FIRST_WAIT_MS, MAX_WARM_UP_CPU_JOBS, SLEEP, SLEEPS_OF_SEVERAL
from poolbench.jobs import ideal_wait_s, kind_of, rough_job_s
from producer.arrivals import read_schedule

#: Until the first worker starts: broker, upstream, calibration, ceilings, seconds.
OPEN_S = 1.0
#: CPU time of a worker until it has run its first sleeps, seconds.
WORKER_CPU_S = 1.2
#: From a trial's end to the next one's start, seconds.
BETWEEN_TRIALS_S = 0.1
#: Of a trial or pilot: until its slots are busy, and from the end of its last job until that is
#: seen, seconds.
EDGES_S = 0.08
#: Until a worker has reported that it has no job, around a trial, seconds: half of the time between
#: two heartbeats, and a recorder's pause.
REPORT_AT_REST_S = 0.6
#: Celery's own CPU time for a job, seconds.
CELERY_CPU_S = 0.0012
#: Steps of a search; most have four to seven.
SEARCH_STEPS = 5
#: To read the records and to write the report, seconds.
END_S = 3.5
#: Until a gevent worker has stopped, seconds; between blocks others start meanwhile.
GEVENT_STOP_S = 4.0
#: To fetch a byte, or to write and sync it, seconds; `rough_job_s` is for the slowest disks.
BYTE_S = 4e-9


def expected_s(experiment: Experiment, *, cores: int) -> float:
    """Return how long a run of an experiment is expected to take, seconds.

    Trials that are repeated because the machine was disturbed are not included.

    Args:
        experiment: with its A/A control, and without contenders that can't run here.
        cores: number of usable cores.
    """
    lanes_s = _lanes_s(experiment, cores=cores)
    if not experiment.workloads:
        return OPEN_S + lanes_s + END_S
    start_s = _start_s(experiment, cores=cores)
    first_s, block_s = (
        start_s + sum(_unit_s(unit, trial_s=experiment.trial_s, cores=cores) for unit in units)
        for units in (block_units(experiment, block=0), block_units(experiment, block=1))
    )
    first_s += OPEN_S + _pilots_s(experiment, cores=cores)
    others, until = experiment.repetitions - 1, experiment.until
    if until is not None:
        others = max(others, math.floor((until.at_most_s - first_s) / block_s))
    has_gevent = any(group.pool == "gevent" for one in experiment.contenders for group in one.crew)
    return first_s + others * block_s + lanes_s + END_S + GEVENT_STOP_S * has_gevent


def _lanes_s(experiment: Experiment, *, cores: int) -> float:
    """Return the time of the trials of lanes, with the start and the end of their workers."""
    if not experiment.lanes:
        return 0.0
    groups = [group for one in experiment.originals for group in one.crew]
    total_s = WORKER_CPU_S * sum(group.workers for group in groups) / cores
    total_s += GEVENT_STOP_S * any(group.pool == "gevent" for group in groups)
    for contender, workload in itertools.product(experiment.originals, experiment.lanes):
        jobs_s = LANE_JOBS / _rate_per_s(contender, workload, cores=cores)
        warm_s = len(workload.sorts) * (FIRST_WAIT_MS / 1_000 + EDGES_S)
        total_s += warm_s + PAUSE_S + max(jobs_s, _longest_wait_s(workload)) + EDGES_S
    return total_s


def _longest_wait_s(workload: Workload) -> float:
    return max(_wait_s(sort) for sort in workload.sorts)


def _start_s(experiment: Experiment, *, cores: int) -> float:
    """Return the time until all workers of a block are ready and have run their first jobs."""
    contenders = experiment.contenders
    wait_s = 0.0
    cpu_s = WORKER_CPU_S * sum(group.workers for one in contenders for group in one.crew)
    for sort in _sorts(experiment):
        kind = kind_of(sort.kind)
        if kind.is_cpu_bound:
            jobs = sum(min(one.slots, MAX_WARM_UP_CPU_JOBS) for one in contenders)
            cpu_s += jobs * _cpu_s(sort)
        elif ideal_wait_s(kind, sort.parameters) is None:
            cpu_s += sum(2 * one.slots for one in contenders) * _cpu_s(sort)
        elif sort.kind != SLEEP:
            wait_s += FIRST_WAIT_MS / 1_000
            cpu_s += sum(one.slots for one in contenders) * CELERY_CPU_S
    return wait_s + cpu_s / cores


def _pilots_s(experiment: Experiment, *, cores: int) -> float:
    """Return the time to size the backlogs."""
    total_s = 0.0
    for contender in experiment.originals:
        noops = max(NOOP_JOBS, NOOP_JOBS_PER_SLOT * contender.slots)
        total_s += noops * CELERY_CPU_S + EDGES_S
        for sort in _sorts(experiment, measures=PILOTED):
            count = CPU_PILOT_JOBS if _only_computes(sort) else 2 * contender.slots
            total_s += count / _rate_per_s(contender, sort, cores=cores) + EDGES_S
    return total_s


def _unit_s(unit: Unit, *, trial_s: float, cores: int) -> float:
    """Return the time of a unit's trials, with the pause after each."""
    contender, workload, trials = unit.contender, unit.workload, 1
    if workload.measure == "idle":
        return REPORT_AT_REST_S + workload.measure_parameters["idle_s"] + BETWEEN_TRIALS_S
    if workload.measure == "start":
        return _fresh_start_s(contender, workload, cores=cores) + BETWEEN_TRIALS_S
    rate_per_s = _rate_per_s(contender, workload, cores=cores)
    if unit.is_search or unit.share is not None:
        trials = SEARCH_STEPS if unit.is_search else 1
        paced_per_s = START_SHARE * rate_per_s * (unit.share or 1.0)
        busy_s = paced_count(paced_per_s, trial_s=trial_s) / paced_per_s
    elif workload.arrivals is not None:
        schedule = read_schedule(workload.arrivals)
        busy_s = max(schedule.span_s, schedule.count / rate_per_s)
        busy_s = max(busy_s, schedule.count * limited_job_s(contender, workload))
    else:
        slots = contender.slots
        if contender.pool in ("gevent", "asyncio") and _only_computes(workload):
            # its pilot finds one busy slot
            slots = min(slots, MORE_THAN_PILOT)
        job_s = max(1 / rate_per_s, limited_job_s(contender, workload))
        busy_s = max(trial_s, JOBS_IN_FLIGHT * slots * job_s)
    total_s = trials * (busy_s + _countdown_s(workload) + EDGES_S + BETWEEN_TRIALS_S)
    if (workload.arrivals is not None or workload.has_options) and not unit.is_search:
        total_s += REPORT_AT_REST_S
    return total_s


def _fresh_start_s(contender: Contender, workload: Workload, *, cores: int) -> float:
    """Return the time to start workers beside those of the block, and to end them."""
    workers = sum(group.workers for group in contender.crew)
    cpu_s = WORKER_CPU_S + workload.measure_parameters["import_ms"] / 1_000
    waves = SLEEPS_OF_SEVERAL if workers > 1 else 1
    stop_s = GEVENT_STOP_S * any(group.pool == "gevent" for group in contender.crew)
    usable = min(cores, contender.cpus or cores)
    return cpu_s * max(1.0, workers / usable) + waves * SLOT_SLEEP_MS / 1_000 + EDGES_S + stop_s


def _countdown_s(workload: Workload) -> float:
    """Return the longest that a job waits for a countdown and for that of its retry."""
    options = [part.options for part in workload.mix]
    return max(
        (one.countdown_s + (one.retry.countdown_s if one.retry else 0.0) for one in options),
        default=0.0,
    )


def _rate_per_s(contender: Contender, workload: Workload, *, cores: int) -> float:
    """Return about how many jobs a second a contender does at most."""
    shared = list(zip(workload.sorts, workload.shares, strict=True))
    cpu_s = CELERY_CPU_S + sum(share * _cpu_s(sort) for sort, share in shared)
    job_s = cpu_s + sum(share * _wait_s(sort) for sort, share in shared)
    rates_per_s = (
        group.workers * min(group.slots / job_s, _cores(group, cores=cores) / cpu_s)
        for group in contender.crew
    )
    return min(sum(rates_per_s), (contender.cpus or cores) / cpu_s)


def _cores(group: WorkerGroup, *, cores: int) -> int:
    """Return how many cores one of the group's workers can use for Python code."""
    return min(cores, group.slots) if group.pool == "prefork" else 1


def _sorts(experiment: Experiment, *, measures: Container[str] = MEASURES) -> Iterator[Workload]:
    for workload in experiment.workloads:
        if workload.measure in measures:
            yield from workload.sorts


def _only_computes(workload: Workload) -> bool:
    return not workload.mix and kind_of(workload.kind).computes and not _wait_s(workload)


def _wait_s(sort: Workload) -> float:
    return ideal_wait_s(kind_of(sort.kind), sort.parameters) or 0.0


def _cpu_s(sort: Workload) -> float:
    timed = {name: value for name, value in sort.parameters.items() if name != "size_bytes"}
    size_bytes = sort.parameters.get("size_bytes", 0)
    return rough_job_s(kind_of(sort.kind), timed) - _wait_s(sort) + size_bytes * BYTE_S
