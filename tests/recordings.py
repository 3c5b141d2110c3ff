"""Recordings made from a description of jobs, in the format of ``poolbench record``.

The worker is simulated: it takes jobs in the order of their publication, as long as it may
prefetch, and each free slot starts the next one. No job waits for a core or the GIL unless its
description contains it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolbench.recording.lanes import LETTERS, PAUSES, RUNS
from poolbench.records import FORMAT, Moment
from tests.wire import encode_line

#: When each recording begins, Unix ns.
BEGIN_NS = 1_790_000_000_000_000_000

#: Names of the pools' classes.
_CLASSES = {
    "prefork": "celery.concurrency.prefork:TaskPool",
    "threads": "celery.concurrency.thread:TaskPool",
    "gevent": "celery.concurrency.gevent:TaskPool",
    "solo": "celery.concurrency.solo:TaskPool",
}

_STATES = {"done": "SUCCESS", "failed": "FAILURE", "retried": "RETRY", "timed-out": None}

_NS_PER_S = 1_000_000_000

#: Memory of each slot's process at the worker's start, bytes.
_PROCESS_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedJob:
    """One execution to record; times in seconds, those of states by their columns' first words."""

    task: str
    #: When it is published, since the recording's begin.
    at_s: float
    #: What its slot does, such as ``{"core": 0.01, "io_wait": 0.2}``; they add up to its duration.
    states: Mapping[str, float]
    #: ``done``, ``failed``, ``retried`` or ``timed-out``; empty if it never ends.
    outcome: str = "done"
    attempt: int = 0
    #: Id of its message; a retry has that of its first attempt. Empty for one of its own.
    task_id: str = ""
    queue: str = "celery"
    countdown_s: float = 0.0
    size_bytes: int = 200
    priority: int | None = None
    parent_id: str | None = None
    root_id: str | None = None
    child_cpu_s: float = 0.0
    #: Memory that it leaves behind, bytes.
    grown_bytes: int = 0
    blocked_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """Return its duration."""
        return sum(self.states.values())

    @property
    def cpu_s(self) -> float:
        """Return the CPU time of its thread."""
        return sum(time for state, time in self.states.items() if state.startswith("core"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedApp:
    """The worker and the tasks of a recording."""

    pool: str = "prefork"
    slots: int = 4
    prefetch_multiplier: int = 4
    name: str = "shop@web1"
    queues: Sequence[str] = ("celery",)
    #: Options of the tasks by name; tasks of jobs without any have none.
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Members of the lines ``recording`` and ``worker`` that replace the usual ones.
    recording: Mapping[str, Any] = field(default_factory=dict)
    worker: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the publishers have the probe.
    has_published: bool = True
    #: Whether thread states were sampled; never in gevent.
    has_states: bool = True
    #: Whether what each slot did when was recorded: the states of a job, in their order.
    has_lanes: bool = False
    #: Memory of the whole worker at its start, bytes.
    pss_bytes: int = 60_000_000
    #: Connections of the worker.
    connections: int = 10
    #: Why the recording ended; empty for a recording without its end.
    end_reason: str = "worker"


def poisson(*, per_s: float, duration_s: float, seed: int = 1) -> list[float]:
    """Return random arrivals at a mean rate, in seconds."""
    chance = random.Random(seed)
    found, at_s = [], chance.expovariate(per_s)
    while at_s < duration_s:
        found.append(at_s)
        at_s += chance.expovariate(per_s)
    return found


def jobs_of(
    task: str,
    arrivals_s: Iterable[float],
    states: Callable[[int], Mapping[str, float]] | Mapping[str, float],
    **more: Any,
) -> list[RecordedJob]:
    """Return a job for each arrival; ``states`` may be a function of the job's number."""
    return [
        RecordedJob(
            task=task, at_s=at_s, states=states(number) if callable(states) else states, **more
        )
        for number, at_s in enumerate(arrivals_s)
    ]


def write_recording(
    path: Path, jobs: Iterable[RecordedJob], *, app: RecordedApp | None = None
) -> Path:
    """Write the recording of a worker that ran the jobs; return its path."""
    with path.open("ab") as file:
        file.writelines(map(encode_line, recorded_lines(jobs, app=app or RecordedApp())))
    return path


def recorded_lines(jobs: Iterable[RecordedJob], *, app: RecordedApp) -> list[dict[str, Any]]:
    """Return the lines of one session in the order of their times."""
    ran = list(_run(sorted(jobs, key=lambda job: job.at_s), app=app))
    end_ns = max((one.end_ns for one in ran), default=BEGIN_NS) + _NS_PER_S
    rows = [line for one in ran for line in _job_lines(one, app=app)]
    rows += _each_second(ran, app=app, end_ns=end_ns)
    rows.sort(key=lambda line: line["t_ns"])
    lines = [*_head(app, tasks=dict.fromkeys(one.job.task for one in ran)), *rows]
    if app.end_reason:
        end = {"reason": app.end_reason, "recorder_cpu_s": 0.1, "sampler_cpu_s": 0.2}
        lines.append(_line(Moment.ENDED, t_ns=end_ns, **end))
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """A job with its times in the simulated worker."""

    job: RecordedJob
    number: int
    slot: int
    #: Memory of the slot's process before it, bytes.
    before_bytes: int
    published_ns: int
    received_ns: int
    started_ns: int
    finished_ns: int

    @property
    def end_ns(self) -> int:
        return self.finished_ns if self.job.outcome else self.started_ns


def _run(jobs: Sequence[RecordedJob], *, app: RecordedApp) -> Iterator[_Ran]:
    free = [(0, slot) for slot in range(app.slots)]
    ends: list[int] = []
    memory_bytes = [_PROCESS_BYTES] * app.slots
    limit = app.slots * app.prefetch_multiplier
    for number, job in enumerate(jobs):
        published_ns = BEGIN_NS + round(job.at_s * _NS_PER_S)
        received_ns = published_ns + 1_000_000
        if limit and len(ends) >= limit:
            # the oldest of the jobs that it may have at once has to end first
            received_ns = max(received_ns, sorted(ends)[-limit])
        free_ns, slot = heapq.heappop(free)
        ready_ns = max(received_ns, published_ns + round(job.countdown_s * _NS_PER_S))
        started_ns = max(free_ns, ready_ns) + 100_000
        finished_ns = started_ns + round(job.wall_s * _NS_PER_S)
        # a job that never ends keeps its slot
        heapq.heappush(free, (finished_ns if job.outcome else 2 * BEGIN_NS, slot))
        ends.append(finished_ns)
        yield _Ran(
            job=job,
            number=number,
            slot=slot,
            before_bytes=memory_bytes[slot],
            published_ns=published_ns,
            received_ns=received_ns,
            started_ns=started_ns,
            finished_ns=finished_ns,
        )
        memory_bytes[slot] += job.grown_bytes


def _head(app: RecordedApp, *, tasks: Iterable[str]) -> list[dict[str, Any]]:
    recording: dict[str, Any] = {
        "t_ns": BEGIN_NS,
        "host": "web1",
        "boot_id": "b1",
        "python": "3.12.1",
        "celery": "5.7.0",
        "poolbench": "0.1.0",
        "cores": 4,
        "worker_pid": 100,
        "sample_hz": 50,
        "gil": "address",
        "dropped_lines": 0,
        "dropped_bytes": 0,
    }
    worker = {
        "worker": app.name,
        "pool": app.pool,
        "slots": app.slots,
        "queues": list(app.queues),
        "options": {"pool": app.pool, "concurrency": app.slots},
        "settings": {},
        "packages": {},
    }
    options: dict[str, Mapping[str, Any]] = {name: {} for name in tasks} | dict(app.tasks)
    return [
        _line(Moment.RECORDING, **recording | dict(app.recording)),
        _line(Moment.WORKER, t_ns=BEGIN_NS, **worker | dict(app.worker)),
        *(
            _line(Moment.TASK, t_ns=BEGIN_NS, task=name, options=own)
            for name, own in options.items()
        ),
    ]


def _job_lines(ran: _Ran, *, app: RecordedApp) -> Iterator[dict[str, Any]]:
    job = ran.job
    is_shared = app.pool == "gevent"
    has_process = app.pool in {"prefork", "solo"}
    pid = 101 + ran.slot if app.pool == "prefork" else 100
    identity = {
        "run": "recording",
        "trial": 0,
        "seq": None,
        "contender": app.name.partition("@")[0],
        "kind": job.task,
        "task_id": job.task_id or f"{ran.number:016x}",
        "attempt": job.attempt,
        "nonce": f"{app.name}-{ran.number:016x}",
        "due_ns": None,
        "sent_ns": None,
    }
    yield _line(
        Moment.RECEIVED,
        t_ns=ran.received_ns,
        **identity,
        worker=app.name,
        eta_ns=ran.published_ns + round(job.countdown_s * _NS_PER_S) if job.countdown_s else None,
        queue=job.queue,
        published_ns=ran.published_ns if app.has_published else None,
        parent_id=job.parent_id,
        root_id=job.root_id or identity["task_id"],
        size_bytes=job.size_bytes,
        priority=job.priority,
    )
    yield _line(
        Moment.STARTED,
        t_ns=ran.started_ns,
        **identity,
        host="web1",
        boot_id="b1",
        pid=pid,
        slot=f"{pid}:{ran.slot}",
        pool_seen=_CLASSES[app.pool],
        sockets_patched=is_shared,
        gil_enabled=True,
        thread_id=1_000 if is_shared else 1_000 + ran.slot,
        rss_before_bytes=ran.before_bytes if has_process else None,
    )
    if not job.outcome:
        return
    yield _line(
        Moment.FINISHED,
        t_ns=ran.finished_ns,
        **identity,
        pid=pid,
        state=_STATES[job.outcome],
        cpu_ns=None if is_shared else _ns(job.cpu_s),
        work_ns=None,
        blocked_ns=_ns(job.blocked_s) if is_shared else None,
        rss_after_bytes=ran.before_bytes + job.grown_bytes if has_process else None,
        child_cpu_ns=_ns(job.child_cpu_s) if has_process else None,
        running_ns=_ns(job.cpu_s) if is_shared else None,
    )
    if job.outcome != "done":
        error = {"outcome": job.outcome, "error": "TimeLimitExceeded"}
        yield _line(Moment.VERDICT, t_ns=ran.finished_ns, **identity, **error)
    if app.has_states and not is_shared:
        states = {f"{state}_ns": _ns(time_s) for state, time_s in job.states.items()}
        nonce = identity["nonce"]
        yield _line(Moment.STATES, t_ns=ran.finished_ns, nonce=nonce, **states)
    if app.has_lanes:
        yield _steps_line(ran, pid=pid, nonce=str(identity["nonce"]), is_shared=is_shared)


def _steps_line(ran: _Ran, *, pid: int, nonce: str, is_shared: bool) -> dict[str, Any]:
    """Return the line of what a job's thread did, or of its turns in the thread of all jobs."""
    letters = {
        state: (RUNS if state.startswith("core") else PAUSES)
        if is_shared
        else LETTERS.get(f"{state}_ns", "c")
        for state in ran.job.states
    }
    steps = "".join(
        f"{letters[state]}{round(time_s * 1e6)}" for state, time_s in ran.job.states.items()
    )
    if is_shared:
        return _line(Moment.TURNS, t_ns=ran.started_ns, nonce=nonce, steps=steps)
    return _line(Moment.LANE, t_ns=ran.started_ns, pid=pid, thread_id=1_000 + ran.slot, steps=steps)


def _each_second(ran: Sequence[_Ran], *, app: RecordedApp, end_ns: int) -> Iterator[dict[str, Any]]:
    for t_ns in range(BEGIN_NS, end_ns, _NS_PER_S):
        begun = [one for one in ran if one.received_ns <= t_ns]
        ended = [one for one in begun if one.finished_ns <= t_ns]
        running = sum(one.started_ns <= t_ns < one.finished_ns for one in begun)
        yield _line(
            Moment.ALIVE,
            t_ns=t_ns,
            contender=app.name.partition("@")[0],
            pool=app.pool,
            slots=app.slots,
            prefetch_count=app.slots * app.prefetch_multiplier,
            reserved_jobs=len(begun) - len(ended) - running,
            running_jobs=running,
            countdown_jobs=0,
            missed_lines=0,
            queues=list(app.queues),
        )
        yield _line(
            Moment.LEVELS,
            t_ns=t_ns,
            processes=1 + (app.slots if app.pool == "prefork" else 0),
            connections=app.connections,
            pss_bytes=app.pss_bytes + sum(one.job.grown_bytes for one in ended),
            rss_bytes=2 * app.pss_bytes,
            cpu_s=sum(one.job.cpu_s for one in ended),
            throttled_s=0.0,
            throttled_periods=0,
            recorder_cpu_s=0.01 * (t_ns - BEGIN_NS) / _NS_PER_S,
            sampler_cpu_s=0.02 * (t_ns - BEGIN_NS) / _NS_PER_S,
        )


def _line(moment: Moment, *, t_ns: int, **members: Any) -> dict[str, Any]:
    return {"v": FORMAT, "m": moment.value, "t_ns": t_ns, **members}


def _ns(time_s: float) -> int:
    return round(time_s * _NS_PER_S)
