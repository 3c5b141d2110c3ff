"""The pipe between a worker and its recorder: the writing end, and how the recorder starts.

A line is one `os.write`, so it is whole or absent, and it is out of the process before the next
instruction. Nothing here raises into a job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

#: What the pipe should hold, bytes: the most that Linux lets an ordinary user ask for.
PIPE_BYTES = 1_048_576

#: How long a line may wait for room in a full pipe before it is given up, seconds.
FULL_PIPE_WAIT_S = 5.0

#: How long a worker that stops waits for its recorder to have delivered, seconds.
CLOSE_WAIT_S = 5.0

#: Lines that the recorder buffers while Redis is away, bytes; then the pipe fills.
BUFFER_MAX_BYTES = 64 * 1_048_576

#: How long the recorder retries after its worker is gone, seconds.
GRACE_S = 60.0

#: Signals that end a worker; sent to a whole group or container, they reach its recorder.
IGNORED_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

#: Begins the name of a pipe's private folder, among the system's temporary ones.
FOLDER_PREFIX = "poolbench-pipe-"

_log = logging.getLogger("poolbench.probe")

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """What a recorder must know. It travels as the pipe's first line, never as an argument."""

    #: Where the lines go; holds the password.
    redis_url: str
    #: The pipe's private folder, removed when the last writer is gone; empty: none.
    folder: str = ""
    #: Where lines are left that could not be delivered.
    state_dir: str = ""
    buffer_max_bytes: int = BUFFER_MAX_BYTES
    grace_s: float = GRACE_S

    def encode(self) -> bytes:
        """Return the settings as the pipe's first line."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Pipe:
    """The writing end, shared by a worker's process and the slots forked from it."""

    def __init__(
        self, fd: int, *, path: Path, recorder: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.path = path
        self._fd = fd
        self._recorder = recorder
        self._owner_pid = os.getpid()
        self._is_broken = False
        self._is_full = False

    def write(self, line: bytes) -> None:
        """Write one whole line; a pipe that is broken or stays full costs one log line."""
        if self._is_broken:
            return
        try:
            try:
                os.write(self._fd, line)
            except BlockingIOError:
                self._write_when_free(line)
        except OSError as error:
            self._is_broken = True
            _log.warning("the recorder is gone, jobs run without records: %s", error)

    def close(self) -> None:
        """Close the pipe and wait up to `CLOSE_WAIT_S` for the recorder to deliver its lines.

        Does nothing in other processes than the one that started the recorder, nor a second time.
        """
        recorder, self._recorder = self._recorder, None
        if recorder is None or os.getpid() != self._owner_pid:
            return
        self._is_broken = True
        # The number stays taken: a late write of another thread must not go to another file.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a descriptor is wanted
            os.dup2(nowhere.fileno(), self._fd, inheritable=False)
        try:
            recorder.wait(CLOSE_WAIT_S)
        except subprocess.TimeoutExpired:
            _log.warning("recorder %d still has lines to deliver and continues alone", recorder.pid)
        else:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def _write_when_free(self, line: bytes) -> None:
        """Wait for room; while the pipe stays full only the first line waits."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        deadline_s = time.monotonic() + (0.0 if self._is_full else FULL_PIPE_WAIT_S)
        while room.poll(max(deadline_s - time.monotonic(), 0.0) * 1_000):
            # room for one line is seen by every waiting slot
            with contextlib.suppress(BlockingIOError):
                os.write(self._fd, line)
                self._is_full = False
                return
        if not self._is_full:
            self._is_full = True
            _log.warning("the recorder's pipe is full; lines are lost until it has room")


def start_pipe(settings: RecorderSettings) -> Pipe:
    """Make a pipe in a private folder and start the recorder at its other end.

    Raises:
        OSError: if the pipe or the process can't be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        path = folder / "lines"
        os.mkfifo(path, 0o600)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fd = _open_writer(path)
            # macOS can't enlarge a pipe, and a user's pages may all be used
            with contextlib.suppress(AttributeError, OSError):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            os.write(fd, replace(settings, folder=str(folder)).encode())
            recorder = start_recorder(reader)
        finally:
            os.close(reader)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Pipe(fd, path=path, recorder=recorder)


def join_pipe(path: Path) -> Pipe:
    """Open the pipe of a worker that spawned this process.

    Raises:
        OSError: if it has no reader.
    """
    return Pipe(_open_writer(path), path=path)


def _open_writer(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_NONBLOCK)


def start_recorder(stdin: int, *, stderr: int | None = None) -> subprocess.Popen[bytes]:
    """Start a recorder in a session of its own, out of reach of signals to the worker's group.

    Until it can ignore what ends a worker, those signals are blocked in it: a mask is inherited.
    """
    environ = dict(os.environ)
    if _PACKAGE_PARENT.name not in {"site-packages", "dist-packages"}:
        parts = (environ.get("PYTHONPATH", ""), str(_PACKAGE_PARENT))
        environ["PYTHONPATH"] = os.pathsep.join(part for part in parts if part)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
    try:
        return subprocess.Popen(
            # -P: a redis.py in the worker's folder is not the client
            [sys.executable, "-P", "-m", "poolbench.recorder"],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environ,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
