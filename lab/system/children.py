"""Child processes of a lab run: started in sessions of their own, and all of them ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.files import make_folder, storage_errors
from lab.system.parent_death import tethered

#: How long a child may take to end after a polite signal, seconds.
STOP_TIMEOUT_S = 15.0


@dataclass(slots=True, kw_only=True)
class Child:
    """A started process with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal; None while it runs."""
        return self.process.poll()

    def last_line(self) -> str:
        """Return the last line of its log, for a message."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    def end(self, *, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it: politely first, then by SIGKILL to its whole session; return its exit code."""
        stop([self], with_signal=with_signal)
        return int(self.process.returncode)


def start(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start a command in a session of its own, its output appended to ``log``.

    Call it from a thread that lives as long as the child, for the tether's sake.

    Raises:
        StorageError: if its log can't be written.
    """
    make_folder(log.parent)
    with storage_errors(log), log.open("ab") as out:
        process = subprocess.Popen(
            tethered(list(command)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    return Child(name=name, process=process, log=log)


def stop(children: Sequence[Child], *, with_signal: signal.Signals = signal.SIGTERM) -> None:
    """End children side by side: a signal each, one common deadline, then SIGKILL to the rest."""
    ask_to_end(children, with_signal=with_signal)
    await_end(children)


def ask_to_end(children: Iterable[Child], *, with_signal: signal.Signals = signal.SIGTERM) -> None:
    """Send children a signal and don't wait."""
    for child in children:
        if child.exit_code is None:
            child.process.send_signal(with_signal)


def await_end(children: Iterable[Child], *, within_s: float | None = None) -> None:
    """Wait for children that were asked to end; SIGKILL to those that take longer.

    Args:
        children: all at once.
        within_s: seconds; without it `STOP_TIMEOUT_S`.
    """
    deadline_s = time.monotonic() + (STOP_TIMEOUT_S if within_s is None else within_s)
    for child in children:
        try:
            child.process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill_session(child)
            child.process.wait()


def _kill_session(child: Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
