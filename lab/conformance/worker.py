"""One worker of a try: a real `celery worker` process, watched from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery

from lab.conformance.worker_exit import OWN_ERROR, WorkerExit
from lab.system.children import Child

#: How a line of Celery's log begins.
_LOG_HEAD = re.compile(r"^\[[\d: ,-]+: (?P<level>\w+)/\S+\] ")

#: What is shown of a log line, characters.
_LOG_WIDTH = 160


class WorkerDiedError(Exception):
    """A worker that had to live through a try ended."""

    def __init__(self, worker: BedWorker) -> None:
        self.exit_code = worker.child.exit_code
        self.evidence = (f"exit code: {self.exit_code}", *worker.last_words())
        super().__init__(f"the worker ended with exit code {self.exit_code}")


@dataclass(slots=True, kw_only=True)
class BedWorker:
    """A started worker."""

    child: Child
    node: str
    slots: int
    app: Celery
    #: Waits for a condition, or for the end of the whole survey; see `Bed.until`.
    wait_until: Callable[..., bool]
    #: The last signal that a try sent it; None before.
    asked: signal.Signals | None = None
    _was_killed: bool = False
    _exit_code: int | None = None

    def until(self, reached: Callable[[], bool], *, within_s: float) -> bool:
        """Return whether it was reached in time; the worker must live until then.

        Raises:
            WorkerDiedError: if it doesn't.
        """

        def is_reached() -> bool:
            if reached():
                return True
            if self.child.exit_code is not None:
                raise WorkerDiedError(self)
            return False

        return self.wait_until(is_reached, within_s=within_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its main process, as a supervisor does."""
        self.asked = number
        self.child.process.send_signal(number)

    def end_within(self, seconds: float) -> int | None:
        """Return its exit code, None if it still runs then; seconds that are left count."""
        self.wait_until(lambda: self.child.exit_code is not None, within_s=seconds)
        return self.child.exit_code

    def kill(self) -> None:
        """End it and everything it started, at once."""
        if not self._was_killed:
            self._was_killed, self._exit_code = True, self.child.exit_code
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.process.wait(10.0)

    def exit(self) -> WorkerExit:
        """Return how it ended, before it was killed."""
        code = self._exit_code if self._was_killed else self.child.exit_code
        errors = self.log_lines(OWN_ERROR, most=1)
        return WorkerExit(exit_code=code, asked=self.asked, errors=errors)

    def is_ready(self) -> bool:
        """Return whether its log says so."""
        return bool(self.log_lines(r" ready\.$"))

    def hears(self) -> bool:
        """Return whether it answers within a moment: some say they are ready before they listen."""
        return self.inspect("ping", within_s=0.5) is not None

    def inspect(self, command: str, *, within_s: float = 1.5) -> Any:
        """Return its answer to ``celery inspect COMMAND``, None if there is none in time."""
        asked = self.app.control.inspect(destination=[self.node], timeout=within_s)
        answers: Mapping[str, Any] = getattr(asked, command)() or {}
        return answers.get(self.node)

    def command(self, name: str, *, within_s: float = 1.5, **arguments: Any) -> Any:
        """Return its answer to a remote control command, None if there is none in time."""
        replies = self.app.control.broadcast(
            name, arguments=arguments, destination=[self.node], reply=True, timeout=within_s
        )
        return next((reply[self.node] for reply in replies or () if self.node in reply), None)

    def log(self) -> tuple[str, ...]:
        """Return the lines of its log, without the clock and the process."""
        text = self.child.log.read_text(encoding="utf-8", errors="replace")
        return tuple(clean(line) for line in text.splitlines())

    def log_lines(self, pattern: str, *, most: int = 2) -> tuple[str, ...]:
        """Return the first log lines with a match, as evidence; a traceback's frames aside."""
        found = [line for line in self.log() if re.search(pattern, line) and line[:1] != " "]
        return tuple(f"log: {line}" for line in found[:most])

    def last_words(self) -> tuple[str, ...]:
        """Return what it said of its end, as evidence."""
        lines = [line.strip() for line in self.log() if line.strip()]
        grave = [line for line in lines if re.search(r"^CRITICAL|^[\w.]*(Error|Exit)\b", line)]
        return tuple(f"log: {line}" for line in (grave or lines)[-2:])


def clean(line: str) -> str:
    """Return a log line without its clock, its process and what stands beyond a line's width."""
    found = _LOG_HEAD.match(line)
    text = f"{found['level']}: {line[found.end() :]}" if found else line
    return text if len(text) <= _LOG_WIDTH else f"{text[: _LOG_WIDTH - 1]}…"
