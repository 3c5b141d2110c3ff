"""Reads an app's demand from its profile. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from collector.recording import RecordedWorker, Recording
from lab.advise.model import CELERY_PREFETCH, MATTERS_SHARE, Demand, Feature, Setting, TaskDemand
from lab.replay.segments import with_segments
from poolbench.errors import Fault, UsageError
from poolbench.pools import POOLS
from report import format as fmt
from report.profile.model import Profile, TaskProfile
from report.statistics.percentiles import values_needed
from report.statistics.ratios import Median

#: Fewest executions of a task that matters: its p95 and its mean are then known well enough.
LEAST_EXECUTIONS = values_needed(900)

#: Fewest executions in all: the p95 of their waits is then known.
LEAST_JOBS = values_needed(950)

#: Shortest recording, seconds: a worker's first minute is not its usual work.
LEAST_SPAN_S = 60.0

#: Largest share of lines or executions that may be missing.
MISSING_SHARE = 0.01
UNFINISHED_SHARE = 0.05

#: Least share of the busy time of which it is known whether it computed or waited.
KNOWN_SHARE = 0.8

#: Growth of a worker within a day from which it needs new processes, bytes, and the shortest
#: recording that shows it, seconds: memory grows with a process's first jobs in any case.
LEAK_BYTES = 500_000_000
LEAK_SPAN_S = 600.0
_DAY_S = 86_400.0

#: Features that are only set until something happens: whether it did.
_HAS_EFFECT: Mapping[str, Callable[[Profile], bool]] = {
    **dict.fromkeys(
        ("soft time limit", "hard time limit"),
        lambda profile: any(task.timeouts for task in profile.tasks),
    ),
    **dict.fromkeys(
        ("max tasks per child", "max memory per child"),
        lambda profile: _grows_bytes(profile, within_s=_DAY_S) > LEAK_BYTES,
    ),
    "survival of a job's crash": lambda profile: any(task.lost for task in profile.tasks),
    "soft shutdown": lambda _: False,
}

#: Features that a candidate has in another form: a fixed number of slots, a small multiplier.
_REPLACEABLE = frozenset({"autoscale", "no prefetching"})

#: Outcomes of a survey in which a pool doesn't do what Celery promises.
_LOST = ("ignored", "breaks")


def read_demand(profile: Profile, *, recording: Recording, cores: float) -> Demand:
    """Return the demand of a recorded app, with the gaps of its evidence.

    Args:
        profile: of the recording.
        recording: for the levels of each second.
        cores: of the machine that will measure.

    Raises:
        UsageError: if the recordings are of workers that differ in pool or slots, or if the
            recording doesn't have the worker's own description.
    """
    workers = profile.workers
    today = _today(workers, available=profile.slots.available)
    process, child = _memory(recording.levels, today=today)
    demand = Demand(
        tasks=_tasks(profile, recording=recording),
        span_s=profile.span_s,
        today=today,
        cores=cores,
        recorded_cores=profile.cores,
        dispersion=_dispersion(profile),
        process_bytes=process,
        child_bytes=child,
        connections_per_slot=_per_slot(recording.levels, today=today),
        is_acked_late=_is_acked_late(recording),
        packages={name: version for one in workers for name, version in one.packages.items()},
        features=tuple(_features(profile)),
    )
    return replace(demand, gaps=tuple(_gaps(profile, demand=demand)))


def _today(workers: Sequence[RecordedWorker], *, available: float) -> Setting:
    """Return the setting of the recorded workers."""
    if not workers:
        problem = "the recording doesn't have the worker's description"
        raise UsageError(Fault(problem=problem, remedy="record the worker from its start"))
    alike = {(one.pool, one.slots) for one in workers}
    if len(alike) > 1:
        names = [f"{one.name} ({one.pool}, {one.slots} slots)" for one in workers]
        problem = "the recordings are of workers that differ in pool or slots"
        remedy = "give the recordings of workers that are alike"
        raise UsageError(Fault(problem=problem, seen=", ".join(names), remedy=remedy))
    (pool, slots), first = alike.pop(), workers[0]
    if pool not in POOLS:
        problem = "its pool can't be measured"
        remedy = f"record a worker of {', '.join(POOLS)}"
        raise UsageError(Fault(where=first.name, problem=problem, seen=pool, remedy=remedy))
    return Setting(
        pool=pool,
        # with autoscale, the most that it had
        slots=max(1, slots, round(available / len(workers))),
        workers=len(workers),
        prefetch_multiplier=_prefetch_multiplier(first),
    )


def _prefetch_multiplier(worker: RecordedWorker) -> int | None:
    """Return the multiplier in effect; None for Celery's default."""
    found = worker.effective.get("prefetch_multiplier")
    return found if isinstance(found, int) and found != CELERY_PREFETCH else None


def _is_acked_late(recording: Recording) -> bool:
    of_workers = (one.settings.get("task_acks_late") for one in recording.workers)
    of_tasks = (options.get("acks_late") for options in recording.tasks.values())
    return any(bool(one) for one in (*of_workers, *of_tasks))


def _tasks(profile: Profile, *, recording: Recording) -> tuple[TaskDemand, ...]:
    """Return what an execution of each task needs by itself: the means of its stand-ins."""
    segments = with_segments(recording)
    names = ("held", "released", "unknown", "wait", "blocking")
    means = segments.group_by("kind").agg(pl.col(f"{name}_ns").mean() for name in names)
    by_task = {row.pop("kind"): row for row in means.to_dicts()}
    return tuple(
        TaskDemand(
            name=task.name,
            executions=task.executions,
            per_s=task.jobs_per_s,
            **{f"{name}_s": by_task[task.name][f"{name}_ns"] / 1e9 for name in names},
            p50_s=task.wall_s.p50 or task.wall_mean_s,
            p95_s=task.wall_s.p95 or task.wall_max_s,
        )
        for task in profile.tasks
        if task.executions
    )


def _dispersion(profile: Profile) -> float | None:
    """Return that of all arrivals: the mean over tasks, by rate, as if they were independent."""
    known = [(one.jobs_per_s, one.dispersion) for one in profile.tasks if one.dispersion]
    per_s = sum(rate for rate, _ in known)
    return sum(rate * value for rate, value in known) / per_s if per_s else None


def _memory(levels: pl.DataFrame, *, today: Setting) -> tuple[Median | None, Median | None]:
    """Return the memory of a worker of one process, and that of a further process of prefork.

    The resident memory of a process is what it would have alone. A prefork worker shares pages, so
    that each of its processes costs its part of the PSS. Of other pools that part is unknown, and
    the resident memory is its upper bound.
    """
    known = levels.drop_nulls(["processes", "pss_bytes", "rss_bytes"]).filter(
        pl.col("processes") > 0
    )
    alone = known["rss_bytes"] / known["processes"]
    shared = known["pss_bytes"] / known["processes"] if today.pool == "prefork" else alone
    return _range(alone), _range(shared)


def _per_slot(levels: pl.DataFrame, *, today: Setting) -> Median | None:
    many = levels["connections"].drop_nulls()
    return _range(many / today.slots)


def _range(values: pl.Series) -> Median | None:
    """Return the median of some seconds, with the range of nine in ten."""
    known = values.drop_nulls().sort()
    if known.is_empty():
        return None
    ends = (known.quantile(share, interpolation="nearest") for share in (0.05, 0.95))
    low, high = (float(end) for end in ends if end is not None)
    return Median(median=statistics.median(known), low=low, high=high)


def _features(profile: Profile) -> Iterator[Feature]:
    """Yield what the app relies on, with the pools that don't do it."""
    for one in profile.relied_on:
        if one.feature in _REPLACEABLE:
            continue
        lost = {
            pool: verdict.outcome for pool, verdict in one.pools.items() if verdict.outcome in _LOST
        }
        has_effect = _HAS_EFFECT.get(one.feature)
        is_used = has_effect(profile) if has_effect else one.executions > 0
        yield Feature(name=one.feature, is_used=is_used, lost_in=lost)


def _grows_bytes(profile: Profile, *, within_s: float) -> float:
    """Return the growth of memory that jobs are proved to leave behind within a time, bytes."""
    if profile.span_s < LEAK_SPAN_S:
        return 0.0
    return within_s * sum(
        task.jobs_per_s * max(0.0, task.growth_bytes.low)
        for task in profile.tasks
        if task.growth_bytes
    )


def _gaps(profile: Profile, *, demand: Demand) -> Iterator[str]:
    """Yield what is too little for advice, each with what to record and for how long."""
    counts = profile.counts
    executions = profile.executions
    if not demand.tasks:
        yield "No execution has a start and an end. Record the worker while it runs jobs."
        return
    if demand.span_s < LEAST_SPAN_S:
        seen = fmt.duration(demand.span_s)
        yield f"The recording has {seen}. Record for {fmt.minutes(LEAST_SPAN_S)} at least."
    if executions < LEAST_JOBS:
        yield (
            f"Only {fmt.counted(executions, noun='execution')} ended. "
            f"{_longer(LEAST_JOBS, seen=executions, demand=demand)}"
        )
    for task in demand.tasks:
        if demand.share_of(task) >= MATTERS_SHARE and task.executions < LEAST_EXECUTIONS:
            yield (
                f"{task.name} has {fmt.percent(demand.share_of(task))} of the busy time, and ran "
                f"{fmt.counted(task.executions, noun='time')}. "
                f"{_longer(LEAST_EXECUTIONS, seen=task.executions, demand=demand)}"
            )
    missing = counts.missed + counts.garbled + counts.dropped
    if missing > MISSING_SHARE * max(1, counts.lines):
        yield (
            f"{missing:,} of {counts.lines + missing:,} lines are missing. "
            "Record again, with a larger --max-size or for a shorter time."
        )
    if counts.unfinished > UNFINISHED_SHARE * executions:
        yield (
            f"{counts.unfinished:,} executions have no end. Record until the longest job has ended."
        )
    unknown = sum(
        demand.share_of(task)
        for task, seen in zip(demand.tasks, _ran(profile), strict=True)
        if seen.cpu_s is seen.running_share is None and seen.sampled_share < KNOWN_SHARE
    )
    if unknown > 1 - KNOWN_SHARE:
        yield (
            f"It is unknown for {fmt.percent(unknown)} of the busy time whether jobs computed or "
            "waited. Record on Linux as the worker's own user, with samples."
        )


def _ran(profile: Profile) -> list[TaskProfile]:
    return [one for one in profile.tasks if one.executions]


def _longer(wanted: int, *, seen: int, demand: Demand) -> str:
    """Return how long to record for a number of executions, at the recorded pace."""
    needed_s = demand.span_s * wanted / max(1, seen)
    return f"Record for about {fmt.minutes(needed_s)}: {wanted} executions are needed."
