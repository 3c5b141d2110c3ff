"""What each slot of a worker did when, from a recording with lanes: data for a picture. Pure.

Times are seconds since the first job of the lanes was published, or else received.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl

from collector.recording import Recording, StepLine
from poolbench.recording.lanes import LETTERS, PAUSES, RUNS
from poolbench.recording.running_time import BLOCKING_NS
from poolbench.str_enum import StrEnum

#: Most segments of a picture: beyond them it ends earlier than the recording.
MOST_SEGMENTS = 6_000

_LAST_NS = 2**63 - 1

#: Shortest segment of its own, as a share of the time that a picture shows; and the shortest one
#: without a sample, ns: an interrupt, or the machine's host, takes less from a running thread.
_THINNEST, _UNSEEN_NS = 1 / 4_000, 1_000_000


class State(StrEnum):
    """What a slot does at a moment; the values are names of colours (`report.palette`)."""

    CORE = "core"
    RUNNABLE = "runnable"
    GIL_WAIT = "gil-wait"
    WAITS = "io-wait"
    ANY_LOCK = "any-lock"
    #: Its greenlet or coroutine has its turn, or has not; then what it waits for is not known.
    RUNS = "runs"
    PAUSES = "pauses"
    #: Another job has had its turn for 50 ms or more, so that no other slot can run.
    BLOCKED = "blocked"
    UNSEEN = "unknown"
    #: It runs a job, on a system where states of threads can't be sampled.
    BUSY = "busy"


#: The state of each letter of a step.
_OF_LETTERS: Mapping[str, State] = {
    **{LETTERS[f"{name}_ns"]: State.WAITS for name in ("lock_wait", "io_wait")},
    LETTERS["core_ns"]: State.CORE,
    LETTERS["runnable_ns"]: State.RUNNABLE,
    LETTERS["gil_wait_ns"]: State.GIL_WAIT,
    LETTERS["any_lock_ns"]: State.ANY_LOCK,
    LETTERS["unknown_ns"]: State.UNSEEN,
    RUNS: State.RUNS,
    PAUSES: State.PAUSES,
}

#: The state of each column of what samples of an execution add up to.
_OF_COLUMNS: Mapping[str, State] = {
    "core_held_ns": State.CORE,
    "core_released_ns": State.CORE,
    **{column: _OF_LETTERS[letter] for column, letter in LETTERS.items()},
}

#: A step of a thread or of a job: state, begin and end, Unix ns.
_Step = tuple[State, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a lane in one state, seconds."""

    state: State
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneJob:
    """A job in its lane."""

    #: From 1, in the order of their starts.
    number: int
    kind: str
    outcome: str
    #: Index of its lane.
    lane: int
    begin_s: float
    end_s: float
    #: From published, or else received, to its start.
    waited_s: float
    #: How long it was in each state, seconds.
    states_s: Mapping[State, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A slot, or the one thread of all slots."""

    name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLanes:
    """The lanes of one worker, or of several workers of one contender."""

    name: str
    pool: str
    #: Of the slots; and the thread in which all of them run, if there is one.
    slots: tuple[Lane, ...]
    threads: tuple[Lane, ...]
    jobs: tuple[LaneJob, ...]
    #: Number of jobs that have been published and not started, from each of these moments on.
    waiting: tuple[tuple[float, int], ...]
    #: Samples a second; 0 where states of threads can't be sampled.
    sample_hz: float
    #: Share of a core that the sampling took; None if unknown.
    sampler_share: float | None
    #: Why waits for the GIL are not distinguished from those for other locks; empty if they are.
    gil_reason: str = ""
    #: Whether the recording has lanes at all.
    has_steps: bool = True
    #: Executions of the recording that are later than the picture.
    left_out: int = 0

    @property
    def span_s(self) -> float:
        """When the last job ended."""
        return max((job.end_s for job in self.jobs), default=0.0)

    @property
    def busy_s(self) -> float:
        """How long all slots together ran jobs."""
        return sum(job.end_s - job.begin_s for job in self.jobs)

    def share(self, *states: State) -> float:
        """Return the share of the slots' busy time in some states."""
        spent_s = sum(job.states_s.get(state, 0.0) for job in self.jobs for state in states)
        return spent_s / self.busy_s if self.busy_s else 0.0


@dataclass(slots=True)
class _Execution:
    nonce: str
    kind: str
    outcome: str
    slot: str
    thread: tuple[int, int]
    queued_ns: int
    start_ns: int
    end_ns: int
    #: How long it was in each state by all of its samples, seconds; empty without any.
    states_s: dict[State, float]
    steps: list[_Step] = field(default_factory=list)


def lanes_of(
    recording: Recording,
    *,
    name: str,
    from_ns: int = 0,
    to_ns: int = _LAST_NS,
    published_ns: int | None = None,
) -> SlotLanes | None:
    """Return the lanes of some executions; None without any.

    Where states of threads can't be sampled, there are jobs and turns alone.

    Args:
        recording: of one worker, or of the workers of a contender.
        name: of the worker or the contender.
        from_ns: the executions were received from this moment on, Unix ns.
        to_ns: until this one.
        published_ns: when their messages were published, if the messages don't have it.
    """
    started = list(
        _executions(recording.jobs, from_ns=from_ns, to_ns=to_ns, published_ns=published_ns)
    )
    if not started:
        return None
    session = recording.sessions[0]
    unseen = State.UNSEEN if session.sample_hz else State.BUSY
    turns, threads = _timelines(recording.steps)
    for one in started:
        steps = turns.get(one.nonce, threads.get(one.thread, []))
        one.steps = list(_cut(steps, begin_ns=one.start_ns, end_ns=one.end_ns))
    _mark_blocked(started)
    executions = _first(started)
    frame = _Frame(
        begin_ns=min(one.queued_ns for one in started),
        end_ns=max(one.end_ns for one in executions),
    )
    are_turns = any(one.nonce in turns for one in executions)
    places = _places(executions, is_shared=are_turns)
    segments: list[list[Segment]] = [[] for _ in range(max(places) + 1)]
    jobs = []
    for number, (one, place) in enumerate(zip(executions, places, strict=True), start=1):
        one.steps = list(
            _filled(one.steps, begin_ns=one.start_ns, end_ns=one.end_ns, unseen=unseen)
        )
        segments[place] += _segments(one.steps, frame=frame)
        jobs.append(_job(one, number=number, lane=place, frame=frame))
    return SlotLanes(
        name=name,
        pool=session.worker.pool if session.worker else "",
        slots=tuple(
            Lane(name=f"slot {number}", segments=tuple(own))
            for number, own in enumerate(segments, start=1)
        ),
        threads=_loop_lanes(executions, threads=threads, frame=frame) if are_turns else (),
        jobs=tuple(jobs),
        waiting=tuple(_waiting(started, frame=frame)),
        sample_hz=session.sample_hz,
        sampler_share=_sampler_share(recording.levels),
        gil_reason=session.gil_reason,
        has_steps=bool(recording.steps),
        left_out=len(started) - len(executions),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The time that a picture shows, Unix ns."""

    begin_ns: int
    end_ns: int

    def seconds(self, at_ns: int) -> float:
        """Return a moment in seconds since the begin."""
        return (at_ns - self.begin_ns) / 1e9

    @property
    def thinnest_ns(self) -> int:
        """The shortest segment of its own."""
        return round((self.end_ns - self.begin_ns) * _THINNEST)


def _job(one: _Execution, *, number: int, lane: int, frame: _Frame) -> LaneJob:
    states_s = one.states_s
    if not states_s:
        for state, begin_ns, end_ns in one.steps:
            states_s[state] = states_s.get(state, 0.0) + (end_ns - begin_ns) / 1e9
    return LaneJob(
        number=number,
        kind=one.kind,
        outcome=one.outcome,
        lane=lane,
        begin_s=frame.seconds(one.start_ns),
        end_s=frame.seconds(one.end_ns),
        waited_s=(one.start_ns - one.queued_ns) / 1e9,
        states_s=states_s,
    )


def _loop_lanes(
    executions: Iterable[_Execution],
    *,
    threads: Mapping[tuple[int, int], Sequence[_Step]],
    frame: _Frame,
) -> tuple[Lane, ...]:
    """Return the lanes of the threads that slots share: one for each worker."""
    loops = sorted({one.thread for one in executions})
    return tuple(
        Lane(
            name="the thread" if len(loops) == 1 else f"thread {number}",
            segments=tuple(
                _segments(
                    _cut(threads.get(loop, []), begin_ns=frame.begin_ns, end_ns=frame.end_ns),
                    frame=frame,
                )
            ),
        )
        for number, loop in enumerate(loops, start=1)
    )


def _executions(
    jobs: pl.DataFrame, *, from_ns: int, to_ns: int, published_ns: int | None
) -> Iterator[_Execution]:
    """Yield the executions that have started and ended, in the order of their starts."""
    sent = pl.lit(published_ns, pl.Int64)
    queued = pl.coalesce("published_ns", sent, "received_ns", "started_ns")
    whole = jobs.filter(
        pl.col("started_ns").is_not_null() & pl.col("finished_ns").is_not_null(),
        pl.coalesce("received_ns", "started_ns").is_between(from_ns, to_ns),
    ).with_columns(queued.alias("queued_ns"))
    for row in whole.sort("started_ns").iter_rows(named=True):
        yield _Execution(
            nonce=row["nonce"],
            kind=row["kind"],
            outcome=row["outcome"] or "",
            slot=f"{row['session']}-{row['slot']}",
            thread=(row["pid"] or 0, row["thread_id"] or 0),
            queued_ns=min(row["queued_ns"], row["started_ns"]),
            start_ns=row["started_ns"],
            end_ns=row["finished_ns"],
            states_s=_states_s(row),
        )


def _states_s(row: Mapping[str, Any]) -> dict[State, float]:
    """Return what the samples of an execution add up to, as shares of its duration."""
    found: dict[State, float] = {}
    for column, state in _OF_COLUMNS.items():
        if spent_ns := row[column]:
            found[state] = found.get(state, 0.0) + spent_ns
    total_ns = sum(found.values())
    wall_s = (row["finished_ns"] - row["started_ns"]) / 1e9
    return {state: spent_ns / total_ns * wall_s for state, spent_ns in found.items()}


def _timelines(
    lines: Iterable[StepLine],
) -> tuple[dict[str, list[_Step]], dict[tuple[int, int], list[_Step]]]:
    """Return the steps by execution, and by thread (pid and native id), in order."""
    turns: dict[str, list[_Step]] = {}
    threads: dict[tuple[int, int], list[_Step]] = {}
    for line in lines:
        found = [
            (_OF_LETTERS.get(letter, State.UNSEEN), begin_ns, end_ns)
            for letter, begin_ns, end_ns in line.steps
        ]
        if line.nonce:
            turns.setdefault(line.nonce, []).extend(found)
        elif line.pid is not None and line.thread_id is not None:
            threads.setdefault((line.pid, line.thread_id), []).extend(found)
    for steps in (*turns.values(), *threads.values()):
        steps.sort(key=lambda step: step[1])
    return turns, threads


def _cut(steps: Sequence[_Step], *, begin_ns: int, end_ns: int) -> Iterator[_Step]:
    """Yield the parts of ordered steps between two moments."""
    first = max(0, bisect_right(steps, begin_ns, key=lambda step: step[1]) - 1)
    for state, step_begin_ns, step_end_ns in steps[first:]:
        if step_begin_ns >= end_ns:
            return
        if step_end_ns > begin_ns:
            yield state, max(step_begin_ns, begin_ns), min(step_end_ns, end_ns)


def _filled(
    steps: Iterable[_Step], *, begin_ns: int, end_ns: int, unseen: State
) -> Iterator[_Step]:
    """Yield steps without gaps: what no sample and no turn covers is ``unseen``."""
    at_ns = begin_ns
    for state, step_begin_ns, step_end_ns in steps:
        if step_begin_ns > at_ns:
            yield unseen, at_ns, step_begin_ns
        if step_end_ns > at_ns:
            yield state, max(at_ns, step_begin_ns), step_end_ns
            at_ns = step_end_ns
    if at_ns < end_ns:
        yield unseen, at_ns, end_ns


def _mark_blocked(executions: Sequence[_Execution]) -> None:
    """Divide the pauses of each job: while another one blocks the loop, it can't have its turn."""
    for process in {one.thread for one in executions}:
        alike = [one for one in executions if one.thread == process]
        blocking = sorted(
            (begin_ns, end_ns)
            for one in alike
            for state, begin_ns, end_ns in one.steps
            if state is State.RUNS and end_ns - begin_ns >= BLOCKING_NS
        )
        for one in alike if blocking else ():
            one.steps = [
                part
                for step in one.steps
                for part in ([step] if step[0] is not State.PAUSES else _divided(step, blocking))
            ]


def _divided(pause: _Step, blocking: Sequence[tuple[int, int]]) -> Iterator[_Step]:
    _, at_ns, end_ns = pause
    for turn in blocking:
        begin_ns, until_ns = max(turn[0], at_ns), min(turn[1], end_ns)
        if begin_ns < until_ns:
            if at_ns < begin_ns:
                yield State.PAUSES, at_ns, begin_ns
            yield State.BLOCKED, begin_ns, until_ns
            at_ns = until_ns
    if at_ns < end_ns:
        yield State.PAUSES, at_ns, end_ns


def _first(executions: list[_Execution]) -> list[_Execution]:
    """Return the first executions, as many as a picture can show."""
    segments = 0
    for count, one in enumerate(executions):
        segments += len(one.steps) + 1
        if count and segments > MOST_SEGMENTS:
            return executions[:count]
    return executions


def _places(executions: Sequence[_Execution], *, is_shared: bool) -> list[int]:
    """Return the lane of each: that of its slot, or the first free one where slots are not fixed.

    A greenlet or a coroutine is new for each job.
    """
    if not is_shared:
        slots: dict[str, int] = {}
        return [slots.setdefault(one.slot, len(slots)) for one in executions]
    free_at_ns: list[int] = []
    places = []
    for one in executions:
        place = next((at for at, ns in enumerate(free_at_ns) if ns <= one.start_ns), None)
        if place is None:
            place = len(free_at_ns)
            free_at_ns.append(0)
        free_at_ns[place] = one.end_ns
        places.append(place)
    return places


def _segments(steps: Iterable[_Step], *, frame: _Frame) -> Iterator[Segment]:
    """Yield segments; a step that is too thin to be seen extends the one before it.

    The first moments of a job, before any sample, belong to the step that follows.
    """
    merged: list[list[Any]] = []
    thinnest_ns = frame.thinnest_ns
    unseen_ns = max(thinnest_ns, _UNSEEN_NS)
    for state, begin_ns, end_ns in steps:
        is_next = bool(merged) and merged[-1][2] == begin_ns
        least_ns = unseen_ns if state is State.UNSEEN else thinnest_ns
        if is_next and merged[-1][0] is State.UNSEEN and begin_ns - merged[-1][1] < unseen_ns:
            merged[-1][0] = state
        if is_next and (merged[-1][0] is state or end_ns - begin_ns < least_ns):
            merged[-1][2] = end_ns
        else:
            merged.append([state, begin_ns, end_ns])
    for state, begin_ns, end_ns in merged:
        yield Segment(state=state, begin_s=frame.seconds(begin_ns), end_s=frame.seconds(end_ns))


def _waiting(executions: Sequence[_Execution], *, frame: _Frame) -> Iterator[tuple[float, int]]:
    """Yield how many jobs wait from each moment of the picture on, also those it leaves out."""
    changes = sorted(
        [(one.queued_ns, 1) for one in executions] + [(one.start_ns, -1) for one in executions]
    )
    count = 0
    for (at_ns, change), (next_ns, _) in pairwise([*changes, (changes[-1][0] + 1, 0)]):
        if at_ns > frame.end_ns:
            return
        count += change
        if next_ns > at_ns:
            yield frame.seconds(at_ns), count


def _sampler_share(levels: pl.DataFrame) -> float | None:
    """Return the share of a core that the sampling took, between the first and the last level."""
    known = levels.drop_nulls("sampler_cpu_s")
    if known.height < 2:
        return None
    spent_s = known["sampler_cpu_s"][-1] - known["sampler_cpu_s"][0]
    return float(spent_s / ((known["t_ns"][-1] - known["t_ns"][0]) / 1e9))
