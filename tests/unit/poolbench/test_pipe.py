"""What the writing end promises the worker."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolbench.pipe import FOLDER_PREFIX, Pipe, RecorderSettings, join_pipe, start_pipe

LINE = b"x" * 1_000 + b"\n"


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe of the smallest size, as the probe uses it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    yield reader, writer
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


def _fill(fd: int) -> None:
    while True:
        try:
            os.write(fd, LINE)
        except BlockingIOError:
            return


def test_a_broken_pipe_costs_one_log_line(
    ends: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """When the recorder is gone, writing goes nowhere, and says so once."""
    reader, writer = ends
    pipe = Pipe(writer, path=Path("nowhere"))
    os.close(reader)
    for _ in range(3):
        pipe.write(LINE)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING


def test_a_full_pipe_costs_one_log_line_and_one_wait(
    ends: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Lines are given up and counted, without waiting again, until the recorder takes some."""
    reader, writer = ends
    pipe = Pipe(writer, path=Path("nowhere"))
    pipe.full_wait_s = 0.01
    _fill(writer)
    pipe.write(LINE)
    pipe.full_wait_s = 1_000.0
    pipe.write(LINE)
    assert len(caplog.records) == 1
    assert pipe.dropped_lines == 2

    os.read(reader, 1_000_000)
    pipe.write(b"after\n")
    assert os.read(reader, 100) == b"after\n"


def test_a_started_pipe_is_private_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is its owner's alone, its end stays out of other programs, and both go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipe = start_pipe(RecorderSettings(redis_url="redis://127.0.0.1:1/0"))
    (folder,) = tmp_path.glob(f"{FOLDER_PREFIX}*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert pipe.path.is_fifo()
    assert fcntl.fcntl(pipe._fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC

    joined = join_pipe(pipe.path)
    os.close(joined._fd)
    pipe.close()
    assert not folder.exists()
    pipe.write(LINE)
    pipe.close()


def test_a_recorder_that_cannot_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the interpreter can't be run, the folder is gone again and the cause is told."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(FileNotFoundError):
        start_pipe(RecorderSettings(redis_url="redis://127.0.0.1:1/0"))
    assert list(tmp_path.iterdir()) == []


def test_lines_that_forked_slots_drop_count_for_the_worker(ends: tuple[int, int]) -> None:
    """The worker's process reports them all; it is one of its own, since this one has threads."""
    _fill(ends[1])
    code = f"""
import os
from pathlib import Path
from poolbench.pipe import Pipe

pipe = Pipe({ends[1]}, path=Path("nowhere"))
pipe.full_wait_s = 0.0
for _ in range(2):
    if os.fork() == 0:
        pipe.write({LINE!r})
        os._exit(0)
    os.wait()
print(pipe.dropped_lines)
"""
    worker = [sys.executable, "-c", code]
    printed = subprocess.run(worker, pass_fds=[ends[1]], capture_output=True, text=True, check=True)
    assert printed.stdout == "2\n"
