"""Makes the stored lines of executions from what the probe reports of them.

Ids become keyed hashes here, in the recorder's process: its key is random, in its memory alone, so
the hashes of two sessions have nothing in common.
"""

from __future__ import annotations

import os
from collections import deque
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from poolbench import lines
from poolbench.recording.events import (
    Event,
    Finished,
    Message,
    Pool,
    Queue,
    Received,
    Started,
    Verdict,
)
from poolbench.records import Moment, Outcome

#: The run in every line of a recording.
RUN = "recording"

#: Executions that are remembered: those that have not ended, and the last ones that have. A slot
#: may run the same execution again, and a verdict may follow the end.
MOST_OPEN, MOST_ENDED = 100_000, 10_000

_NAME_MAX_CHARS = 100

_INT64_MAX = 2**63 - 1


class _Execution(NamedTuple):
    #: The members in each of its lines.
    identity: str
    job_id: object


class ExecutionLines:
    """The executions of one session, with the lines that are stored of them."""

    def __init__(self, *, contender: str) -> None:
        self._members = lines.foreign_members(run=RUN, contender=contender)
        self._keyed = blake2b(key=os.urandom(32), digest_size=8)
        self._pool = Pool(pool_seen="", worker="")
        #: Names of the worker's queues by route; None has that of any other route.
        self._queues: dict[tuple[object, object] | None, str | None] = {}
        self._executions: dict[int, _Execution] = {}
        #: The last execution that was received, by job id.
        self._nonces: dict[object, int] = {}
        self._ended: deque[int] = deque()
        #: Evidence of each process, as members without an end.
        self._evidence: dict[tuple[int, bool], str] = {}

    def of(self, event: Event) -> tuple[Moment, bytes] | None:
        """Return the line of an event with its moment; None if none is stored."""
        match event:
            case Received():
                return Moment.RECEIVED, self._received(event)
            case Started():
                return self._started(event)
            case Finished():
                return self._finished(event)
            case Verdict():
                return self._verdict(event)
            case Message():
                self._identify(event)
            case Pool():
                self._pool = event
            case Queue():
                self._queues[event.route] = event.name
        return None

    def _received(self, event: Received) -> bytes:
        identity = self._identify(event)
        route = event.exchange, event.routing_key
        queue = self._queues.get(route, self._queues.get(None))
        return lines.received_line(
            f'{identity},"queue":{"null" if queue is None else quote(queue[:_NAME_MAX_CHARS])},'
            f'"published_ns":{_count(event.published_ns)},"parent_id":{self._id(event.parent_id)},'
            f'"root_id":{self._id(event.root_id)},"size_bytes":{_count(event.size_bytes)},'
            f'"priority":{_count(event.priority)}',
            t_ns=event.t_ns,
            worker=self._pool.worker,
            eta_ns=None if event.eta_s is None else round(event.eta_s * 1e9),
        )

    def _started(self, event: Started) -> tuple[Moment, bytes] | None:
        execution = self._executions.get(event.nonce)
        if execution is None:
            return None
        process = event.pid, event.are_sockets_patched
        if process not in self._evidence:
            self._evidence[process] = lines.evidence_members(
                pid=event.pid,
                pool_seen=self._pool.pool_seen,
                are_sockets_patched=event.are_sockets_patched,
            )
        evidence = (
            f'{self._evidence[process]}{event.slot}",'
            f'"gil_enabled":{"true" if event.is_gil_enabled else "false"},'
            f'"thread_id":{event.thread_id},"rss_before_bytes":{_count(event.rss_bytes)}'
        )
        line = lines.started_line(execution.identity, t_ns=event.t_ns, evidence=evidence)
        return Moment.STARTED, line

    def _finished(self, event: Finished) -> tuple[Moment, bytes] | None:
        execution = self._executions.get(event.nonce)
        if execution is None:
            return None
        self._end(event.nonce)
        line = lines.finished_line(
            f'{execution.identity},"rss_after_bytes":{_count(event.rss_bytes)},'
            f'"child_cpu_ns":{_count(event.child_cpu_ns)},'
            f'"running_ns":{_count(event.running_ns)}',
            t_ns=event.t_ns,
            pid=event.pid,
            state=event.state,
            cpu_ns=event.cpu_ns,
            work_ns=event.work_ns,
            blocked_ns=event.blocked_ns,
        )
        return Moment.FINISHED, line

    def _verdict(self, event: Verdict) -> tuple[Moment, bytes] | None:
        nonce = event.execution
        if isinstance(nonce, str):
            nonce = self._nonces.get(nonce, -1)
        execution = self._executions.get(nonce)
        if execution is None:
            return None
        self._end(nonce)
        line = lines.verdict_line(
            execution.identity,
            t_ns=event.t_ns,
            outcome=Outcome(event.outcome),
            error=event.error,
        )
        return Moment.VERDICT, line

    def _identify(self, event: Received | Message) -> str:
        """Remember a new execution; return the members in each of its lines."""
        identity = lines.identity(
            self._members,
            kind=event.kind,
            task_id=self._digest(event.job_id),
            attempt=event.attempt,
            nonce=event.nonce,
        )
        self._executions[event.nonce] = _Execution(identity, event.job_id)
        if isinstance(event, Received):
            self._nonces[event.job_id] = event.nonce
        if len(self._executions) > MOST_OPEN + MOST_ENDED:
            self._forget(next(iter(self._executions)))
        return identity

    def _end(self, nonce: int) -> None:
        self._ended.append(nonce)
        if len(self._ended) > MOST_ENDED:
            self._forget(self._ended.popleft())

    def _forget(self, nonce: int) -> None:
        execution = self._executions.pop(nonce, None)
        if execution is not None and self._nonces.get(execution.job_id) == nonce:
            del self._nonces[execution.job_id]

    def _id(self, job_id: object) -> str:
        return f'"{self._digest(job_id)}"' if job_id else "null"

    def _digest(self, job_id: object) -> str:
        """Return the keyed hash of an id."""
        keyed = self._keyed.copy()
        keyed.update(str(job_id).encode(errors="replace"))
        return keyed.hexdigest()


def _count(value: object) -> str:
    """Return a whole number as JSON; ``null`` for anything else."""
    return str(value) if type(value) is int and 0 <= value <= _INT64_MAX else "null"
