"""One worker of a testbed: a real `celery worker` process, observed from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery

from lab.system.children import Child

#: How a line of Celery's log begins.
_LOG_HEAD = re.compile(r"^\[[\d: ,-]+: (?P<level>\w+)/\S+\] ")

#: Longest log line in evidence, characters.
_LOG_WIDTH = 160

#: Exit codes of a worker that ended as requested, by signal. Celery announces EX_FAILURE (1) for a
#: cold shutdown, and up to 5.7 exits with 0 all the same.
EXPECTED_CODES = {None: (), signal.SIGTERM: (0,), signal.SIGQUIT: (0, 1)}

#: How long a condition may take to become true by default, seconds: machines may be busy.
WITHIN_S = 15.0


class WorkerDiedError(Exception):
    """A worker ended during a try that it had to survive."""

    def __init__(self, worker: TestbedWorker) -> None:
        self.exit_code = worker.exit_code
        self.evidence = worker.last_log_lines()
        super().__init__(f"the worker ended with exit code {self.exit_code}")


@dataclass(slots=True, kw_only=True)
class TestbedWorker:
    """A started worker."""

    #: Its process; named like its node.
    child: Child
    slots: int
    app: Celery
    #: Waits for a condition; see `Testbed.until`.
    wait_until: Callable[..., bool]
    #: The last signal that the try sent; None before.
    stop_signal: signal.Signals | None = None
    _was_killed: bool = False

    @property
    def exit_code(self) -> int | None:
        """Return its exit code; None if it runs, or ran until `kill`."""
        return None if self._was_killed else self.child.exit_code

    def has_ended(self) -> bool:
        """Return whether its main process has ended."""
        return self.exit_code is not None

    def until(self, reached: Callable[[], bool], *, within_s: float = WITHIN_S) -> bool:
        """Return whether the condition became true in time; the worker must survive until then.

        Raises:
            WorkerDiedError: if it doesn't survive.
        """

        def is_reached() -> bool:
            if reached():
                return True
            if self.has_ended():
                raise WorkerDiedError(self)
            return False

        return self.wait_until(is_reached, within_s=within_s)

    def until_or_ended(self, reached: Callable[[], bool], *, within_s: float = WITHIN_S) -> None:
        """Wait until the condition is true, the worker has ended or the time is over."""
        self.wait_until(lambda: reached() or self.has_ended(), within_s=within_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its main process, as a supervisor does."""
        self.stop_signal = number
        self.child.process.send_signal(number)

    def kill(self) -> None:
        """Kill it and everything that it started."""
        self._was_killed = not self.has_ended()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.process.wait(10.0)

    def own_errors(self) -> tuple[str, ...]:
        """Return the log lines of an internal error that ended it."""
        return self.log_lines("^CRITICAL: Unrecoverable error", most=1)

    def has_failed(self) -> bool:
        """Return whether an error ended it, or it ended without or against a request."""
        is_asked = self.exit_code in {None, *EXPECTED_CODES[self.stop_signal]}
        return bool(self.own_errors()) or not is_asked

    def is_ready(self) -> bool:
        """Return whether it logged that it is ready."""
        return bool(self.log_lines(r" ready\.$"))

    def is_listening(self) -> bool:
        """Return whether it answers remote control: some are ready before they listen."""
        return self.inspect("ping", within_s=0.5) is not None

    def inspect(self, command: str, *, within_s: float = 1.5) -> Any:
        """Return its answer to ``celery inspect COMMAND``, None if there is none in time."""
        node = self.child.name
        asked = self.app.control.inspect(destination=[node], timeout=within_s)
        return (getattr(asked, command)() or {}).get(node)

    def revoke(self, jobs: str | list[str], *, terminate: bool = False) -> Any:
        """Return its answer to the remote control command ``revoke``, None if there is none."""
        node = self.child.name
        replies = self.app.control.revoke(
            jobs, destination=[node], terminate=terminate, reply=True, timeout=1.5
        )
        return next((reply[node] for reply in replies or () if node in reply), None)

    def log_lines(self, *patterns: str, most: int = 2) -> tuple[str, ...]:
        """Return the first log lines that match each pattern, as evidence; frames excluded."""
        lines = [line for line in self._log() if line[:1] != " "]
        found = ([line for line in lines if re.search(one, line)] for one in patterns)
        return tuple(f"log: {line}" for matching in found for line in matching[:most])

    def last_log_lines(self) -> tuple[str, ...]:
        """Return the log lines about its end, as evidence."""
        lines = [line.strip() for line in self._log() if line.strip()]
        grave = [line for line in lines if re.search(r"^CRITICAL|^[\w.]*(Error|Exit)\b", line)]
        return tuple(f"log: {line}" for line in (grave or lines)[-2:])

    def _log(self) -> tuple[str, ...]:
        text = self.child.log.read_text(encoding="utf-8", errors="replace")
        return tuple(clean(line) for line in text.splitlines())


def clean(line: str) -> str:
    """Return a log line without its time and process, cut to the longest line of evidence."""
    found = _LOG_HEAD.match(line)
    text = f"{found['level']}: {line[found.end() :]}" if found else line
    return text if len(text) <= _LOG_WIDTH else f"{text[: _LOG_WIDTH - 1]}…"
