"""The writing end of the pipe between a worker and its recorder; starts the recorder.

A line is one `os.write`: it is written completely or not at all, and a crash after the call doesn't
lose it. Writing never raises an exception into a job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import mmap
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from poolbench.recording.settings import RecordingSettings

#: Requested capacity of the pipe, bytes: the most that Linux allows an ordinary user.
PIPE_BYTES = 1_048_576

#: Timeout of a line in a full pipe, after which it is dropped, seconds.
FULL_PIPE_WAIT_S = 5.0

#: Time that a stopping worker waits for its recorder to deliver all lines, seconds.
CLOSE_WAIT_S = 5.0

#: Size of the recorder's buffer while Redis is unreachable, bytes; beyond it the pipe fills.
BUFFER_MAX_BYTES = 64 * 1_048_576

#: Time for which the recorder retries after its worker has ended, seconds.
GRACE_S = 60.0

#: Environment variable with the ``cgroup.procs`` files of the control groups that a recorder moves
#: to, separated like paths: outside of those that limit its worker.
RECORDER_GROUPS = "POOLBENCH_RECORDER_GROUPS"

#: Signals that end a worker; they also reach its recorder if sent to a group or container.
IGNORED_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

#: Prefix of a pipe's private folder in the system's temporary folder.
FOLDER_PREFIX = "poolbench-pipe-"

#: Size of a count in shared memory, bytes.
_COUNT_BYTES = 8

_log = logging.getLogger("poolbench.probe")

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """The settings of a recorder, sent as the pipe's first line and never as an argument."""

    #: Address of Redis, with the password.
    redis_url: str
    #: The pipe's private folder, removed after the last writer has closed it; empty if none.
    folder: str = ""
    #: Folder for undelivered lines.
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
        #: How long the first line waits in a full pipe, seconds; then it is dropped.
        self.full_wait_s = FULL_PIPE_WAIT_S
        #: Number of dropped lines, in memory that forked slots share.
        self._dropped = mmap.mmap(-1, _COUNT_BYTES)
        #: Called once in each process when a line can't be written; None to log it.
        self.on_broken: Callable[[OSError], None] | None = None

    def write(self, line: bytes) -> None:
        """Write one complete line; log a warning once if the pipe is broken or stays full."""
        if self._is_broken:
            return
        try:
            try:
                os.write(self._fd, line)
            except BlockingIOError:
                self._write_when_free(line)
        except OSError as error:
            self._is_broken = True
            if self.on_broken is None:
                _log.warning("the recorder is gone, jobs run without records: %s", error)
            else:
                self.on_broken(error)

    @property
    def dropped_lines(self) -> int:
        """Return how many lines this process and its forked slots have dropped."""
        return int.from_bytes(self._dropped, "little")

    def recorder_exit_code(self) -> int | None:
        """Return how the recorder of this process has ended; None while it runs."""
        return None if self._recorder is None else self._recorder.poll()

    def close(self) -> None:
        """Close the pipe and wait up to `CLOSE_WAIT_S` for the recorder to deliver its lines.

        It does nothing in a process that didn't start the recorder, or if called again.
        """
        recorder, self._recorder = self._recorder, None
        if recorder is None or os.getpid() != self._owner_pid:
            return
        self._is_broken = True
        # Keep the descriptor's number in use: a late write of another thread must not reach a file.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a descriptor is wanted
            os.dup2(nowhere.fileno(), self._fd, inheritable=False)
        try:
            recorder.wait(CLOSE_WAIT_S)
        except subprocess.TimeoutExpired:
            _log.warning("recorder %d still has lines to deliver and continues alone", recorder.pid)
        else:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def _write_when_free(self, line: bytes) -> None:
        """Wait until the pipe has room; while it stays full, only the first line waits."""
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        deadline_s = time.monotonic() + (0.0 if self._is_full else self.full_wait_s)
        while room.poll(max(deadline_s - time.monotonic(), 0.0) * 1_000):
            # every waiting slot is notified of room for one line
            with contextlib.suppress(BlockingIOError):
                os.write(self._fd, line)
                self._is_full = False
                return
        self._dropped[:] = (self.dropped_lines + 1).to_bytes(_COUNT_BYTES, "little")
        if not self._is_full:
            self._is_full = True
            _log.warning("the recorder's pipe is full; lines are lost until it has room")


def start_pipe(
    settings: RecorderSettings | RecordingSettings,
    *,
    module: str = "poolbench.recorder",
    stdout: int = subprocess.DEVNULL,
) -> Pipe:
    """Create a pipe in a private folder and start the recorder at its other end.

    ``module`` is the recorder's, and ``stdout`` its standard output.

    Raises:
        OSError: if the pipe or the process can't be created.
    """
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        path = folder / "lines"
        os.mkfifo(path, 0o600)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fd = _open_writer(path)
            # macOS can't enlarge a pipe, and a user's limit of pipe pages may be reached
            with contextlib.suppress(AttributeError, OSError):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            os.write(fd, replace(settings, folder=str(folder)).encode())
            recorder = start_recorder(reader, module=module, stdout=stdout)
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


def ignore_signals() -> None:
    """Ignore the signals that end a worker: a stopping worker still writes its last lines."""
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED_SIGNALS)


def log(text: str) -> None:
    """Log a line of a recorder, on the worker's standard error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"poolbench recorder {os.getpid()}: {text}\n")
        sys.stderr.flush()


def start_recorder(
    stdin: int,
    *,
    module: str = "poolbench.recorder",
    stdout: int = subprocess.DEVNULL,
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a recorder in a session of its own, which signals to the worker's group don't reach.

    `IGNORED_SIGNALS` are blocked in it, by an inherited mask, until it can ignore them. It moves to
    the control groups of `RECORDER_GROUPS`.
    """
    environ = dict(os.environ)
    if _PACKAGE_PARENT.name not in {"site-packages", "dist-packages"}:
        parts = (environ.get("PYTHONPATH", ""), str(_PACKAGE_PARENT))
        environ["PYTHONPATH"] = os.pathsep.join(part for part in parts if part)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
    try:
        recorder = subprocess.Popen(
            [sys.executable, *_arguments(module)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environ,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for file in filter(None, environ.get(RECORDER_GROUPS, "").split(os.pathsep)):
        # it stays in the worker's group where it can't leave it
        with contextlib.suppress(OSError):
            Path(file).write_text(f"{recorder.pid}\n", encoding="ascii")
    return recorder


def _arguments(module: str) -> tuple[str, ...]:
    """Return the arguments of Python that start a recorder.

    A redis.py in the worker's folder must not hide the client: ``-P`` leaves that folder out of the
    path, as the code does before Python 3.11.
    """
    before = f"import sys; del sys.path[0]; from {module} import main; sys.exit(main())"
    return ("-P", "-m", module) if sys.version_info >= (3, 11) else ("-c", before)
