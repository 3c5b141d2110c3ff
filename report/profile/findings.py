"""Finds what needs attention in a profile, and what its recording doesn't show. Pure.

Each finding is one line, by a rule of its own. The lines that concern most of the time come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from collector.recording import Recording
from poolbench.pools import BLOCKING_DRIVERS
from report import format as fmt
from report.legend import CAUSES, NOTABLE_S, NOTABLE_SHARE, ONE_THREAD_POOLS
from report.profile.model import Finding, Profile, TaskProfile, Unknown
from report.trials.wait_causes import Cause

#: Smallest share of the busy time of a task that is worth a line.
_BUSY_SHARE = 0.05

#: State → smallest share of the duration that is worth a line, and what the task waits for.
_STATES: Mapping[str, tuple[float, str]] = {
    "io_wait": (0.5, "for network, disk or a timer"),
    "gil_wait": (0.1, "for the GIL: other threads hold it"),
    "lock_wait": (0.1, "for a lock that isn't the GIL"),
    "any_lock": (0.1, "for a lock, unknown which"),
    "runnable": (0.1, "for a core"),
}

#: Smallest share of the duration on a core that makes a task one that computes.
_COMPUTES = 0.5

#: Smallest shares of executions that fail, or are retried.
_FAILURES, _RETRIES = 0.01, 0.05

#: Smallest share of the duration in which a task may block the loop without a line.
_BLOCKS = 0.02

#: Ratio of p95 to p50 from which a task's durations have a long tail.
_TAIL = 10.0

#: Index of dispersion from which arrivals are bursts, if it is no chance.
_BURSTY = 2.0

#: From the first third of the executions to the last: how many times, and by how many seconds,
#: the mean wait grows where a worker doesn't keep up.
_GROWN_TIMES, _GROWN_S = 2.0, 1.0

#: Fewest executions for that.
_LEAST_WAITS = 60

#: Largest difference of two clocks that is ignored, ns.
_CLOCK_NS = 1_000_000

#: Reasons why a recording ends as it should; a file that is being written has none.
_EXPECTED_ENDS = ("", "worker", "time")

#: Growth of memory worth a line, bytes in a day at the recorded rate.
_GROWTH_BYTES = 50e6

#: Growth that the recording itself has to show, bytes: caches fill in the first minutes.
_SEEN_GROWTH_BYTES = 5e6

#: Shares of the slots: rarely busy at p95, and busy on average.
_RARELY_BUSY, _BUSY = 0.5, 0.9

#: Share of the time that a CPU quota may stop a worker without a line.
_THROTTLED = 0.01

_DAY_S = 86_400

#: Most tasks that one line names.
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfTask:
    """A finding about a task that has the same line for other tasks."""

    task: str
    #: The line for one task, and the start of the line for several of them.
    text: str
    several: str
    #: The task's figure in the line for several tasks.
    figure: str
    weight: float


def findings(profile: Profile, *, recording: Recording) -> tuple[Finding, ...]:
    """Return the findings, those with the largest weight first."""
    found = [
        *_merged([one for task in profile.tasks for one in _of_task(task)]),
        *_of_waits(profile),
        *_growing(recording),
        *_of_reliance(profile),
        *_of_slots(profile),
        *_of_workers(profile),
        *_changed(recording),
    ]
    # a restarted worker has the same ones again
    return tuple(sorted(dict.fromkeys(found), key=lambda one: -one.weight))


def _merged(found: list[Finding | _OfTask]) -> Iterator[Finding]:
    """Yield one finding for the tasks that have the same one, those with the most weight first."""
    alike: dict[str, list[_OfTask]] = {}
    for one in found:
        if isinstance(one, Finding):
            yield one
        else:
            alike.setdefault(one.several, []).append(one)
    for several, ones in alike.items():
        ones.sort(key=lambda one: -one.weight)
        first = ones[0]
        if len(ones) == 1:
            yield Finding(task=first.task, text=first.text, weight=first.weight)
        else:
            figures = [f"{one.task} {one.figure}" for one in ones[:_NAMED]]
            figures += (
                [fmt.counted(rest, noun="more task")] if (rest := len(ones) - _NAMED) > 0 else []
            )
            yield Finding(text=f"{several}: {fmt.listed(figures)}", weight=first.weight)


def _of_task(task: TaskProfile) -> Iterator[Finding | _OfTask]:
    if task.busy_share >= _BUSY_SHARE:
        yield from _of_states(task)
    attempts = max(1, task.started)
    for count, least, what in (
        (task.failures, _FAILURES, "fails"),
        (task.retries, _RETRIES, "is retried"),
        (task.timeouts, 0.0, "is ended by its time limit"),
        (task.lost, 0.0, "loses its worker or child process"),
    ):
        if count and count >= least * attempts:
            share_text = fmt.percent(min(1.0, count / attempts))
            text = f"{what} in {share_text} of its executions ({count:,} of {attempts:,})"
            yield Finding(task=task.name, text=text, weight=0.3)
    yield from _of_distributions(task)


def _of_states(task: TaskProfile) -> Iterator[Finding | _OfTask]:
    """Yield what a task mostly does."""
    for state, (least, what) in _STATES.items():
        share = task.states.get(state, 0.0)
        if share >= least:
            share_text = fmt.percent(share)
            yield _OfTask(
                task=task.name,
                text=f"waits {share_text} of its time {what}",
                several=f"time spent waiting {what}",
                figure=share_text,
                weight=task.busy_share * share,
            )
    if task.core_share >= _COMPUTES:
        held, unknown = (fmt.percent(task.states.get(one, 0.0)) for one in ("core_held", "core"))
        whose = f"{held} with the GIL" if task.is_gil_known else "unknown whether with the GIL"
        if not task.is_gil_known and "core_held" in task.states:
            whose = f"{held} with the GIL, {unknown} unknown"
        computes = f"computes for {fmt.percent(task.core_share)} of its time"
        weight = task.busy_share * task.core_share
        yield Finding(task=task.name, text=f"{computes} ({whose})", weight=weight)
    if task.blocked_share and task.blocked_share >= _BLOCKS:
        share_text = fmt.percent(task.blocked_share)
        where = fmt.counted(task.blocked_executions, noun="execution")
        text = f"blocks the loop for {share_text} of its time, in {where}: other slots stop"
        yield Finding(task=task.name, text=text, weight=task.busy_share * task.blocked_share)


def _of_distributions(task: TaskProfile) -> Iterator[Finding | _OfTask]:
    """Yield long tails, bursts and growth of memory."""
    tail = task.wall_s
    if task.busy_share >= _BUSY_SHARE and tail.p50 and tail.p95 and tail.p95 >= _TAIL * tail.p50:
        times = f"p50 {fmt.duration(tail.p50)}, p95 {fmt.duration(tail.p95)}"
        text = f"has a long tail: {times}, largest {fmt.duration(task.wall_max_s)}"
        yield Finding(task=task.name, text=text, weight=task.busy_share * 0.5)
    # receipts come in bursts where a worker fetches several messages at once
    is_known = task.published_share == 1
    if (
        is_known
        and task.dispersion
        and task.dispersion > max(_BURSTY, task.dispersion_limit or 0.0)
    ):
        index = fmt.number(task.dispersion)
        text = f"arrives in bursts: index of dispersion {index}, 1 for random arrivals"
        several = "arrivals in bursts, by index of dispersion, 1 for random arrivals"
        yield _OfTask(task=task.name, text=text, several=several, figure=index, weight=0.1)
    growth = task.growth_bytes
    if (
        growth
        and growth.low * task.executions >= _SEEN_GROWTH_BYTES
        and growth.value * task.jobs_per_s * _DAY_S >= _GROWTH_BYTES
    ):
        left = f"{fmt.size(growth.value)} [{fmt.size(growth.low)}–{fmt.size(growth.high)}]"
        text = f"leaves {left} of memory in each execution"
        several = "memory that each execution leaves"
        yield _OfTask(task=task.name, text=text, several=several, figure=left, weight=0.4)


def _of_waits(profile: Profile) -> Iterator[Finding]:
    waits = profile.waits
    if waits is None or waits.mean_s < NOTABLE_S:
        return
    for cause, times in waits.causes.items():
        if times.share >= NOTABLE_SHARE and cause is not Cause.COUNTDOWN:
            wait = f"the jobs' mean wait of {fmt.duration(waits.mean_s)}"
            text = f"{fmt.percent(times.share)} of {wait}: {CAUSES[cause][1]}"
            yield Finding(text=text, weight=times.share)


def _growing(recording: Recording) -> Iterator[Finding]:
    """Yield a wait that grew from each third of the executions to the next."""
    waits_ns = (
        recording.jobs.filter(pl.col("eta_ns").is_null(), pl.col("attempt") == 0)
        .drop_nulls(["published_ns", "started_ns"])
        .sort("published_ns")
        .select(ns=pl.col("started_ns") - pl.col("published_ns"))["ns"]
        .to_numpy()
    )
    if len(waits_ns) < _LEAST_WAITS:
        return
    first_s, middle_s, last_s = (float(third.mean()) / 1e9 for third in np.array_split(waits_ns, 3))
    if first_s < middle_s < last_s > max(_GROWN_TIMES * first_s, first_s + _GROWN_S):
        grew = f"from {fmt.duration(first_s)} to {fmt.duration(last_s)}"
        text = f"the mean wait grew {grew}: the worker falls behind the arrivals"
        yield Finding(text=text, weight=1.0)


def _of_reliance(profile: Profile) -> Iterator[Finding]:
    """Yield what the app relies on and the pool of its own workers breaks."""
    for pool in sorted({worker.pool for worker in profile.workers}):
        for one in profile.relied_on:
            verdict = one.pools.get(pool)
            if verdict and verdict.outcome == "breaks":
                text = f"{pool} breaks {one.feature}, which the app relies on: {verdict.seen}"
                yield Finding(text=text.removesuffix("."), weight=0.8)


def _of_slots(profile: Profile) -> Iterator[Finding]:
    slots = profile.slots
    if slots.available and slots.mean >= _BUSY * slots.available:
        share = fmt.percent(slots.mean / slots.available)
        text = f"the slots are busy for {share} of the time: there is little headroom"
        yield Finding(text=text, weight=0.9)
    elif slots.available > 1 and slots.p95 < _RARELY_BUSY * slots.available:
        text = f"at most {slots.p95:g} of {slots.available:.3g} slots are busy in 95 % of the time"
        yield Finding(text=text, weight=0.2)
    for use in profile.prefetch:
        if use.end > use.start:
            text = f"{use.worker}: the prefetch count rose from {use.start} to {use.end}"
            yield Finding(text=text, weight=0.5)


def _of_workers(profile: Profile) -> Iterator[Finding]:
    if profile.throttled_share and profile.throttled_share >= _THROTTLED:
        share = fmt.percent(profile.throttled_share)
        text = f"a CPU quota stopped the workers for {share} of the time"
        yield Finding(text=text, weight=0.6)
    for worker in profile.workers:
        drivers = [one for one in BLOCKING_DRIVERS if one in worker.packages]
        if worker.pool == "gevent" and drivers:
            text = f"{worker.name}: {fmt.listed(drivers)} may block gevent's loop while waiting"
            yield Finding(text=text, weight=0.7)


def _changed(recording: Recording) -> Iterator[Finding]:
    """Yield the workers whose pool or slots differ from session to session."""
    seen: dict[str, dict[str, None]] = {}
    for session in recording.sessions:
        if worker := session.worker:
            kinds = seen.setdefault(worker.name, {})
            kinds[f"{worker.pool} with {fmt.counted(worker.slots, noun='slot')}"] = None
    for name, kinds in seen.items():
        if len(kinds) > 1:
            text = f"{name} ran as {fmt.listed(list(kinds))}: the figures mix them"
            yield Finding(text=text, weight=1.0)


def unknowns(profile: Profile, *, recording: Recording) -> tuple[Unknown, ...]:
    """Return what the recording doesn't show, with the reason and the remedy."""
    return tuple(_unknowns(profile, recording=recording))


def _unknowns(profile: Profile, *, recording: Recording) -> Iterator[Unknown]:
    if profile.published_share < 1:
        missing = fmt.percent(1 - profile.published_share)
        yield Unknown(
            what=f"the wait in the broker, and the arrivals, of {missing} of the executions",
            why="their publishers don't stamp messages",
            remedy="Import poolbench.publisher in the processes that send jobs.",
        )
    if early := _received_early(recording):
        yield Unknown(
            what="the wait in the broker",
            why=f"{early} received before their publication: clocks differ",
            remedy="Synchronize the clocks of the publishers' and the workers' hosts.",
        )
    pools = sorted({worker.pool for worker in recording.workers} & ONE_THREAD_POOLS)
    if pools and any(task.running_share is not None for task in profile.tasks):
        yield Unknown(
            what="what jobs waited for",
            why=f"the slots of {fmt.listed(pools)} share one thread",
            remedy="Record once with -P threads or prefork.",
        )
    elif not any(task.states for task in profile.tasks):
        yield Unknown(
            what="what slots were doing",
            why=_why_no_states(recording),
            remedy="Record on Linux, as the worker's user.",
        )
    elif hidden := [
        task.name
        for task in profile.tasks
        if task.busy_share >= _BUSY_SHARE and task.states.get("core", 0.0) >= _COMPUTES / 2
    ]:
        yield _unknown_gil(hidden, recording=recording)
    if any(task.states.get("any_lock") for task in profile.tasks):
        yield Unknown(
            what="which locks were the GIL",
            why=_why_no_states(recording),
            remedy="Record as the worker's user, with kernel.yama.ptrace_scope = 0.",
        )
    if profile.waits and Cause.UNKNOWN in profile.waits.causes:
        share = profile.waits.causes[Cause.UNKNOWN].share
        if share >= NOTABLE_SHARE:
            yield Unknown(
                what=f"the cause of {fmt.percent(share)} of the wait",
                why="the number of slots changes, or the end of an execution is missing",
                remedy="Record without --autoscale.",
            )
    others = set(profile.celeries) - {profile.tried_celery}
    if profile.relied_on and profile.tried_celery and others:
        yield Unknown(
            what=f"what each pool does on Celery {fmt.listed(sorted(others))}",
            why=f"the survey is of Celery {profile.tried_celery}",
            remedy="Run poolbench conformance --celery-python with the app's Python.",
        )
    yield from _incomplete(recording)


def _received_early(recording: Recording) -> str:
    """Return how many executions have clocks that differ, as text; empty for few."""
    jobs = recording.jobs
    early = int((jobs["published_ns"] - jobs["received_ns"] > _CLOCK_NS).sum())
    if early <= _FAILURES * jobs.height:
        return ""
    return f"{fmt.counted(early, noun='execution')} {'was' if early == 1 else 'were'}"


def _unknown_gil(tasks: list[str], *, recording: Recording) -> Unknown:
    holds = "holds" if len(tasks) == 1 else "hold"
    why = "a job that has its process for itself doesn't show it from outside"
    remedy = "Record with --gil-probe, or once with -P threads."
    if all(worker.pool == "threads" for worker in recording.workers):
        why = "no other thread waited for it while they ran"
        remedy = "Record under more load."
    return Unknown(
        what=f"whether {fmt.listed(tasks[:3])} {holds} the GIL while computing",
        why=why,
        remedy=remedy,
    )


def _why_no_states(recording: Recording) -> str:
    reasons = {one.gil_reason for one in recording.sessions if one.gil_reason}
    return "; ".join(sorted(reasons)) or "no thread's state was seen"


def _incomplete(recording: Recording) -> Iterator[Unknown]:
    """Yield what is missing from the files themselves."""
    counts = recording.counts
    if counts.unfinished:
        yield Unknown(
            what=f"the end of {fmt.counted(counts.unfinished, noun='execution')}",
            why="the recording ended before, or their process was killed",
            remedy="Record for longer.",
        )
    for session in recording.sessions:
        if session.end_reason not in _EXPECTED_ENDS:
            yield Unknown(
                what=f"what came after {fmt.moment(session.end_ns)}",
                why=f"the recording ended early: {session.end_reason}",
                remedy="Record once more.",
            )
    if counts.dropped:
        yield Unknown(
            what=f"{fmt.counted(counts.dropped, noun='line')} at the beginning",
            why="the file reached its largest size",
            remedy="Record with a larger --max-size.",
        )
    if counts.missed:
        yield Unknown(
            what=f"{fmt.counted(counts.missed, noun='line')} that were never written",
            why="the recorder didn't keep up with the worker",
            remedy="Record a worker with fewer jobs.",
        )
    if counts.garbled:
        yield Unknown(
            what=f"{fmt.counted(counts.garbled, noun='line')} that can't be read",
            why="the file is damaged",
            remedy="Record once more.",
        )
