"""Asks the Python of a user's app about the app, and starts its workers there.

The app runs in its own folder and environment, with the wheel and without this checkout.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from collector.run_manifest import App, AppCall
from lab.system.paths import ROOT
from poolbench import __version__
from poolbench.errors import Fault, UsageError
from poolbench.userapp import APP, BACKEND_VARIABLE, BROKER_VARIABLES, MEMORY_BROKER
from producer.captured import write_messages

#: How long an app may take to be imported and described, seconds.
ANSWER_TIMEOUT_S = 60.0

#: Module that finds and adapts the app in its worker, as after ``celery -A``.
WORKER_APP = "poolbench.userapp.worker:app"

#: How to add the wheel to the app's Python.
_INSTALL = "run make wheel, and {python} -m pip install dist/poolbench-*.whl"

#: Where the app stores results while its messages are captured.
_MEMORY_BACKEND = "cache+memory://"

#: A result backend that stores nothing, for an app without one.
_NO_BACKEND = "disabled://"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlace:
    """One place where an app names a broker or a result backend."""

    setting: str
    is_ours: bool
    #: Why it is not ours.
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTask:
    """A task that the app has registered."""

    #: Queue by the app's router; empty if that depends on the call.
    queue: str
    #: Those that differ from Celery's defaults.
    options: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppDescription:
    """What the app's own Python reports about the app; contains no address."""

    poolbench: str
    celery: str
    python: str
    #: By pool: why it can't run there; empty if it can.
    pools: Mapping[str, str]
    #: Packages installed there that block all greenlets of a gevent worker.
    blocking_drivers: tuple[str, ...]
    #: Whether `task_always_eager` is set, so that nothing is ever sent.
    is_eager: bool
    #: Whether it stores results by itself.
    has_backend: bool
    default_queue: str
    queues: tuple[str, ...]
    #: kombu's steps of priority, if the app sets them; else empty.
    priority_steps: tuple[int, ...]
    #: Its transport options that tries leave out.
    left_out: tuple[str, ...]
    places: tuple[AppPlace, ...]
    #: By name, without Celery's own.
    tasks: Mapping[str, AppTask]

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions in the app's Python."""
        return {"python": self.python, "celery": self.celery, "poolbench": self.poolbench}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """Calls of one of the app's tasks, whose messages are to be captured."""

    task: str
    call: AppCall
    #: Most jobs of a trial; arguments from a function are captured for as many numbers, up to
    #: `poolbench.userapp.MAX_MESSAGES`.
    count: int
    #: Options of ``apply_async``: queue, priority, countdown, expires.
    options: Mapping[str, Any] = field(default_factory=dict)


_DESCRIPTION = TypeAdapter(AppDescription)


def describe(
    app: App,
    *,
    broker_url: str,
    tasks: Sequence[str] = (),
    timeout_s: float = ANSWER_TIMEOUT_S,
    where: str = "",
) -> AppDescription:
    """Return what the app's Python reports; the app is imported there, and nothing is sent.

    Args:
        app: the app.
        broker_url: our Redis, which must be in effect for broker and results.
        tasks: names that must be registered.
        timeout_s: time for the import.
        where: file and line of the app, for messages.

    Raises:
        UsageError: if the app can't be tried, with one line.
    """
    environment = app_environment(os.environ, broker_url=broker_url)
    answer = _ask(
        app,
        "describe",
        {"module": app.module, "broker_url": broker_url, "tasks": list(tasks)},
        environment=environment,
        timeout_s=timeout_s,
        where=where,
    )
    return _DESCRIPTION.validate_python(answer)


def capture(
    app: App,
    calls: Sequence[TaskCall],
    *,
    folder: Path,
    timeout_s: float = ANSWER_TIMEOUT_S,
    where: str = "",
) -> tuple[Path, ...]:
    """Capture the messages of calls in the app's Python; return a private file for each call.

    They are files of ``folder``, for `producer.mixes.MixPart.messages`.

    The app publishes into memory, and nothing is sent. Its handlers of Celery's publishing signals
    run, and so does what its own ``apply_async`` does besides.

    Raises:
        UsageError: if a task, or the function of its arguments, refuses its call, with one line.
    """
    asked = [
        {
            "task": one.task,
            "args": one.call.args,
            "kwargs": dict(one.call.kwargs),
            "function": one.call.function,
            "count": one.count,
            "options": dict(one.options),
        }
        for one in calls
    ]
    environment = app_environment(os.environ, broker_url=MEMORY_BROKER)
    environment[BACKEND_VARIABLE] = _MEMORY_BACKEND
    answer = _ask(
        app,
        "capture",
        {"module": app.module, "calls": asked},
        environment=environment,
        timeout_s=timeout_s,
        where=where,
    )
    paths = tuple(folder / f"messages-{number}.jsonl" for number in range(len(calls)))
    for path, messages in zip(paths, answer["calls"], strict=True):
        write_messages(path, messages)
    return paths


def app_environment(
    inherited: Mapping[str, str], *, broker_url: str, has_backend: bool = True
) -> dict[str, str]:
    """Return the environment of the app: the inherited one without Poolbench, on our broker.

    ``broker_url`` is used for results too, unless the app has no backend of its own.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("POOLBENCH_")}
    paths = kept.pop("PYTHONPATH", "").split(os.pathsep)
    if others := [path for path in paths if path and Path(path).resolve() != ROOT]:
        kept["PYTHONPATH"] = os.pathsep.join(others)
    return {
        **kept,
        **dict.fromkeys(BROKER_VARIABLES, broker_url),
        BACKEND_VARIABLE: broker_url if has_backend else _NO_BACKEND,
    }


def worker_environment(
    inherited: Mapping[str, str],
    app: App,
    *,
    broker_url: str,
    has_backend: bool,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the environment of one of the app's workers, without the probe's variables.

    ``settings`` are Celery's for this worker, by their names. Start the worker with `WORKER_APP`
    after ``-A``, in the app's directory.
    """
    return {
        **app_environment(inherited, broker_url=broker_url, has_backend=has_backend),
        APP: app.module,
        "POOLBENCH_WORKER_REDIS_URL": broker_url,
        "POOLBENCH_CELERY": json.dumps(dict(settings or {})),
    }


def _ask(
    app: App,
    command: str,
    request: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    timeout_s: float,
    where: str,
) -> dict[str, Any]:
    """Return the answer of the app's Python to a request."""

    def refused(problem: str, remedy: str = "", *, seen: str = "") -> UsageError:
        return UsageError(Fault(problem=problem, seen=seen, remedy=remedy, where=where))

    install = _INSTALL.format(python=app.python)
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as errors:
        # files, since a process that the app leaves behind would keep a pipe open
        try:
            process = subprocess.Popen(
                [app.python, "-m", "poolbench.userapp", command],
                cwd=app.directory,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=answers,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            is_there = Path(app.directory).is_dir()
            key, missing = ("python", app.python) if is_there else ("directory", app.directory)
            problem = f"the app's Python can't be started: {error.strerror}"
            remedy = f"correct {key} in [app]; a relative path begins at the experiment file"
            raise refused(problem, remedy, seen=missing) from error
        try:
            text = json.dumps({**request, "poolbench": __version__}).encode()
            process.communicate(text, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            problem = f"the app {app.module} gave no answer within {timeout_s:g} s"
            raise refused(problem, "check what it does when it is imported") from error
        finally:
            # the group also has what the app started at import
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for file in (answers, errors):
            file.seek(0)
        printed, complaint = answers.read(), errors.read().decode(errors="replace")
    try:
        answer: dict[str, Any] = json.loads(printed)
    except ValueError as error:
        lines = [line.strip() for line in complaint.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        if "No module named" in last and "poolbench" in last:
            raise refused(f"{app.python} has no Poolbench, or another version", install) from error
        code = f"exit code {process.returncode}"
        problem = f"{app.python} gave no answer ({code}){f': {last}' if last else ''}"
        raise refused(problem) from error
    if "error" in answer:
        known = answer["error"]
        remedy = install if known["code"] == "version" else known["remedy"]
        raise refused(known["text"], remedy)
    return answer
