"""The jobs of a recording, as the messages of a trial: each execution a stand-in. Pure.

A message that was published is one job, due when it was published. Retries are attempts of their
job, after the recorded countdown. The children of chains, groups and chords are jobs of their own,
due when the app published them. A task of a user's app may be called itself, with arguments; what
it publishes is then not repeated.
"""

from __future__ import annotations

import itertools
import math
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from collector.recording import Recording
from collector.run_manifest import AppCall, Part, RecordedSource
from lab.replay.segments import unknown_share, with_segments
from poolbench.errors import Fault, UsageError, nearest
from poolbench.job_options import JobOptions, Retry
from poolbench.jobs import SEGMENTS, STAND_IN
from poolbench.keys import NAME_LENGTH
from poolbench.records import Outcome
from producer.mixes import Mix, MixPart, MixStandIns

#: Computing whose use of the GIL is unknown, as a share of all slots' time, from which it is
#: measured both with the GIL held and with it released.
UNKNOWN_MATTERS = 0.05

#: Most jobs of a replay: their due times and numbers are sent to the sender as one line.
MAX_JOBS = 200_000

#: End of the names of parts: rows of stand-ins are marked as such; and the longest name before it.
_STAND_IN_SUFFIX = ".stand-in"
_TASK_LENGTH = NAME_LENGTH - len(_STAND_IN_SUFFIX) - 4

#: Outcomes of a job that fails again.
_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT)

#: What was recorded of the last attempt and can't be repeated, by the reason.
_NOT_RUN = {
    Outcome.REVOKED: "revoked",
    Outcome.EXPIRED: "expired",
    Outcome.REJECTED: "rejected",
    Outcome.LOST_WORKER: "lost with their worker",
}

#: Columns of an execution that a replay needs.
_COLUMNS = (
    "session",
    "task_id",
    "attempt",
    "parent_id",
    "kind",
    "outcome",
    "queue",
    "priority",
    "size_bytes",
    "published_ns",
    "received_ns",
    "started_ns",
    "finished_ns",
    "eta_ns",
    "wall_ns",
    "held_ns",
    "released_ns",
    "unknown_ns",
    "wait_ns",
    "blocking_ns",
    "memory_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The jobs of a recorded workload, in the order in which they were published."""

    source: RecordedSource
    #: The tasks as parts of a mix, with the means of their jobs.
    parts: tuple[Part, ...]
    #: The jobs that have the same task and options; those of tasks with arguments lack messages.
    kinds: tuple[MixStandIns | MixPart, ...]
    #: By job, an index into ``kinds``.
    order: Sequence[int]
    #: By job, as `Mix.numbers`.
    numbers: Sequence[Sequence[float]]
    #: When each job is due, seconds after the first.
    offsets_s: Sequence[float]

    @property
    def count(self) -> int:
        """Return the number of jobs."""
        return len(self.order)

    @property
    def rate_per_s(self) -> float:
        """Return the mean rate of the arrivals, jobs per second."""
        span_s = self.offsets_s[-1] if self.offsets_s else 0.0
        return self.count / span_s if span_s else float(self.count)

    @property
    def longest_s(self) -> float:
        """Return how long the longest attempt of a stand-in takes by itself, seconds."""
        times, step = len(SEGMENTS) - 1, len(SEGMENTS) + 1
        attempts = (job[at : at + times] for job in self.numbers for at in range(2, len(job), step))
        return max(map(sum, attempts), default=0.0) / 1_000

    def mix(self, count: int) -> Mix:
        """Return the first jobs in their order; after the last one, it begins again."""
        return Mix(
            parts=self.kinds,
            order=[*itertools.islice(itertools.cycle(self.order), count)],
            numbers=[*itertools.islice(itertools.cycle(self.numbers), count)],
        )

    def due_s(self, *, count: int, rate_per_s: float) -> list[float]:
        """Return when so many jobs are due at a mean rate: as recorded, at another speed."""
        whole_s = self.count / self.rate_per_s
        rounds = range(math.ceil(count / self.count))
        every = (at_s + number * whole_s for number in rounds for at_s in self.offsets_s)
        found = list(itertools.islice(every, count))
        recorded_per_s = (count - 1) / found[-1] if count > 1 and found[-1] else 0.0
        pace = recorded_per_s / rate_per_s if recorded_per_s else 1.0
        return [at_s * pace for at_s in found]


def read_replays(
    recording: Recording,
    source: RecordedSource,
    *,
    from_s: float = 0.0,
    to_s: float = math.inf,
    tasks: Sequence[str] = (),
    calls: Mapping[str, AppCall] | None = None,
) -> tuple[Replay, ...]:
    """Return the jobs that were published within a time since the recording's begin.

    They are two replays, with the GIL held and with it released, if it is unknown which computing
    holds it and that matters; else it is held.

    Args:
        recording: the file or files, as read.
        source: what is known of them, with the speed.
        from_s: begin of the time, seconds.
        to_s: its end.
        tasks: the tasks to repeat; empty for all.
        calls: arguments of tasks that the user's app runs itself.

    Raises:
        UsageError: if there is no such job, an unknown task, or too many jobs.
    """
    calls = calls or {}
    _check_tasks(tasks, field="tasks", recording=recording)
    _check_tasks([*calls], field="call.task", recording=recording)
    executions = with_segments(recording)
    if tasks:
        executions = executions.filter(pl.col("kind").is_in(tasks))
    begin_ns = min(one.begin_ns for one in recording.sessions)
    rows = executions.sort("received_ns", "started_ns").select(_COLUMNS).iter_rows(named=True)
    every = [_job(attempts) for attempts in _by_job(rows)]
    within = [job for job in every if from_s <= (job.due_ns - begin_ns) / 1e9 < to_s]
    publishers = _called_publishers(every, tasks=calls)
    jobs = [job for job in within if job.key not in publishers]
    others = recording.jobs.join(executions.select("nonce"), on="nonce", how="anti").filter(
        pl.col("kind").is_in(tasks) if tasks else pl.lit(value=True),
        (pl.coalesce("published_ns", "received_ns", "started_ns") - begin_ns).is_between(
            from_s * 1e9, to_s * 1e9, closed="left"
        ),
    )
    left_out = Counter(_NOT_RUN.get(one, "without a known end") for one in others["outcome"])
    left_out.update(
        f"published by {publishers[job.key]}" for job in within if job.key in publishers
    )
    if repeated := sum(job.repeated for job in jobs):
        left_out["delivered again"] = repeated
    if not jobs:
        problem = "no finished execution is in this part of the recording"
        raise UsageError(Fault(where=source.file, problem=problem, remedy="take a longer part"))
    if len(jobs) > MAX_JOBS:
        raise UsageError(
            Fault(
                where=source.file,
                problem=f"a trial has at most {MAX_JOBS:,} jobs",
                seen=f"{len(jobs):,}",
                remedy="take a part of it with from_s and to_s",
            )
        )
    jobs.sort(key=lambda job: job.due_ns)
    share = unknown_share(executions.filter(~pl.col("kind").is_in([*calls])))
    known = replace(
        source,
        jobs=len(jobs),
        executions=sum(len(job.attempts) for job in jobs),
        span_s=(jobs[-1].due_ns - jobs[0].due_ns) / 1e9,
        has_published=all(job.is_published for job in jobs),
        unknown_share=share,
        left_out=dict(left_out),
    )
    both = ("held", "released") if share > UNKNOWN_MATTERS else ("",)
    return tuple(_replay(jobs, calls=calls, source=replace(known, unknown_as=one)) for one in both)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecordedJob:
    """A published message with its attempts."""

    task: str
    #: Ids in the recording: of its session and message, and of the message whose job published it.
    key: tuple[int, str]
    parent: tuple[int, str]
    due_ns: int
    #: Whether ``due_ns`` is when it was published; else when it was received.
    is_published: bool
    queue: str
    priority: int | None
    size_bytes: int
    countdown_s: float
    is_failure: bool
    #: Rows of executions; before each but the first, its countdown, seconds.
    attempts: tuple[Mapping[str, Any], ...]
    countdowns_s: tuple[float, ...]
    #: Executions of a message that was delivered again, without the last.
    repeated: int


def _check_tasks(tasks: Sequence[str], *, field: str, recording: Recording) -> None:
    known = sorted(recording.jobs["kind"].unique().drop_nulls())
    faults = [
        Fault(
            field=field,
            seen=f'"{name}"',
            problem="not recorded",
            remedy=nearest(name, among=known),
        )
        for name in tasks
        if name not in known
    ]
    if faults:
        raise UsageError(*faults)


def _by_job(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the executions of each message and of its retries, by attempt."""
    jobs: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        jobs.setdefault((row["session"], row["task_id"]), []).append(row)
    for attempts in jobs.values():
        attempts.sort(key=lambda row: row["attempt"] or 0)
        yield attempts


def _called_publishers(
    jobs: Sequence[_RecordedJob], *, tasks: Mapping[str, AppCall]
) -> dict[tuple[int, str], str]:
    """Return the jobs that jobs of these tasks published, directly or not; each with that task."""
    if not tasks:
        return {}
    known = {job.key: job for job in jobs}
    found = {}
    for job in jobs:
        above = known.get(job.parent)
        while above is not None and above.task not in tasks:
            above = known.get(above.parent)
        if above is not None:
            found[job.key] = above.task
    return found


def _job(attempts: list[dict[str, Any]]) -> _RecordedJob:
    """Return a job; a message that was delivered again is one execution."""
    single = [*{row["attempt"]: row for row in attempts}.values()]
    first, last = single[0], single[-1]
    published_ns = first["published_ns"]
    due_ns = first["received_ns"] or first["started_ns"] if published_ns is None else published_ns
    return _RecordedJob(
        task=first["kind"],
        key=(first["session"], first["task_id"]),
        parent=(first["session"], first["parent_id"] or ""),
        due_ns=due_ns,
        is_published=published_ns is not None,
        queue=first["queue"] or "",
        priority=first["priority"],
        size_bytes=first["size_bytes"] or 0,
        countdown_s=max(0.0, (first["eta_ns"] - due_ns) / 1e9) if first["eta_ns"] else 0.0,
        is_failure=last["outcome"] in _FAILED,
        attempts=tuple(single),
        repeated=len(attempts) - len(single),
        countdowns_s=tuple(
            max(0.0, ((after["eta_ns"] or after["received_ns"]) - before["finished_ns"]) / 1e9)
            for before, after in itertools.pairwise(single)
        ),
    )


def _replay(
    jobs: Sequence[_RecordedJob], *, calls: Mapping[str, AppCall], source: RecordedSource
) -> Replay:
    names = _part_names([job.task for job in jobs], calls=calls)
    places: dict[MixStandIns | str, int] = {}
    kinds: list[MixStandIns | MixPart] = []
    order = array("I")
    numbers: list[Sequence[float]] = []
    for job in jobs:
        if job.task in calls:
            # its retries and its options are the app's own
            if job.task not in places:
                places[job.task] = len(kinds)
                kinds.append(MixPart(name=names[job.task], kind=job.task, parameters={}))
            order.append(places[job.task])
            numbers.append(())
            continue
        options = JobOptions(
            queue=job.queue, priority=job.priority, fail_share=float(job.is_failure)
        )
        kind = MixStandIns(
            name=names[job.task],
            options=options,
            attempts=len(job.attempts),
            has_countdown=job.countdown_s > 0,
        )
        if kind not in places:
            places[kind] = len(kinds)
            kinds.append(kind)
        order.append(places[kind])
        numbers.append(_numbers(job, unknown_as=source.unknown_as))
    first_ns = jobs[0].due_ns
    return Replay(
        source=source,
        parts=tuple(_parts(jobs, names=names, numbers=numbers, calls=calls)),
        kinds=tuple(kinds),
        order=order,
        numbers=numbers,
        offsets_s=array("d", ((job.due_ns - first_ns) / 1e9 / source.speed for job in jobs)),
    )


def _numbers(job: _RecordedJob, *, unknown_as: str) -> tuple[float, ...]:
    found = [job.countdown_s, float(job.size_bytes)]
    for countdown_s, row in zip((None, *job.countdowns_s), job.attempts, strict=True):
        if countdown_s is not None:
            found.append(countdown_s)
        found += _segments(row, unknown_as=unknown_as)
    return tuple(found)


def _segments(row: Mapping[str, Any], *, unknown_as: str) -> tuple[float, ...]:
    """Return the values of `SEGMENTS`, in milliseconds and bytes."""
    held_ns, released_ns = row["held_ns"], row["released_ns"]
    if unknown_as == "released":
        released_ns += row["unknown_ns"]
    else:
        held_ns += row["unknown_ns"]
    times_ns = (held_ns, released_ns, row["wait_ns"], row["blocking_ns"])
    return (*(round(time_ns / 1e6, 3) for time_ns in times_ns), row["memory_bytes"])


def _parts(
    jobs: Sequence[_RecordedJob],
    *,
    names: Mapping[str, str],
    numbers: Sequence[Sequence[float]],
    calls: Mapping[str, AppCall],
) -> Iterator[Part]:
    """Yield each task with the means of its jobs, the task with most jobs first."""
    of_task: dict[str, list[int]] = {}
    for index, job in enumerate(jobs):
        of_task.setdefault(job.task, []).append(index)
    for task, indexes in sorted(of_task.items(), key=lambda item: -len(item[1])):
        own = [jobs[index] for index in indexes]
        count = len(own)
        if task in calls:
            share = count / len(jobs)
            yield Part(name=names[task], kind=task, parameters={}, share=share, call=calls[task])
            continue
        firsts = [numbers[index][2 : 2 + len(SEGMENTS)] for index in indexes]
        means = [sum(values) / count for values in zip(*firsts, strict=True)]
        pauses_s = [pause_s for job in own for pause_s in job.countdowns_s]
        retried = sum(len(job.attempts) > 1 for job in own)
        queue, _ = Counter(job.queue for job in own).most_common(1)[0]
        priority, _ = Counter(job.priority for job in own).most_common(1)[0]
        *times_ms, memory_bytes = means
        yield Part(
            name=names[task],
            kind=STAND_IN,
            parameters={
                **dict(zip(SEGMENTS, (round(one, 3) for one in times_ms), strict=False)),
                SEGMENTS[-1]: round(memory_bytes),
            },
            share=count / len(jobs),
            options=JobOptions(
                queue=queue,
                priority=priority,
                countdown_s=max(job.countdown_s for job in own),
                fail_share=sum(job.is_failure for job in own) / count,
                retry=Retry(share=retried / count, countdown_s=max(pauses_s)) if retried else None,
            ),
        )


def _part_names(tasks: Sequence[str], *, calls: Collection[str]) -> dict[str, str]:
    """Return a name for the jobs of each task that records and tables allow."""
    found: dict[str, str] = {}
    for task in sorted(set(tasks)):
        plain = re.sub(r"[^a-z0-9._-]", "-", task.lower())[-_TASK_LENGTH:].lstrip("._-") or "task"
        suffix = "" if task in calls else _STAND_IN_SUFFIX
        name, number = f"{plain}{suffix}", 1
        while name in found.values():
            number += 1
            name = f"{plain}-{number}{suffix}"
        found[task] = name
    return found
