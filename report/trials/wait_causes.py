"""Splits the wait of jobs by its cause, from the records alone. Pure.

The wait of an execution ends when a slot starts it. It begins when the job is due; that of a retry,
when the attempt before ended; that of a later link of a chain, or of a chord's body, when the last
one before it ended. Each instant of it has one cause, the first of `Cause` that applies.

A slot is busy from the start of an execution to its end. An execution whose end isn't recorded may
still run or not; where that decides, the cause is unknown. It is also unknown where the receiving
isn't recorded, and if the worker's number of slots is unknown or changes (autoscale). Executions
that never started have no wait. Of several executions of one attempt, the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import polars as pl

from collector.run_manifest import Contender, PlannedTrial, WorkerGroup
from poolbench.job_options import JobOptions
from poolbench.keys import group_of
from report.statistics.percentiles import Tail

#: Columns of a record that are read.
COLUMNS = (
    "seq", "attempt", "part", "worker", "due_ns", "eta_ns", "received_ns", "started_ns",
    "finished_ns",
)  # fmt: skip

#: Points in time or durations, ns.
Times = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Cause(StrEnum):
    """Why a job waits; the first that applies."""

    #: Its countdown, or that of its retry, isn't over.
    COUNTDOWN = "countdown"
    #: A worker has received it, and limits the rate of its kind.
    RATE_LIMIT = "rate_limit"
    #: A worker has received it, and one of this worker's slots is idle.
    IDLE_SLOT = "idle_slot"
    #: A worker whose slots are all busy has received it, while another worker that consumes the
    #: same queue has an idle slot.
    IDLE_WORKER = "idle_worker"
    #: A worker has received it, and all slots are busy.
    BUSY = "busy"
    #: No worker has received it: the broker's queue, and the producer's lag before.
    QUEUE = "queue"
    #: The records don't show it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseTimes:
    """How long some jobs waited for one cause."""

    #: Share of the waiting time of all these jobs together.
    share: float
    #: Mean and percentiles over these jobs, seconds; 0 for a job without this cause.
    mean_s: float
    times_s: Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCauses:
    """The waits of a row's jobs by cause; the means of the causes add up to that of the wait."""

    #: The part of the mix; empty for all jobs.
    part: str = ""
    #: Jobs that started, and their mean wait, seconds.
    jobs: int
    mean_s: float
    #: In the order of `Cause`, without causes that no job has.
    causes: Mapping[Cause, CauseTimes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slots:
    """Whether the slots of one worker are idle or all busy, between two moments each.

    Neither if it is unknown.
    """

    has_idle: Flags
    is_busy: Flags


def has_causes(plan: PlannedTrial) -> bool:
    """Return whether waits by cause answer a question; in a plain backlog, all are the queue's."""
    has_options = any(part.options != JobOptions() or part.canvas for part in plan.parts)
    return plan.arrivals != "burst" or has_options


def wait_causes(
    records: pl.DataFrame,
    *,
    plan: PlannedTrial,
    contender: Contender,
    busy: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the waits of each job that started by cause; they add up to that of its executions.

    Columns: ``part``, which is null without a mix, and for each cause that any job has, the time,
    ns.

    Args:
        records: one trial's records with `COLUMNS`.
        plan: of the trial; its parts determine queues, rate limits, chains and chords.
        contender: determines the workers, their slots and their queues.
        busy: the executions that keep slots busy, if they are more than those in ``records``.
    """
    is_alone = sum(group.workers for group in contender.crew) == 1
    # records of earlier versions have no worker
    name = pl.lit(contender.name) if is_alone else pl.col("worker").cast(pl.String)
    is_started = pl.col("started_ns").is_not_null()
    of_jobs = records.filter(is_started).with_columns(worker=name)
    started = of_jobs if busy is None else busy.filter(is_started).with_columns(worker=name)
    found = executions(of_jobs, plan=plan)
    end = found["started_ns"].to_numpy()
    begin = np.minimum(found["begin_ns"].to_numpy(), end)
    # a moment before the wait has no effect
    ready = np.clip(found["eta_ns"].fill_null(0).to_numpy(), begin, end)
    received = np.clip(found["received_ns"].fill_null(0).to_numpy(), ready, end)
    is_received = found["received_ns"].is_not_null().to_numpy()
    is_limited = _is_limited(found, plan=plan, contender=contender) & is_received
    waits = {
        Cause.COUNTDOWN: ready - begin,
        Cause.RATE_LIMIT: np.where(is_limited, end - received, 0),
        Cause.QUEUE: np.where(is_received, received - ready, 0),
    }
    waiting = found.select(
        "worker",
        queue=_queues(found["part"], plan=plan),
        start_ns=received,
        end_ns=end,
    )
    for cause, times in _by_slots(waiting, started=started, contender=contender).items():
        waits[cause] = np.where(is_received & ~is_limited, times, 0)
    waits[Cause.UNKNOWN] = end - begin - sum(waits.values())
    return _by_job(found, waits=waits)


def executions(records: pl.DataFrame, *, plan: PlannedTrial) -> pl.DataFrame:
    """Return the first execution of each attempt that started, with its job's sequence.

    The column ``begin_ns`` is when its wait began. Executions for which that is unknown are left
    out.
    """
    seq, attempt = pl.col("seq"), pl.col("attempt")
    started = records.filter(seq.is_not_null() & pl.col("started_ns").is_not_null())
    ordered = started.sort("seq", "attempt", "started_ns", maintain_order=True)
    first = ordered.unique(["seq", "attempt"], keep="first", maintain_order=True)
    is_next = (seq == seq.shift(1)) & (attempt == attempt.shift(1) + 1)
    begin = pl.when(attempt == 0).then("due_ns").when(is_next).then(pl.col("finished_ns").shift(1))
    found = first.with_columns(begin_ns=begin)
    if needed := predecessors(plan):
        found = _after(found, needed=needed)
    return found.drop_nulls("begin_ns")


def predecessors(plan: PlannedTrial) -> dict[str, int]:
    """Return part → the number of executions before it that have to end first, by seq.

    Only parts that are later links of a chain, or the body of a chord.
    """
    found: dict[str, int] = {}
    for canvas in dict.fromkeys(part.canvas for part in plan.parts if part.canvas):
        steps = [part.name for part in plan.parts if part.canvas == canvas]
        if canvas.shape == "chain":
            found |= dict.fromkeys(steps[1:], 1)
        elif canvas.shape == "chord":
            found[steps[-1]] = len(steps) - 1
    return found


def _after(first: pl.DataFrame, *, needed: Mapping[str, int]) -> pl.DataFrame:
    """Return the executions; the waits of some parts begin when those before them have ended."""
    count = pl.col("part").cast(pl.String).replace_strict(needed, default=0)
    ends = first.group_by("seq").agg(end_ns=pl.col("finished_ns").max())
    before = (
        first.filter(pl.col("attempt") == 0)
        .select("seq", count=count)
        .filter(pl.col("count") > 0)
        .select("seq", before=pl.int_ranges(pl.col("seq") - pl.col("count"), pl.col("seq")))
        .explode("before")
        .join(ends, left_on="before", right_on="seq", how="left")
        .group_by("seq")
        # unknown if any is
        .agg(end_ns=pl.when(pl.col("end_ns").is_not_null().all()).then(pl.col("end_ns").max()))
    )
    joined = first.join(
        before.with_columns(attempt=pl.lit(0, pl.Int64)),
        on=["seq", "attempt"],
        how="left",
        maintain_order="left",
    )
    is_after = count.gt(0) & (pl.col("attempt") == 0)
    begin = pl.when(is_after).then("end_ns").otherwise("begin_ns")
    return joined.with_columns(begin_ns=begin).drop("end_ns")


def _is_limited(found: pl.DataFrame, *, plan: PlannedTrial, contender: Contender) -> Flags:
    """Return whether the kind of each execution has a rate limit in the worker that received it."""
    kinds = {part.name: part.kind for part in plan.parts}
    other = "" if kinds else plan.kind
    kind = (
        found["part"].cast(pl.String).replace_strict(kinds, default=other, return_dtype=pl.String)
    )
    # a limit is one of the kind, whichever part sets it
    of_jobs = [part.kind for part in plan.parts if part.options.rate_limit]
    is_limited = kind.is_in(of_jobs)
    for group in contender.crew:
        limited = [one for one in {other, *kinds.values()} if group.rate_limit(one)]
        workers = [
            name
            for name in found["worker"].unique()
            if _group_of(name or "", contender=contender) == group
        ]
        is_limited |= kind.is_in(limited) & found["worker"].is_in(workers, nulls_equal=True)
    return is_limited.to_numpy()


def _queues(parts: pl.Series, *, plan: PlannedTrial) -> pl.Series:
    """Return the queue of each job; empty for the contender's default queue."""
    queues = {part.name: part.options.queue for part in plan.parts}
    return parts.cast(pl.String).replace_strict(queues, default="", return_dtype=pl.String)


def _by_slots(
    waiting: pl.DataFrame, *, started: pl.DataFrame, contender: Contender
) -> dict[Cause, Times]:
    """Return how long executions waited in a worker beside idle slots, and beside busy ones.

    Args:
        waiting: ``worker``, ``queue``, ``start_ns`` and ``end_ns`` of each such wait.
        started: all executions that started.
        contender: determines the workers and their slots.
    """
    causes = (Cause.IDLE_SLOT, Cause.IDLE_WORKER, Cause.BUSY)
    found = {cause: np.zeros(len(waiting), dtype=np.int64) for cause in causes}
    moments = (waiting["start_ns"], started["started_ns"], started["finished_ns"])
    axis = pl.concat(moments).drop_nulls().unique().sort().to_numpy()
    groups = {
        name: _group_of(name, contender=contender)
        for name in started["worker"].drop_nulls().unique().sort()
    }
    slots = {
        name: _slots(started.filter(pl.col("worker") == name), axis=axis, count=_slots_of(group))
        for name, group in groups.items()
    }
    start, end = waiting["start_ns"].to_numpy(), waiting["end_ns"].to_numpy()
    for (name, queue), _ in waiting.drop_nulls().group_by("worker", "queue"):
        own = slots[name]
        has_idle = _has_idle(queue, slots=slots, groups=groups, contender=contender)
        here = ((waiting["worker"] == name) & (waiting["queue"] == queue)).fill_null(value=False)
        mask = here.to_numpy()
        flags = (own.has_idle, own.is_busy & has_idle, own.is_busy & ~has_idle)
        for cause, during in zip(causes, flags, strict=True):
            measured = _measure(during, axis=axis, start=start[mask], end=end[mask])
            found[cause][mask] = measured
    return found


def _group_of(worker: str, *, contender: Contender) -> WorkerGroup | None:
    """Return the group of a worker; None if it is unknown."""
    crew = contender.crew
    named = (group for group in crew if group.name == group_of(worker))
    return crew[0] if len(crew) == 1 else next(named, None)


def _slots_of(group: WorkerGroup | None) -> int:
    """Return the number of slots of each worker of a group; 0 if unknown."""
    is_fixed = group is not None and not any(
        word.startswith("--autoscale") for word in group.arguments
    )
    return group.slots if group is not None and is_fixed else 0


def _slots(ran: pl.DataFrame, *, axis: Times, count: int) -> _Slots:
    """Return the states of a worker's slots from each point of ``axis`` to the next one."""
    if not count:
        nothing = np.zeros(len(axis), dtype=np.bool_)
        return _Slots(has_idle=nothing, is_busy=nothing)
    is_ended = ran["finished_ns"].is_not_null()
    ended = ran.filter(is_ended)
    running = _until(ended["started_ns"], axis=axis) - _until(ended["finished_ns"], axis=axis)
    # executions without an end: running or not
    open_ = _until(ran.filter(~is_ended)["started_ns"], axis=axis)
    return _Slots(has_idle=running + open_ < count, is_busy=running >= count)


def _until(moments: pl.Series, *, axis: Times) -> Times:
    """Return the number of moments up to each point of ``axis``."""
    return np.searchsorted(moments.sort().to_numpy(), axis, side="right")


def _has_idle(
    queue: str,
    *,
    slots: Mapping[str, _Slots],
    groups: Mapping[str, WorkerGroup | None],
    contender: Contender,
) -> Flags:
    """Return whether any worker that consumes a queue has an idle slot."""
    consumers = [group for group in contender.crew if queue in (group.queues or ("",))]
    seen = [one.has_idle for name, one in slots.items() if groups[name] in consumers]
    # a worker that has run nothing is idle
    has_unseen = len(seen) < sum(group.workers for group in consumers)
    found = np.full(len(next(iter(slots.values())).has_idle), has_unseen, dtype=np.bool_)
    for one in seen:
        found |= one
    return found


def _measure(during: Flags, *, axis: Times, start: Times, end: Times) -> Times:
    """Return how much of the time from ``start`` to ``end`` has the flag, ns."""
    total = np.concatenate([[0], np.cumsum(np.where(during[:-1], np.diff(axis), 0))])

    def until(moments: Times) -> Times:
        at = np.searchsorted(axis, moments, side="right") - 1
        return total[at] + np.where(during[at], moments - axis[at], 0)

    return until(end) - until(start)


def _by_job(waited: pl.DataFrame, *, waits: Mapping[Cause, Times]) -> pl.DataFrame:
    """Return the sum of each job's executions, with a column for each cause."""
    known = [cause for cause in Cause if waits[cause].any()]
    found = waited.select("seq", "part").with_columns(
        pl.Series(cause, waits[cause]) for cause in known
    )
    if waited["seq"].n_unique() < waited.height:
        by_seq = found.group_by("seq", maintain_order=True)
        found = by_seq.agg(pl.col("part").first(), pl.col(known).sum())
    return found.drop("seq")
