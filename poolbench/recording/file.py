"""The file of a recording: appended line by line, bounded in size, one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from poolbench.records import FORMAT, LINE_MAX_BYTES, Moment, line_start

#: Most recordings of workers that were given the same path.
MAX_FILES = 99

#: Shares of the largest size: a file of the first is reduced to the second. Both together are the
#: whole, since both files exist until the new one replaces the old one.
_FULL_SHARE = 2 / 3
_KEPT_SHARE = 1 / 3

#: Suffix of the new file while the oldest part is being dropped.
_NEW = ".new"

_CHUNK_BYTES = 1_048_576

#: Beginning of a recording.
_BEGINNING = line_start(Moment.RECORDING).encode()

#: Lines that describe a session and stay when the oldest part is dropped.
_DESCRIPTION = re.compile(rb'^\{"v":%d,"m":"(recording|worker|task)",.*\n' % FORMAT, re.MULTILINE)


class RecordingFile:
    """A recording that is open in this process, which holds its lock."""

    def __init__(self, fd: int, *, path: Path, max_size_bytes: int) -> None:
        self._fd = fd
        self._path = path
        self._max_size_bytes = max_size_bytes
        self._size_bytes = os.fstat(fd).st_size

    def append(self, lines: bytes) -> None:
        """Append whole lines; drop the oldest part of the file if it becomes too large.

        Raises:
            OSError: if they can't be written; the file then ends with the line before them.
        """
        if self._size_bytes + len(lines) > self._max_size_bytes * _FULL_SHARE:
            self._drop_oldest()
        try:
            _write(self._fd, lines)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size_bytes)
            raise
        self._size_bytes += len(lines)

    def append_last(self, line: bytes) -> None:
        """Append one line, on a full disk in place of as many of the last lines as it needs.

        Raises:
            OSError: if it can't be written.
        """
        try:
            self.append(line)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            most = max(0, self._size_bytes - len(line))
            start = max(0, most - LINE_MAX_BYTES)
            end = start + os.pread(self._fd, most - start, start).rfind(b"\n") + 1
            os.ftruncate(self._fd, end)
            self._size_bytes = end
            _write(self._fd, line)

    def check(self) -> None:
        """Check that the path still names this file.

        Raises:
            FileNotFoundError: if it was removed, replaced or cut.
        """
        if not _is_at(self._fd, self._path):
            raise FileNotFoundError(errno.ENOENT, "the file was removed or replaced")
        if os.fstat(self._fd).st_size < self._size_bytes:
            raise FileNotFoundError(errno.ENOENT, "another program has cut the file")

    def _drop_oldest(self) -> None:
        """Replace the file by its newest part, with the description of the session before that."""
        kept_bytes = int(self._max_size_bytes * _KEPT_SHARE)
        start = max(0, self._size_bytes - kept_bytes)
        start += os.pread(self._fd, LINE_MAX_BYTES, start).find(b"\n") + 1
        description = _describe_dropped(self._fd, end=start)
        new_path = _new_path(self._path)
        new = os.open(new_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(new, description)
            for chunk in _chunks(self._fd, start=start, end=self._size_bytes):
                _write(new, chunk)
            self.check()
            new_path.rename(self._path)
        except BaseException:
            os.close(new)
            with contextlib.suppress(OSError):
                new_path.unlink()
            raise
        # the lock belongs to the open file, which keeps it under the other number
        os.dup2(new, self._fd, inheritable=False)
        os.close(new)
        self._size_bytes = os.fstat(self._fd).st_size


def open_recording(path: Path) -> tuple[int, Path]:
    """Return the locked descriptor of a recording to append to, and its path.

    A new file has mode 0600. If another recorder has the file, it is ``shop.2.pbrec`` for
    ``shop.pbrec``, and so on. A line that was cut by a crash is removed.

    Raises:
        OSError: if the file can't be opened, is no recording, or all of them are taken.
    """
    for number in range(1, MAX_FILES + 1):
        name = path.name if number == 1 else f"{path.stem}.{number}{path.suffix}"
        one = path.with_name(name)
        if (fd := _open_locked(one)) is not None:
            return fd, one
    raise OSError(errno.EBUSY, f"{MAX_FILES} workers record into it", str(path))


def _open_locked(path: Path) -> int | None:
    """Return a descriptor with the file's lock; None if another process has it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(fd, path):
                _prepare(fd, path)
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        # its recorder has replaced it meanwhile
        os.close(fd)


def _prepare(fd: int, path: Path) -> None:
    """Check that a file is empty or a recording, and remove what a crash has left of a line."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    size_bytes = os.fstat(fd).st_size
    if size_bytes and os.pread(fd, len(_BEGINNING), 0) != _BEGINNING:
        raise OSError(errno.EEXIST, "it exists and is not a recording", str(path))
    start = max(0, size_bytes - LINE_MAX_BYTES)
    end = start + os.pread(fd, LINE_MAX_BYTES, start).rfind(b"\n") + 1
    if end < size_bytes:
        os.ftruncate(fd, end)
    os.fchmod(fd, 0o600)
    with contextlib.suppress(FileNotFoundError):
        _new_path(path).unlink()


def _describe_dropped(fd: int, *, end: int) -> bytes:
    """Return the description of the last session that begins before ``end``.

    Its first line counts everything that was dropped until now, in addition to what it counted.
    """
    opening, worker, tasks = b"", b"", list[bytes]()
    dropped_lines, dropped_bytes = 0, end
    for chunk in _chunks(fd, start=0, end=end):
        dropped_lines += chunk.count(b"\n")
        for match in _DESCRIPTION.finditer(chunk):
            line, moment = match[0], match[1]
            if moment == b"recording":
                opening, worker, tasks = line, b"", []
                known = json.loads(line)
                dropped_lines += known["dropped_lines"]
                dropped_bytes += known["dropped_bytes"]
            elif moment == b"worker":
                worker = line
            else:
                tasks.append(line)
    kept = [opening, worker, *tasks]
    dropped_lines -= len(list(filter(None, kept)))
    dropped_bytes -= sum(map(len, kept))
    counted = json.loads(opening)
    counted |= {"dropped_lines": dropped_lines, "dropped_bytes": dropped_bytes}
    kept[0] = json.dumps(counted, separators=(",", ":")).encode() + b"\n"
    return b"".join(kept)


def _chunks(fd: int, *, start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a file in pieces of whole lines."""
    while start < end:
        piece = os.pread(fd, min(_CHUNK_BYTES, end - start), start)
        piece = piece[: piece.rfind(b"\n") + 1] or piece
        if not piece:
            return
        start += len(piece)
        yield piece


def _write(fd: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _new_path(path: Path) -> Path:
    return path.with_name(path.name + _NEW)
