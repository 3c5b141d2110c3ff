"""The probe of a worker that is recorded into a local file: more of each job, and no text of it."""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quote
from pathlib import Path
from typing import Any

from celery import signals

from poolbench import lines, publisher
from poolbench.errors import ExitCode
from poolbench.heartbeat import alive_line
from poolbench.pipe import Pipe, start_pipe
from poolbench.probe import (
    BLOCKED_NS,
    EXECUTION,
    HANDOVER,
    TERMINATED,
    Probe,
    guarded,
    log_once,
    name_from,
)
from poolbench.publisher import PUBLISHED_NS
from poolbench.recording.description import (
    command_line_options,
    task_lines,
    worker_line,
    worker_members,
)
from poolbench.recording.file import open_recording
from poolbench.recording.gil_probe import start_gil_probe
from poolbench.recording.running_time import RunningTime
from poolbench.recording.settings import GIL_PROBE, load_recording_settings
from poolbench.records import Outcome
from poolbench.work import CPU_FROM_NS, WORK_NS

#: The run in every line of a recording.
RUN = "recording"

#: How long a job waits at most for a recorder that doesn't read, once, seconds.
FULL_PIPE_WAIT_S = 0.2

_PAGE_BYTES = resource.getpagesize()

_INT64_MAX = 2**63 - 1

_log = logging.getLogger("poolbench.probe")


class RecordingProbe(Probe):
    """The handlers of Celery's signals in a recorded worker.

    Ids become keyed hashes, and errors the name of their class. The key exists in the memory of the
    worker's processes alone, so the hashes of two sessions have nothing in common.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keyed = blake2b(key=os.urandom(32), digest_size=8)
        self._statm_fd: int | None = None
        #: Resident memory as JSON, and CPU time of ended child processes, ns, when the last job
        #: ended; None before a first job, and where slots share a process. A job begins with the
        #: figures of the one before, since reading memory is the dearest part of a recording.
        self._last_use: tuple[str, int] | None = None
        #: The last id that was hashed, and its hash: a job is often its own root.
        self._hashed: tuple[object, str] = (None, "")
        self._worker_pid = 0
        self._broken_pipe: Pipe | None = None
        self._running_time = RunningTime()
        #: Names of the worker's queues as JSON, by exchange and routing key.
        self._queues: dict[tuple[object, object], str] = {}
        #: The only queue as JSON, or ``null``.
        self._other_queue = "null"
        self._options: dict[str, Any] = {}
        self._described: dict[str, Any] = {}

    def connect(self) -> None:
        """Connect the handlers to Celery's signals."""
        super().connect()
        signals.worker_ready.connect(self.on_worker_ready, weak=False)

    def _start_recorder(self, worker: Any) -> Pipe:
        """Return the pipe of a recorder with a local file, by the settings of recordings alone."""
        self._worker_pid = os.getpid()
        self._options = command_line_options()
        self._contender = name_from(worker.hostname)
        self._members = lines.foreign_members(run=RUN, contender=self._contender)
        settings = load_recording_settings()
        fd, path = open_recording(Path(settings.path).absolute())
        try:
            settings = replace(settings, path=str(path), worker_pid=os.getpid())
            pipe = start_pipe(settings, module="poolbench.recording.recorder", stdout=fd)
        finally:
            # the recorder has its own, which keeps the lock
            os.close(fd)
        self._adapt(pipe)
        _log.warning("poolbench: recording into %s", path)
        return pipe

    def _adapt(self, pipe: Pipe) -> None:
        pipe.on_broken = self._on_broken
        pipe.full_wait_s = FULL_PIPE_WAIT_S

    def _on_broken(self, _error: OSError) -> None:
        """Stop recording in this process: the recording has ended, or its recorder was killed."""
        if self._pipe is None:
            # another thread has noticed it too
            return
        self._broken_pipe, self._pipe = self._pipe, None
        signals.before_task_publish.disconnect(publisher.stamp)
        self._running_time.stop()
        if os.getpid() == self._worker_pid:
            os.environ[HANDOVER] = ""

    @guarded
    def on_process_init(self, **_: object) -> None:
        """Join the worker's pipe in a spawned slot, and measure the GIL in it if that is asked for.

        Celery calls it in each child of a prefork worker, and in a solo worker.
        """
        super().on_process_init()
        if self._pipe is not None:
            self._adapt(self._pipe)
            if os.environ.get(GIL_PROBE) == "1":
                start_gil_probe(self._write_gil_line)

    def _write_gil_line(self, line: bytes) -> bool:
        """Write a line of the GIL's helper; return whether the recording continues."""
        pipe = self._pipe
        if pipe is not None:
            pipe.write(line)
        return pipe is not None

    @guarded
    def on_beat(self, consumer: Any) -> None:
        """Write the worker's heartbeat; report once that the recorder was killed."""
        if self._broken_pipe is not None:
            self._judge_end(self._broken_pipe)
        if self._pipe is not None:
            self._name_queues(consumer.task_consumer.queues)
            missed = self._pipe.dropped_lines
            self._pipe.write(alive_line(consumer, contender=self._contender, missed_lines=missed))

    def _judge_end(self, pipe: Pipe) -> None:
        """Log that the recorder was killed, once it has ended; it logs its other ends itself."""
        code = pipe.recorder_exit_code()
        if code is None:
            return
        self._broken_pipe = None
        if code not in {ExitCode.OK, ExitCode.STORAGE}:
            _log.warning("poolbench: the recorder was killed, the jobs run without it")

    @guarded
    def on_worker_ready(self, *, sender: Any, **_: object) -> None:
        """Describe the worker and its tasks; after a lost connection only what has changed."""
        if self._pipe is None:
            return
        described = worker_members(sender, contender=self._contender, options=self._options)
        if described == self._described:
            return
        self._pipe.write(worker_line(described))
        if not self._described:
            for line in task_lines(sender.app):
                self._pipe.write(line)
        self._described = described

    def _name_queues(self, queues: Any) -> None:
        """Prepare the names of the queues that messages come from; a worker's queues may change."""
        named: dict[tuple[object, object], str] = {}
        for queue in queues:
            name = quote(queue.name[:100])
            # Celery sends to a queue of a direct exchange by the default exchange
            named["", queue.name] = name
            named.setdefault((queue.exchange.name, queue.routing_key), name)
        self._queues = named
        names = set(named.values())
        self._other_queue = names.pop() if len(names) == 1 else "null"

    def on_received(self, *, request: Any, **_: object) -> None:
        """Assign a nonce to this execution and write when it was received, and what it is."""
        t_ns = time.time_ns()
        pipe = self._pipe
        if pipe is None:
            return
        try:
            fields = request.request_dict
            job_id = request.id
            execution = self._new_execution(fields, kind=request.type, job_id=job_id)
            fields[EXECUTION] = execution
            self._requests[job_id] = request
            root_id, parent_id = fields.get("root_id"), fields.get("parent_id")
            eta, body, delivery = request.eta, request.body, request.delivery_info
            queue = self._queues.get(
                (delivery.get("exchange"), delivery.get("routing_key")), self._other_queue
            )
            size = len(body) if isinstance(body, (bytes, str)) else "null"
            pipe.write(
                lines.received_line(
                    f'{execution},"queue":{queue},'
                    f'"published_ns":{_count(fields.get(PUBLISHED_NS))},'
                    f'"parent_id":{self._quoted_digest(parent_id)},'
                    f'"root_id":{self._quoted_digest(root_id)},'
                    f'"size_bytes":{size},"priority":{_count(delivery.get("priority"))}',
                    t_ns=t_ns,
                    worker=request.hostname,
                    eta_ns=None if eta is None else round(eta.timestamp() * 1e9),
                )
            )
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_received, error)

    def on_started(self, *, sender: Any, **_: object) -> None:
        """Write a *started* line, with the evidence of the slot, its thread and its memory."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            execution = request.get(EXECUTION)
            if execution is None:
                return
            evidence = self._evidence
            rss = "null"
            if evidence.has_own_process:
                if self._last_use is None:
                    self._last_use = self._rss_bytes(), _child_cpu_ns()
                rss = self._last_use[0]
            t_ns = time.time_ns()
            members = (
                f'{evidence.fragment()},"thread_id":{threading.get_native_id()},'
                f'"rss_before_bytes":{rss}'
            )
            pipe.write(lines.started_line(execution, t_ns=t_ns, evidence=members))
            if evidence.has_own_thread:
                request.poolbench_cpu_from_ns = time.thread_time_ns()
            elif "greenlet" in sys.modules:
                self._running_time.begin()
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_started, error)

    def on_finished(self, *, sender: Any, state: str | None = None, **_: object) -> None:
        """Write a *finished* line, with what the job took."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            execution = request.get(EXECUTION)
            if execution is None:
                return
            t_ns = time.time_ns()
            cpu_from_ns = request.get(CPU_FROM_NS)
            cpu_ns = None if cpu_from_ns is None else time.thread_time_ns() - cpu_from_ns
            before = self._last_use
            blocked_ns = request.get(BLOCKED_NS)
            rss, child_cpu, running_ns = "null", "null", "null"
            if cpu_from_ns is None and (turns := self._running_time.end()) is not None:
                running_ns = str(turns[0])
                blocked_ns = turns[1] if blocked_ns is None else blocked_ns
            if before is not None:
                rss, child_cpu_ns = self._last_use = self._rss_bytes(), _child_cpu_ns()
                child_cpu = str(child_cpu_ns - before[1])
            pipe.write(
                lines.finished_line(
                    f'{execution},"rss_after_bytes":{rss},"child_cpu_ns":{child_cpu},'
                    f'"running_ns":{running_ns}',
                    t_ns=t_ns,
                    pid=self._evidence.pid,
                    state=state,
                    cpu_ns=cpu_ns,
                    work_ns=request.get(WORK_NS),
                    blocked_ns=blocked_ns,
                )
            )
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_finished, error)

    def _on_fork(self) -> None:
        """After a fork: also open the child's own memory figures anew."""
        super()._on_fork()
        self._last_use = None
        fd, self._statm_fd = self._statm_fd, None
        if fd is not None:
            os.close(fd)

    def _new_execution(self, fields: Mapping[str, Any], *, kind: str, job_id: str) -> str:
        """Return a new execution's members; every job is recorded, as one of no run of ours."""
        return lines.identity(
            self._members,
            kind=kind,
            task_id=self._digest(job_id),
            attempt=fields.get("retries"),
            nonce=self._nonces.getrandbits(64),
        )

    def _digest(self, job_id: object) -> str:
        """Return the keyed hash of an id."""
        last_id, digest = self._hashed
        if job_id != last_id:
            keyed = self._keyed.copy()
            keyed.update(str(job_id).encode(errors="replace"))
            digest = keyed.hexdigest()
            self._hashed = job_id, digest
        return digest

    def _quoted_digest(self, job_id: object) -> str:
        return f'"{self._digest(job_id)}"' if job_id else "null"

    def _rss_bytes(self) -> str:
        """Return this process's resident memory as JSON; ``null`` where it can't be read."""
        try:
            if self._statm_fd is None:
                self._statm_fd = os.open("/proc/self/statm", os.O_RDONLY)
            return str(int(os.pread(self._statm_fd, 128, 0).split()[1]) * _PAGE_BYTES)
        except (OSError, ValueError, IndexError):
            return "null"

    def _write_verdict(
        self, execution: str | None, *, outcome: Outcome, error: str, cause: object = None
    ) -> None:
        """Write a verdict with the error's class, and never its text."""
        # a retry wraps the error that it is for
        cause = getattr(cause, "exc", None) or cause
        name = type(cause).__name__ if isinstance(cause, BaseException) else ""
        text = name or (TERMINATED if error == TERMINATED else "")
        super()._write_verdict(execution, outcome=outcome, error=text)


def _child_cpu_ns() -> int:
    """Return the CPU time of this process's ended children, ns."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((used.ru_utime + used.ru_stime) * 1e9)


def _count(value: object) -> str:
    """Return a whole number as JSON; ``null`` for anything else."""
    return str(value) if type(value) is int and 0 <= value <= _INT64_MAX else "null"
