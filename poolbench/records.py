"""The data about one execution attempt: the probe's lines, and the record made from them.

A *line* is one moment, a JSON object on one line of less than 4 KiB. Every line contains ``v``
(format), ``m`` (moment), ``nonce``, ``t_ns`` (Unix nanoseconds) and the parts of the job's identity
that its writer has. The collector folds the lines of one nonce into one record.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from poolbench.str_enum import StrEnum

#: Version of the line, of the record and of a results folder. It is raised if an old reader would
#: misread a new file.
FORMAT = 1

#: Largest line that is written completely or not at all (POSIX PIPE_BUF on Linux), bytes.
LINE_MAX_BYTES = 4_096

#: Longest text of an error, characters; longer ones are cut, so that a line keeps its limit.
ERROR_MAX_CHARS = 300


class Moment(StrEnum):
    """The moment of a job that a line records."""

    #: Celery's consumer has received the message. Written by the consumer's process.
    RECEIVED = "received"
    #: The slot is about to call the job's function.
    STARTED = "started"
    #: The slot has finished: result stored, callbacks dispatched.
    FINISHED = "finished"
    #: Celery's own verdict on an execution, often from the parent of the slot.
    VERDICT = "verdict"
    #: A worker's heartbeat, which belongs to no job; it becomes a key with an expiry.
    ALIVE = "alive"
    #: In a local recording only, as are all that follow: the start of a worker's session.
    RECORDING = "recording"
    #: The worker once it is ready: its options and the settings in effect.
    WORKER = "worker"
    #: A task of the app, with its own options.
    TASK = "task"
    #: What the slot of one execution was doing, from samples of its thread. One line a nonce.
    STATES = "states"
    #: The worker's process tree from outside, each second.
    LEVELS = "levels"
    #: What one thread did over time (`poolbench.recording.lanes`), while lanes are recorded.
    LANE = "lane"
    #: When the greenlet or the coroutine of one execution ran, likewise.
    TURNS = "turns"
    #: A message that a job of the user's app has published, so that the ledger waits for it.
    PUBLISHED = "published"
    #: The end of a session, with its reason and the cost of recording.
    ENDED = "ended"


class Outcome(StrEnum):
    """How an execution attempt ended."""

    DONE = "done"
    FAILED = "failed"
    RETRIED = "retried"
    REJECTED = "rejected"
    REVOKED = "revoked"
    IGNORED = "ignored"
    EXPIRED = "expired"
    TIMED_OUT = "timed-out"
    LOST_WORKER = "lost-worker"


#: Outcomes after which the job needs no further attempt. `RETRIED` and `REJECTED` are left out,
#: since the job runs again; `LOST_WORKER`, since it may.
FINAL_OUTCOMES = frozenset(Outcome) - {Outcome.RETRIED, Outcome.REJECTED, Outcome.LOST_WORKER}

#: Outcome for each state in a *finished* line.
OUTCOME_OF_STATE: Mapping[str, Outcome] = {
    "SUCCESS": Outcome.DONE,
    "FAILURE": Outcome.FAILED,
    "RETRY": Outcome.RETRIED,
    "REJECTED": Outcome.REJECTED,
    "IGNORED": Outcome.IGNORED,
    "REVOKED": Outcome.REVOKED,
}


#: One field of a line or of a record: the type of its values, and their unit and meaning.
Column = tuple[type[int | str | bool], str]

_IDENTITY: dict[str, Column] = {
    "run": (str, "id of the run"),
    "trial": (int, "index of the trial in its run, from 0"),
    "seq": (int, "index of the job in its trial, dense from 0; null without Poolbench's header"),
    "contender": (str, "name of the contender the job was sent to"),
    "kind": (str, "job kind: the Celery task's name"),
    "task_id": (str, "Celery's id of the job"),
    "attempt": (int, "Celery's count of retries before this execution, from 0"),
    "nonce": (str, "16 hexadecimal digits, unique for each execution; it reveals duplicates"),
    "due_ns": (int, "when the job should have been sent, Unix ns"),
    "sent_ns": (
        int,
        "when its batch was flushed, Unix ns; for a later step of a chain or chord, the first's",
    ),
    "part": (str, "name of the job's part in a mix; null without a mix"),
}

_RECEIPT: dict[str, Column] = {
    "worker": (str, "name of the Celery worker that received it"),
    "eta_ns": (int, "earliest start by a countdown, Unix ns; null without one"),
}

_EVIDENCE: dict[str, Column] = {
    "work_ns": (int, "duration of the function alone, ns; null for kinds that are not Poolbench's"),
    "cpu_ns": (int, "CPU time of the slot's thread, ns; null if slots share a thread"),
    "blocked_ns": (int, "stretches of 50 ms or more without an await, ns; null without a loop"),
    "error": (str, "type and text of the error, shortened"),
    "host": (str, "name of the machine the slot ran on"),
    "boot_id": (str, "id of that machine's boot; times with the same id are from one clock"),
    "pid": (int, "process that ran the job"),
    "slot": (str, "pid and thread or greenlet that ran the job"),
    "pool_seen": (str, "class of the pool that ran it, as module:name"),
    "sockets_patched": (bool, "whether gevent had patched sockets there"),
    "gil_enabled": (bool, "whether the GIL was enabled in that interpreter"),
}

#: All members that a line may have; some are in the lines of certain moments only.
LINE_COLUMNS: Mapping[str, Column] = {
    "v": (int, "format version of the line"),
    "m": (str, "moment: received, started, finished, verdict"),
    "t_ns": (int, "when, Unix ns"),
    **_IDENTITY,
    **_RECEIPT,
    "state": (str, "finished: Celery's state, or null"),
    "outcome": (str, "verdict: an `Outcome`"),
    **_EVIDENCE,
}

#: A record: one execution attempt of one job. The columns of ``jobs.parquet``, in this order.
RECORD_COLUMNS: Mapping[str, Column] = {
    **_IDENTITY,
    **_RECEIPT,
    "received_ns": (int, "when Celery's consumer received it, Unix ns: the end of the broker wait"),
    "started_ns": (int, "when a slot started it, Unix ns: the end of the prefetch wait"),
    "finished_ns": (int, "when the slot finished it: result stored, callbacks dispatched, Unix ns"),
    "finished_again_ns": (int, "the last end of an execution that ended more than once, Unix ns"),
    "outcome": (str, "how it ended, an `Outcome`; null while it runs"),
    **_EVIDENCE,
}

#: What a slot was doing, ns of the execution's duration, by samples; null where no sample met it.
#: They add up to its duration within a sampling interval. An execution shorter than an interval
#: (20 ms at 50 Hz) that a sample met stands for those that none met: sums over many are right.
STATE_COLUMNS: Mapping[str, Column] = {
    "core_held_ns": (int, "on a core, and another thread waited for the GIL it held, ns"),
    "core_released_ns": (int, "on a core, with the GIL released, ns"),
    "core_ns": (int, "on a core, unknown whether it held the GIL, ns"),
    "runnable_ns": (int, "runnable, while no core was free, ns"),
    "gil_wait_ns": (int, "waiting for the GIL, ns"),
    "lock_wait_ns": (int, "waiting for another lock, ns"),
    "any_lock_ns": (int, "waiting for a lock, unknown whether it was the GIL, ns"),
    "io_wait_ns": (int, "waiting for network, disk, a timer or a child process, ns"),
    "unknown_ns": (int, "its thread's state could not be read, ns"),
}

#: What a local recording (`Moment.RECORDING`) knows of an execution in addition to a record. No
#: column contains arguments, results, the text of an error or an address. Ids are keyed hashes,
#: 16 hexadecimal digits; the key is random for each session and kept nowhere.
RECORDED_COLUMNS: Mapping[str, Column] = {
    # received
    "queue": (str, "queue that the message came from; null if unknown"),
    "published_ns": (int, "when it was published, Unix ns; null if its publisher has no probe"),
    "parent_id": (str, "keyed hash of the job that published it; null without one"),
    "root_id": (str, "keyed hash of the first job of its chain, group or chord"),
    "size_bytes": (int, "size of the message's body, bytes"),
    "priority": (int, "priority of the message; null without one"),
    # started
    "thread_id": (int, "native id of the thread that ran it"),
    "rss_before_bytes": (int, "resident memory of its process before; null if shared or not read"),
    # finished
    "rss_after_bytes": (int, "resident memory of its process after; null if shared or not read"),
    "child_cpu_ns": (int, "CPU time of ended child processes, ns; null if shared or not read"),
    "running_ns": (int, "time its greenlet or coroutine ran, ns; null if slots have threads"),
    **STATE_COLUMNS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """The plan of a trial; it is in the run's hash and in the manifest."""

    trial: int
    contender: str
    pool: str
    #: Slots of the contender; 0 if unknown.
    slots: int
    kind: str
    parameters: Mapping[str, int | float] = field(default_factory=dict)
    #: ``burst``, ``constant``, ``poisson``, ``ramp``, ``steps`` or ``ebb``.
    arrivals: str = "burst"
    #: Mean arrivals per second; 0 for a burst.
    rate_per_s: float = 0.0
    #: If the rate changes: the parameters of the change; several numbers are a list.
    shape: Mapping[str, float | list[float]] = field(default_factory=dict)
    #: If the rate changes: the longest time between two jobs as drawn, seconds.
    longest_gap_s: float = 0.0
    #: Number of jobs to send.
    count: int = 0
    #: Size of an unused argument, bytes; 0 for none.
    payload_bytes: int = 0
    #: Whether its messages request that results be stored.
    stores_result: bool = False


def line_start(moment: str) -> str:
    """Return how a line of a moment begins, so that it can be recognized without being parsed."""
    return f'{{"v":{FORMAT},"m":"{moment}",'


def encode_line(moment: Moment, **members: Any) -> bytes:
    """Return a line in its wire form; ``t_ns`` is now, unless it is among the members.

    The lines of executions, for which jobs wait, are built faster by `poolbench.lines`.
    """
    fields = {"v": FORMAT, "m": moment.value, "t_ns": time.time_ns(), **members}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode_line(wire: bytes | str) -> dict[str, Any]:
    """Return the line in its wire form as a mapping.

    Raises:
        ValueError: if it can't be parsed or is of another format.
    """
    line = json.loads(wire)
    if not isinstance(line, dict) or line.get("v") != FORMAT or "m" not in line:
        raise ValueError(f"no line of format {FORMAT}: {wire[:80]!r}")
    return line
