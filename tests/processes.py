"""Programs of the checkout as tests run them: to their end, or as long as a test needs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lab.system.paths import ROOT


def run_python(
    *words: str,
    environ: Mapping[str, str] = os.environ,
    folder: Path = ROOT,
    within_s: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run Python with these words to its end; return its exit code and what it printed."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


@contextmanager
def running_python(
    *words: str, log: Path, environ: Mapping[str, str] = os.environ, folder: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python in a process group of its own; kill what is left of the group at the end."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=dict(environ),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process is gone, or a zombie; it may end between two looks."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
