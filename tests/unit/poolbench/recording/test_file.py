"""What the file of a recording promises its readers, and the disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from poolbench.recording.file import RecordingFile, open_recording

WORKER = b'{"v":1,"m":"worker","worker":"w@h"}\n'
TASK = b'{"v":1,"m":"task","task":"a"}\n'


def _opening(host: str = "h") -> bytes:
    line = {"v": 1, "m": "recording", "host": host, "dropped_lines": 0, "dropped_bytes": 0}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _job(seq: int) -> bytes:
    return b'{"v":1,"m":"received","seq":%d,"pad":"%s"}\n' % (seq, b"x" * 60)


@contextmanager
def _opened(path: Path, *, max_size_bytes: int = 1_000_000) -> Iterator[RecordingFile]:
    fd, found = open_recording(path)
    try:
        yield RecordingFile(fd, path=found, max_size_bytes=max_size_bytes)
    finally:
        os.close(fd)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_new_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    path = tmp_path / "shop.pbrec"
    before = os.umask(0)
    try:
        with _opened(path) as file:
            file.append(_opening())
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_session_is_appended_after_a_cut_line(tmp_path: Path) -> None:
    """A worker that was killed, and is started again, leaves whole lines alone."""
    path = tmp_path / "shop.pbrec"
    path.write_bytes(_opening() + _job(0) + _job(1)[:-9])
    with _opened(path) as file:
        file.append(_opening())
    assert path.read_bytes() == _opening() + _job(0) + _opening()


def test_a_file_in_use_gets_a_neighbour(tmp_path: Path) -> None:
    """Two workers with the same setting record into two files."""
    path = tmp_path / "shop.pbrec"
    with _opened(path):
        for number in (2, 3):
            fd, found = open_recording(path)
            assert found == tmp_path / f"shop.{number}.pbrec"
            if number == 2:
                third = fd
            else:
                os.close(fd)
        os.close(third)
    fd, found = open_recording(path)
    os.close(fd)
    assert found == path


@pytest.mark.parametrize("content", [b"my notes", b'{"v":1,"m":"received"}\n'])
def test_a_file_that_is_no_recording_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    """It is refused."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(OSError, match="is not a recording"):
        open_recording(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["", "pipe"])
def test_only_a_regular_file_is_recorded_into(tmp_path: Path, name: str) -> None:
    """A folder and a named pipe are refused, without waiting for a reader."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"directory|not a regular file|No such device"):
        open_recording(tmp_path / name)


def test_the_oldest_lines_give_way_and_are_counted(tmp_path: Path) -> None:
    """The size on disk keeps its limit; the newest lines and the description stay."""
    path, limit = tmp_path / "shop.pbrec", 20_000
    written = [_opening("first"), WORKER, TASK, *map(_job, range(600))]
    written += [_opening("second"), WORKER, TASK, TASK, *map(_job, range(600, 1_500))]
    with _opened(path, max_size_bytes=limit) as file:
        for line in written:
            file.append(line)
            assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= limit
        # the file that replaced the first one has the lock too
        fd, found = open_recording(path)
        os.close(fd)
        assert found != path

    lines = _lines(path)
    assert [line["m"] for line in lines[:5]] == ["recording", "worker", "task", "task", "received"]
    assert lines[0]["host"] == "second"
    kept = [line["seq"] for line in lines if line["m"] == "received"]
    assert kept == list(range(kept[0], 1_500))
    assert len(kept) > 50
    assert lines[0]["dropped_lines"] == len(written) - len(lines)
    # the counts have made the first line longer
    (_, *rest) = path.read_bytes().splitlines(keepends=True)
    stayed_bytes = len(_opening("second")) + sum(map(len, rest))
    dropped_bytes = sum(map(len, written)) - stayed_bytes
    assert lines[0]["dropped_bytes"] == pytest.approx(dropped_bytes, abs=20)


def test_a_full_disk_ends_with_a_whole_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that was written in part is taken back; the end takes the place of the last lines."""
    path, room = tmp_path / "shop.pbrec", 2_000
    write = os.write

    def limited(fd: int, data: bytes) -> int:
        free = room - os.fstat(fd).st_size
        if free <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[:free])

    end = b'{"v":1,"m":"ended"}\n'
    with _opened(path) as file:
        # patched, since a test can't fill the disk
        monkeypatch.setattr(os, "write", limited)
        file.append(_opening())
        with pytest.raises(OSError, match="No space"):
            file.append(b"".join(map(_job, range(100))))
        assert path.read_bytes() == _opening()
        while path.stat().st_size < room - 1:
            file.append(b"\n" * min(10, room - 1 - path.stat().st_size))
        file.append_last(end)
    assert path.read_bytes().endswith(b"\n" + end)
    assert path.stat().st_size <= room


def test_a_removed_file_is_noticed(tmp_path: Path) -> None:
    """Nobody would find what is written after that."""
    path = tmp_path / "shop.pbrec"
    with _opened(path) as file:
        file.check()
        path.unlink()
        with pytest.raises(FileNotFoundError):
            file.check()


def test_a_file_that_another_program_cuts_is_noticed(tmp_path: Path) -> None:
    """Without its first line it is no recording, as after logrotate's copytruncate."""
    path = tmp_path / "shop.pbrec"
    with _opened(path) as file:
        file.append(_opening())
        path.write_bytes(b"")
        with pytest.raises(FileNotFoundError, match="cut the file"):
            file.check()
