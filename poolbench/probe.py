"""Writes a line for each moment of each job. Loaded by ``celery … -I poolbench.probe``.

It works with any unchanged Celery app in any pool, and never raises an exception into the worker.
Without a recorder the jobs continue, and one log line reports that they are not recorded.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import logging
import os
import random
import re
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec

import celery
from celery import signals
from celery.exceptions import (
    NotRegistered,
    Reject,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    WorkerLostError,
)

from poolbench import OLDEST_CELERY, lines
from poolbench.broker_url import client_address
from poolbench.errors import UsageError
from poolbench.evidence import Evidence, class_path
from poolbench.heartbeat import Heartbeat, alive_line, touch
from poolbench.jobs import HEADER
from poolbench.pipe import Pipe, RecorderSettings, join_pipe, start_pipe
from poolbench.recording.settings import RECORD
from poolbench.records import Outcome
from poolbench.settings import Settings, load_settings
from poolbench.userapp import APP
from poolbench.work import CPU_FROM_NS, EXECUTION, WORK_NS

#: Attribute of a job's request, if the pool sets it: how long the job blocked its loop, ns.
BLOCKED_NS = "loop_blocked_ns"

#: Error of a job that was revoked while it ran.
TERMINATED = "terminated"

#: Environment variable that a worker's probe sets for the worker's own children.
HANDOVER = "POOLBENCH_HANDOVER"

_log = logging.getLogger("poolbench.probe")

#: Handlers that have failed in this process, and have logged it.
_failed: set[str] = set()

P = ParamSpec("P")


def log_once(handler: Callable[..., None], error: Exception) -> None:
    """Log a handler's fault once; the job continues."""
    if handler.__qualname__ not in _failed:
        _failed.add(handler.__qualname__)
        _log.warning("%s failed (logged once): %r", handler.__qualname__, error)


def guarded(handler: Callable[P, None]) -> Callable[P, None]:
    """Return a handler that logs its faults instead of raising them into the worker.

    The three handlers that run for every job do this themselves: a wrapper makes them 5 % slower.
    """

    @functools.wraps(handler)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(handler, error)

    return call


class Probe:
    """The handlers of Celery's signals, and their state in this process."""

    def __init__(self) -> None:
        self._pipe: Pipe | None = None
        self._evidence = Evidence(pool_seen="")
        self._run = ""
        self._contender = ""
        self._heartbeat_file: Path | None = None
        #: Unseeded, so it differs by process; a system call for each nonce would be slower.
        self._nonces = random.Random()
        #: In the consumer's process: requests by job id, as long as Celery keeps them. Celery
        #: reports a hard time limit without the request.
        self._requests: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    def connect(self) -> None:
        """Connect the handlers to Celery's signals."""
        for signal, handler in (
            (signals.worker_init, self.on_worker_init),
            (signals.worker_process_init, self.on_process_init),
            (signals.worker_shutdown, self.on_worker_shutdown),
            (signals.task_received, self.on_received),
            (signals.task_prerun, self.on_started),
            (signals.task_postrun, self.on_finished),
            (signals.task_failure, self.on_failure),
            (signals.task_internal_error, self.on_internal_error),
            (signals.task_retry, self.on_retry),
            (signals.task_revoked, self.on_revoked),
            (signals.task_rejected, self.on_rejected),
            (signals.task_unknown, self.on_unknown),
        ):
            signal.connect(handler, weak=False)
        os.register_at_fork(after_in_child=self._on_fork)
        Heartbeat.on_pool = self.on_pool
        Heartbeat.on_beat = self.on_beat

    @guarded
    def on_worker_init(self, *, sender: Any, **_: object) -> None:
        """Start the recorder; the app is configured, and the worker is not built yet."""
        os.environ[HANDOVER] = ""
        sender.app.steps["consumer"].add(Heartbeat)
        try:
            _require_celery(celery.__version__)
            self._pipe = self._start_recorder(sender)
        except (OSError, ValueError, UsageError) as error:
            text = " ".join(str(error).split())
            _log.warning("poolbench: jobs are not recorded: %s", text)
        else:
            atexit.register(self._pipe.close)

    def _start_recorder(self, worker: Any) -> Pipe:
        """Return the pipe of a recorder that was started with this process's settings.

        Raises:
            OSError, ValueError, UsageError: if it can't be started, or a setting is invalid.
        """
        settings = load_settings()
        self._run = settings.run
        self._contender = settings.contender or name_from(worker.hostname)
        self._heartbeat_file = settings.heartbeat_file
        return start_pipe(_recorder_settings(settings, app=worker.app))

    @guarded
    def on_pool(self, consumer: Any) -> None:
        """Record the pool's class before it starts; spawned slots get it from the environment."""
        pool_seen = class_path(consumer.pool)
        self._evidence = Evidence(pool_seen=pool_seen)
        if self._pipe is not None:
            known = {"path": str(self._pipe.path), "pool_seen": pool_seen}
            os.environ[HANDOVER] = json.dumps(known)

    @guarded
    def on_process_init(self, **_: object) -> None:
        """Join the worker's pipe in a spawned slot; a forked one has it already."""
        text = os.environ.get(HANDOVER, "")
        if self._pipe is None and text:
            known = json.loads(text)
            self._evidence = Evidence(pool_seen=known["pool_seen"])
            self._pipe = join_pipe(Path(known["path"]))

    @guarded
    def on_worker_shutdown(self, **_: object) -> None:
        """Wait for the recorder to deliver, since a container ends with its main process."""
        if self._pipe is not None:
            self._pipe.close()

    @guarded
    def on_beat(self, consumer: Any) -> None:
        """Write the worker's heartbeat."""
        if self._pipe is not None:
            self._pipe.write(alive_line(consumer, contender=self._contender))
        if self._heartbeat_file is not None:
            touch(self._heartbeat_file)

    def on_received(self, *, request: Any, **_: object) -> None:
        """Assign a nonce to this execution and write when it was received."""
        t_ns = time.time_ns()
        pipe = self._pipe
        if pipe is None:
            return
        try:
            fields = request.request_dict
            execution = self._new_execution(fields, kind=request.type, job_id=request.id)
            if execution is None:
                fields.pop(EXECUTION, None)
                return
            fields[EXECUTION] = execution
            self._requests[request.id] = request
            eta = request.eta
            pipe.write(
                lines.received_line(
                    execution,
                    t_ns=t_ns,
                    worker=request.hostname,
                    eta_ns=None if eta is None else round(eta.timestamp() * 1e9),
                )
            )
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_received, error)

    def on_started(self, *, sender: Any, **_: object) -> None:
        """Write a *started* line, with the evidence of the slot."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            execution = request.get(EXECUTION)
            if execution is None:
                return
            evidence = self._evidence
            t_ns = time.time_ns()
            pipe.write(lines.started_line(execution, t_ns=t_ns, evidence=evidence.fragment()))
            if evidence.has_own_thread:
                request.poolbench_cpu_from_ns = time.thread_time_ns()
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_started, error)

    def on_finished(self, *, sender: Any, state: str | None = None, **_: object) -> None:
        """Write a *finished* line."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            request = sender.request
            execution = request.get(EXECUTION)
            if execution is None:
                return
            cpu_from_ns = request.get(CPU_FROM_NS)
            line = lines.finished_line(
                execution,
                t_ns=time.time_ns(),
                pid=self._evidence.pid,
                state=state,
                cpu_ns=None if cpu_from_ns is None else time.thread_time_ns() - cpu_from_ns,
                work_ns=request.get(WORK_NS),
                blocked_ns=request.get(BLOCKED_NS),
            )
            pipe.write(line)
        except Exception as error:  # noqa: BLE001 -- see log_once
            log_once(self.on_finished, error)

    @guarded
    def on_failure(
        self, *, sender: Any, task_id: str, exception: BaseException, **_: object
    ) -> None:
        """Write a failure verdict; called in the slot, in the consumer's process, or both."""
        request = sender.request
        execution = request.get(EXECUTION) if request.id == task_id else None
        if execution is None:
            execution = self._received_execution(task_id)
        outcome, error = _outcome_of(exception), _describe(exception)
        self._write_verdict(execution, outcome=outcome, error=error, cause=exception)

    @guarded
    def on_internal_error(
        self, *, request: Mapping[str, Any] | None, exception: BaseException, **_: object
    ) -> None:
        """Write a verdict about an error of Celery itself, such as a failure to store a result."""
        execution = (request or {}).get(EXECUTION)
        error = _describe(exception)
        self._write_verdict(execution, outcome=Outcome.FAILED, error=error, cause=exception)

    @guarded
    def on_retry(self, *, request: Any, reason: object = None, **_: object) -> None:
        """Write a retry verdict: the job runs again, as another attempt."""
        error = "" if reason is None else str(reason)
        execution = request.get(EXECUTION)
        self._write_verdict(execution, outcome=Outcome.RETRIED, error=error, cause=reason)

    @guarded
    def on_revoked(
        self, *, sender: Any, request: Any, terminated: bool, expired: bool, **_: object
    ) -> None:
        """Write that a job was revoked before it was received, while it waited, or while it ran."""
        execution = self._execution_of(request)
        if execution is None:
            execution = self._new_execution(vars(request), kind=sender.name, job_id=request.id)
        self._write_verdict(
            execution,
            outcome=Outcome.EXPIRED if expired else Outcome.REVOKED,
            error=TERMINATED if terminated else "",
        )

    @guarded
    def on_rejected(self, *, message: Any, exc: object = None, **_: object) -> None:
        """Write that Celery rejected a message of Poolbench as no valid job."""
        error = str(exc or "")
        self._write_message_verdict(message, outcome=Outcome.REJECTED, error=error, cause=exc)

    @guarded
    def on_unknown(self, *, message: Any, name: str, **_: object) -> None:
        """Write that this app lacks the job kind; Celery drops the job as failed."""
        error, cause = f"NotRegistered: {name}", NotRegistered(name)
        self._write_message_verdict(message, outcome=Outcome.FAILED, error=error, cause=cause)

    def _on_fork(self) -> None:
        """After a fork: reset the process identity and reseed the nonces."""
        self._nonces.seed()
        self._evidence.describe_process()

    def _execution_of(self, request: Any) -> Any:
        """Return the execution of a request; None if this probe has not received it."""
        execution = request.get(EXECUTION)
        # A retry copies the value from another execution. Comparing the values can't detect this,
        # since that execution may still be in `_requests`.
        received = self._received_execution(request.id)
        return execution if received is execution else None

    def _received_execution(self, job_id: str) -> Any:
        """Return the execution of a job that this process has received and still keeps."""
        known = self._requests.get(job_id)
        return None if known is None else known.request_dict.get(EXECUTION)

    def _new_execution(self, fields: Mapping[str, Any], *, kind: str, job_id: str) -> Any:
        """Return a new execution's members, or None if the job is not to be recorded."""
        job = lines.job_members(fields[HEADER]) if HEADER in fields else None
        if job is None:
            if not self._run:
                return None
            job = lines.foreign_members(run=self._run, contender=self._contender)
        nonce = self._nonces.getrandbits(64)
        return lines.identity(
            job, kind=kind, task_id=job_id, attempt=fields.get("retries"), nonce=nonce
        )

    def _write_message_verdict(
        self, message: Any, *, outcome: Outcome, error: str, cause: object
    ) -> None:
        headers = message.headers if isinstance(message.headers, Mapping) else {}
        kind, job_id = str(headers.get("task", "")), str(headers.get("id", ""))
        execution = self._new_execution(headers, kind=kind, job_id=job_id)
        self._write_verdict(execution, outcome=outcome, error=error, cause=cause)

    def _write_verdict(
        self,
        execution: Any,
        *,
        outcome: Outcome,
        error: str,
        cause: object = None,  # noqa: ARG002 -- what a recording writes of it
    ) -> None:
        if execution is not None and self._pipe is not None:
            t_ns = time.time_ns()
            self._pipe.write(lines.verdict_line(execution, t_ns=t_ns, outcome=outcome, error=error))


def _recorder_settings(settings: Settings, *, app: Any) -> RecorderSettings:
    """Return the recorder's settings; POOLBENCH_REDIS_URL overrides the app's own broker."""
    if not (settings.run or settings.contender):
        # it must not write into the Redis of an app that didn't ask for it
        raise ValueError("set POOLBENCH_RECORD to the path of a file")
    own = client_address(app.conf.broker_write_url)
    address = settings.redis_url if settings.redis_is_explicit else own
    if address is None:
        raise ValueError("the app's broker is not Redis; set POOLBENCH_REDIS_URL")
    if importlib.util.find_spec("redis") is None:
        raise ValueError("the package redis is missing. Run pip install 'poolbench[redis]'")
    return RecorderSettings(redis_url=address, state_dir=str(settings.state_dir.resolve()))


def _require_celery(version: str) -> None:
    if tuple(map(int, version.split(".")[:2])) < OLDEST_CELERY:
        oldest = ".".join(map(str, OLDEST_CELERY))
        raise ValueError(f"Celery {version} is older than {oldest}")


def name_from(hostname: str) -> str:
    """Return a contender's name from the part of a worker's name before its host."""
    first = hostname.partition("@")[0].lower()
    return re.sub(r"[^a-z0-9._-]", "-", first).lstrip("._-")[:64] or "worker"


def _outcome_of(exception: BaseException) -> Outcome:
    if isinstance(exception, WorkerLostError):
        return Outcome.LOST_WORKER
    if isinstance(exception, (TimeLimitExceeded, SoftTimeLimitExceeded)):
        return Outcome.TIMED_OUT
    if isinstance(exception, Reject):
        return Outcome.REJECTED
    return Outcome.FAILED


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _connect() -> None:
    """Connect this process's probe, which is another one where a local file is recorded."""
    probe = Probe()
    if os.environ.get(RECORD):
        # it is a subclass, and needs this module first
        from poolbench.recording.recording_probe import RecordingProbe  # noqa: PLC0415

        probe = RecordingProbe()
    elif os.environ.get(APP):
        from poolbench.userapp.probe import AppProbe  # noqa: PLC0415 -- likewise

        probe = AppProbe()
    probe.connect()


_connect()
