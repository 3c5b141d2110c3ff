"""The probe of a worker that is recorded into a local file: more of each job, and no text of it."""

from __future__ import annotations

import logging
import marshal
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from celery import signals

from poolbench import publisher
from poolbench.errors import ExitCode
from poolbench.evidence import class_path, is_gil_enabled
from poolbench.heartbeat import alive_line
from poolbench.pipe import Pipe, start_pipe
from poolbench.probe import (
    BLOCKED_NS,
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
from poolbench.recording.events import (
    FINISHED,
    FORMAT,
    MESSAGE,
    MESSAGE_MAX_BYTES,
    POOL,
    QUEUE,
    RECEIVED,
    STARTED,
    VERDICT,
    pack,
)
from poolbench.recording.file import open_recording
from poolbench.recording.gil_probe import start_gil_probe
from poolbench.recording.lanes import turns_line
from poolbench.recording.process_use import ProcessUse
from poolbench.recording.running_time import RunningTime
from poolbench.recording.settings import GIL_PROBE, LANES, load_recording_settings
from poolbench.records import Outcome
from poolbench.work import CPU_FROM_NS, EXECUTION, WORK_NS

#: How long a job waits at most for a recorder that doesn't read, once, seconds.
FULL_PIPE_WAIT_S = 0.2

_log = logging.getLogger("poolbench.probe")


class RecordingProbe(Probe):
    """The handlers of Celery's signals in a recorded worker.

    They report events to the recorder, which makes lines of them. An execution is known by its
    nonce, and errors by the names of their classes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._use = ProcessUse()
        self._worker_pid = 0
        self._worker_name = ""
        self._broken_pipe: Pipe | None = None
        self._has_lanes = os.environ.get(LANES) == "1"
        self._running_time = RunningTime(has_lanes=self._has_lanes)
        #: What was reported of the worker's queues.
        self._queues: tuple[dict[tuple[object, object], str], str | None] = {}, None
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
        self._worker_name = worker.hostname
        self._contender = name_from(worker.hostname)
        settings = load_recording_settings()
        fd, path = open_recording(Path(settings.path).absolute())
        try:
            settings = replace(
                settings, path=str(path), worker_pid=os.getpid(), contender=self._contender
            )
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
    def on_pool(self, consumer: Any) -> None:
        """Report the pool's class before it starts."""
        super().on_pool(consumer)
        self._report(POOL, class_path(consumer.pool), self._worker_name)

    @guarded
    def on_process_init(self, **_: object) -> None:
        """Join the worker's pipe in a spawned slot, and measure the GIL in it if that is asked for.

        Celery calls it in each child of a prefork worker, and in a solo worker.
        """
        super().on_process_init()
        if self._pipe is not None:
            self._adapt(self._pipe)
            if os.environ.get(GIL_PROBE) == "1":
                start_gil_probe(self._report)

    def _report(self, *event: object) -> bool:
        """Write an event; return whether the recording continues."""
        pipe = self._pipe
        if pipe is not None:
            pipe.write(pack(*event))
        return pipe is not None

    @guarded
    def on_beat(self, consumer: Any) -> None:
        """Write the worker's heartbeat; report once that the recorder was killed."""
        if self._broken_pipe is not None:
            self._judge_end(self._broken_pipe)
        if self._pipe is not None:
            self._report_queues(consumer.task_consumer.queues)
            missed = self._pipe.dropped_lines
            self._report(alive_line(consumer, contender=self._contender, missed_lines=missed))

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
        self._report(worker_line(described))
        if not self._described:
            for line in task_lines(sender.app):
                self._report(line)
        self._described = described

    def _report_queues(self, queues: Any) -> None:
        """Report where messages come from; a worker's queues may change."""
        by_route: dict[tuple[object, object], str] = {}
        for queue in queues:
            # Celery sends to a queue of a direct exchange by the default exchange
            by_route["", queue.name] = queue.name
            by_route.setdefault((queue.exchange.name, queue.routing_key), queue.name)
        names = set(by_route.values())
        found = by_route, names.pop() if len(names) == 1 else None
        if found != self._queues:
            self._queues = found
            # one at a time, since a worker may have hundreds
            for route, name in by_route.items():
                self._report(QUEUE, route, name)
            self._report(QUEUE, None, found[1])

    def on_received(self, *, request: Any, **_: object) -> None:
        """Assign a nonce to this execution and report when it was received, and what it is."""
        t_ns = time.time_ns()
        pipe = self._pipe
        if pipe is None:
            return
        try:
            fields, delivery = request.request_dict, request.delivery_info
            fields[EXECUTION] = nonce = self._nonces.getrandbits(64)
            eta, body = request.eta, request.body
            event = (
                RECEIVED, nonce, t_ns, request.type, request.id,
                fields.get("retries"), fields.get("parent_id"), fields.get("root_id"),
                fields.get(PUBLISHED_NS), None if eta is None else eta.timestamp(),
                len(body) if isinstance(body, (bytes, str)) else None,
                delivery["priority"], delivery["exchange"], delivery["routing_key"],
            )  # fmt: skip
            message = marshal.dumps(event, FORMAT)
            pipe.write(message if len(message) <= MESSAGE_MAX_BYTES else pack(*event))
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_received, error)

    def on_started(self, *, sender: Any, **_: object) -> None:
        """Report that a job starts, with the evidence of the slot, its thread and its memory."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            nonce = request.get(EXECUTION)
            if nonce is None:
                return
            evidence = self._evidence
            rss_bytes = self._use.begin(time.time_ns()) if evidence.has_own_process else None
            event = (
                STARTED, nonce, time.time_ns(), evidence.pid, evidence.slot_ident(),
                threading.get_native_id(), evidence.are_sockets_patched, is_gil_enabled(),
                rss_bytes,
            )  # fmt: skip
            pipe.write(marshal.dumps(event, FORMAT))
            if evidence.has_own_thread:
                request.poolbench_cpu_from_ns = time.thread_time_ns()
            elif "greenlet" in sys.modules:
                self._running_time.begin()
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_started, error)

    def on_finished(self, *, sender: Any, state: str | None = None, **_: object) -> None:
        """Report that a job has finished, with what it took."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            nonce = request.get(EXECUTION)
            if nonce is None:
                return
            t_ns = time.time_ns()
            evidence = self._evidence
            cpu_ns = running_ns = rss_bytes = child_cpu_ns = None
            cpu_from_ns, blocked_ns = request.get(CPU_FROM_NS), request.get(BLOCKED_NS)
            if cpu_from_ns is not None:
                cpu_ns = time.thread_time_ns() - cpu_from_ns
            elif (turns := self._running_time.end()) is not None:
                running_ns = turns[0]
                blocked_ns = turns[1] if blocked_ns is None else blocked_ns
            if evidence.has_own_process:
                rss_bytes, child_cpu_ns = self._use.end(t_ns)
            event = (
                FINISHED, nonce, t_ns, evidence.pid, state, cpu_ns, request.get(WORK_NS),
                blocked_ns, running_ns, rss_bytes, child_cpu_ns,
            )  # fmt: skip
            pipe.write(marshal.dumps(event, FORMAT))
            if self._has_lanes and running_ns is not None:
                for began_ns, steps in self._running_time.steps():
                    self._report(turns_line(nonce, began_ns=began_ns, steps=steps))
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_finished, error)

    def _on_fork(self) -> None:
        """After a fork: also read the child's own memory."""
        super()._on_fork()
        self._use.close()
        self._use = ProcessUse()

    def _execution_of(self, request: Any) -> Any:
        """Return the nonce of a request; messages are published without one."""
        return request.get(EXECUTION)

    def _received_execution(self, job_id: str) -> Any:
        """Return the job's id: the recorder remembers its nonce."""
        return job_id

    def _new_execution(self, fields: Mapping[str, Any], *, kind: str, job_id: str) -> Any:
        """Report a message that was not received; return its nonce."""
        nonce = self._nonces.getrandbits(64)
        self._report(MESSAGE, nonce, kind, job_id, fields.get("retries"))
        return nonce

    def _write_verdict(
        self, execution: Any, *, outcome: Outcome, error: str, cause: object = None
    ) -> None:
        """Report a verdict with the error's class, and never its text."""
        # a retry wraps the error that it is for
        cause = getattr(cause, "exc", None) or cause
        name = type(cause).__name__ if isinstance(cause, BaseException) else ""
        text = name or (TERMINATED if error == TERMINATED else "")
        if execution is not None:
            self._report(VERDICT, execution, time.time_ns(), outcome.value, text)
