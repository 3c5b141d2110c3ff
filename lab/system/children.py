"""Child processes of a lab run: each has a session of its own, and all are ended with the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import httpx

from collector.files import make_folder, storage_errors
from lab.system.parent_death import end_with_parent
from poolbench.errors import StackError

#: How long a child may take to end after SIGTERM, seconds.
STOP_TIMEOUT_S = 15.0

_POLL_S = 0.02


@dataclass(slots=True, kw_only=True)
class Child:
    """A started process with its log; its context ends it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def last_line(self) -> str:
        """Return the last line of its log, empty if there is none."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def await_up(self, is_up: Callable[[], bool], *, within_s: float) -> None:
        """Wait until ``is_up`` returns true.

        Raises:
            StackError: if it ends before, or isn't up in time; with the log's last line.
        """
        deadline_s = time.monotonic() + within_s
        while not is_up():
            code = self.exit_code
            if code is not None or time.monotonic() > deadline_s:
                why = f"no answer in {within_s:.0f} s" if code is None else f"exit code {code}"
                shown = f"{why}; {self.last_line()} (log: {self.log})"
                raise StackError(f"{self.name} did not start: {shown}")
            time.sleep(_POLL_S)

    def end(self) -> int:
        """Send SIGTERM, after `STOP_TIMEOUT_S` SIGKILL to its session; return its exit code."""
        request_end([self])
        await_end([self])
        return int(self.process.returncode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def start(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
    directory: str | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> Child:
    """Start a command in a session of its own, its output appended to ``log``.

    The child ends with the thread that calls this: use one that lives as long as the child.

    Args:
        command: the command line.
        name: of the child, for messages.
        log: file that its output is appended to.
        environment: its variables in addition to those that it inherits.
        inherited: what it inherits instead of this process's environment.
        directory: its working directory instead of this process's.
        stdin: its standard input.

    Raises:
        StorageError: if its log can't be written.
    """
    make_folder(log.parent)
    with storage_errors(log), log.open("ab") as out:
        process = subprocess.Popen(
            end_with_parent(list(command)),
            stdin=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**(os.environ if inherited is None else inherited), **(environment or {})},
            cwd=directory,
            start_new_session=True,
        )
    return Child(name=name, process=process, log=log)


def responds(url: str) -> bool:
    """Return whether an HTTP server answers at ``url``."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=1.0).is_success
    return False


def request_end(children: Iterable[Child]) -> None:
    """Send SIGTERM to children, without waiting."""
    for child in children:
        if child.exit_code is None:
            child.process.terminate()


def await_end(children: Iterable[Child], *, within_s: float | None = None) -> None:
    """Wait for children that were sent SIGTERM; send SIGKILL to those that take longer.

    Args:
        children: they share one deadline.
        within_s: seconds; `STOP_TIMEOUT_S` by default.
    """
    deadline_s = time.monotonic() + (STOP_TIMEOUT_S if within_s is None else within_s)
    for child in children:
        try:
            child.process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.process.wait()
