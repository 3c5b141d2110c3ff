"""The process at the reading end of a recorded worker's pipe: appends its lines to a local file.

It continues after its worker is killed, and ends when all writers have closed the pipe, when the
recording's time is over, or when the file can't be written. It uses no broker.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import select
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from io import FileIO
from pathlib import Path

from poolbench import __version__
from poolbench.errors import ExitCode
from poolbench.machine import boot_id, host, package_version, usable_cpus
from poolbench.pipe import PIPE_BYTES, ignore_signals, log
from poolbench.recording.events import Event, unpack
from poolbench.recording.execution_lines import ExecutionLines
from poolbench.recording.file import RecordingFile
from poolbench.recording.observer import Observer, observer_of
from poolbench.recording.settings import RecordingSettings
from poolbench.records import Moment, encode_line

#: Interval at which the file's presence is checked, seconds.
CHECK_S = 1.0

_STDIN, _STDOUT = 0, 1

#: Moments whose lines the last line of a session counts.
_COUNTED = tuple(Moment)[:4]


class FileRecorder:
    """Appends one worker's lines, and those of an observer, to a recording."""

    def __init__(
        self, settings: RecordingSettings, *, pipe: int, file: RecordingFile, observer: Observer
    ) -> None:
        self._settings = settings
        self._pipe = pipe
        self._file = file
        self._observer = observer
        self._tail = b""
        self._lines = ExecutionLines(contender=settings.contender)
        self._counts = dict.fromkeys(_COUNTED, 0)

    def run(self) -> ExitCode:
        """Record until the end; return the exit code of the process."""
        code = ExitCode.OK
        try:
            self._file.append(self._opening_line())
            reason = self._record()
            self._file.append(self._observed(self._observer.end))
        except OSError as error:
            code, reason = ExitCode.STORAGE, _reason_of(error)
            log(f"the recording {self._settings.path} ends, the jobs continue: {error.strerror}")
        os.close(self._pipe)
        if self._settings.folder:
            shutil.rmtree(self._settings.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._file.append_last(self._ending_line(reason))
        return code

    def _record(self) -> str:
        """Append lines until the recording ends; return the reason."""
        hangup = select.poll()
        hangup.register(self._pipe, 0)
        started_s = checked_s = time.monotonic()
        while True:
            events, has_ended = self._read()
            self._store(events)
            self._file.append(self._observed(partial(self._observer.observe, events)))
            now_s = time.monotonic()
            if has_ended:
                return "worker"
            if self._settings.for_s and now_s - started_s >= self._settings.for_s:
                log(f"the recording {self._settings.path} is complete; the jobs continue")
                return "time"
            if now_s - checked_s >= CHECK_S:
                checked_s = now_s
                self._file.check()
            # a pause, so that one write appends many lines; the end of the last writer ends it
            hangup.poll(self._observer.interval_s * 1_000)

    def _read(self) -> tuple[list[Event | bytes], bool]:
        """Return the complete messages in the pipe, and whether all writers have closed it."""
        try:
            chunk = os.read(self._pipe, PIPE_BYTES)
        except BlockingIOError:
            return [], False
        if not chunk:
            return [], True
        events, self._tail = unpack(self._tail + chunk)
        return events, False

    def _store(self, events: list[Event | bytes]) -> None:
        """Append the lines of events."""
        lines: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                lines.append(event)
            elif (found := self._lines.of(event)) is not None:
                moment, line = found
                lines.append(line)
                self._counts[moment] += 1
        if lines:
            self._file.append(b"".join(lines))

    def _observed(self, ask: Callable[[], bytes]) -> bytes:
        """Return the observer's lines; a fault of it ends the sampling, never the recording."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 -- the worker's own lines matter more
            log(f"sampling ends, the recording continues: {error!r}")
            self._observer = Observer()
            return b""

    def _opening_line(self) -> bytes:
        return encode_line(
            Moment.RECORDING,
            host=host(),
            boot_id=boot_id(),
            python=platform.python_version(),
            celery=package_version("celery"),
            poolbench=__version__,
            cores=usable_cpus(),
            worker_pid=self._settings.worker_pid,
            **self._observer.opening(),
            dropped_lines=0,
            dropped_bytes=0,
        )

    def _ending_line(self, reason: str) -> bytes:
        return encode_line(
            Moment.ENDED,
            reason=reason,
            **self._counts,
            recorder_cpu_s=time.process_time() - self._observer.sampler_cpu_s,
            sampler_cpu_s=self._observer.sampler_cpu_s,
        )


def main() -> int:
    """Record the lines of standard input into standard output; return the exit code."""
    ignore_signals()
    os.set_blocking(_STDIN, True)
    # unbuffered, so that the bytes after the first line stay in the pipe
    pipe = FileIO(_STDIN, closefd=False)
    try:
        settings = RecordingSettings(**json.loads(pipe.readline()))
    except (ValueError, TypeError) as error:
        log(f"its settings are unusable ({type(error).__name__})")
        return ExitCode.USAGE
    os.set_blocking(_STDIN, False)
    path, size_bytes = Path(settings.path), settings.max_size_bytes
    file = RecordingFile(_STDOUT, path=path, max_size_bytes=size_bytes)
    try:
        observer = observer_of(settings)
    except Exception as error:  # noqa: BLE001 -- as in `FileRecorder._observed`
        log(f"nothing is sampled: {error!r}")
        observer = Observer()
    return FileRecorder(settings, pipe=_STDIN, file=file, observer=observer).run()


def _reason_of(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "disk full"
    return "file removed" if isinstance(error, FileNotFoundError) else "file not writable"


if __name__ == "__main__":
    sys.exit(main())
