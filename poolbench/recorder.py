"""The process at the reading end of a worker's pipe: reads lines and stores them in Redis.

It continues after its worker is killed, and ends when all writers have closed the pipe and all
lines are delivered. Reading and delivering are two threads, so that the worker never waits for
Redis.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from io import FileIO
from itertools import islice
from pathlib import Path

import redis

from poolbench.errors import ExitCode
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.line_sorter import Sorter
from poolbench.pipe import PIPE_BYTES, RecorderSettings, ignore_signals, log

#: Pause after a read, seconds, so that one round trip delivers many lines. The cost of this process
#: is its wake-ups, about 0.8 ms of CPU time with cold caches, rather than the lines.
GATHER_S = 0.1

#: Least capacity of a pipe, bytes, for systems that don't report it (macOS).
SMALL_PIPE_BYTES = 16_384

#: Most stream entries in one round trip: about 4 MB.
ENTRIES_PER_TRIP = 16

#: Expiry of a worker's heartbeat, seconds.
PRESENCE_S = 15

#: Interval at which the recorder renews the heartbeat of a worker whose loop is busy (solo, in a
#: long job), seconds.
PRESENCE_REFRESH_S = 5.0

#: Timeout of one exchange with Redis, seconds.
REDIS_TIMEOUT_S = 2.0

#: Pause before the next attempt to reach Redis, seconds.
RETRY_S = 0.25

_STDIN = 0


class Recorder:
    """Delivers the lines of one worker's pipe.

    Raises:
        ValueError: when built with an address that is not one of Redis.
    """

    def __init__(self, settings: RecorderSettings) -> None:
        self._settings = settings
        # a client created by `from_url` doesn't retry
        self._client = redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
        self._sorter = Sorter()
        #: Bytes that were read and are not sorted yet.
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        #: Whether all writers have closed the pipe.
        self._has_ended = False
        #: Bytes read, counted by the reading thread, and bytes that are delivered or need no
        #: delivery, counted by the other thread.
        self._read_bytes = 0
        self._settled_bytes = 0
        #: Stream entries to send: a run, and lines of it.
        self._entries: deque[tuple[str, bytes]] = deque()
        #: Heartbeats by key: the newest of each worker, and those that are not in Redis yet.
        self._presence: dict[str, bytes] = {}
        self._unsent_presence: dict[str, bytes] = {}
        self._shown_at_s = time.monotonic()
        self._is_redis_away = False
        self._has_seen_garbled = False
        self._is_hurried = False

    def read(self, pipe: FileIO) -> None:
        """Read until all writers have closed the pipe; pause while the buffer is full."""
        hangup = select.poll()
        hangup.register(pipe, 0)
        try:
            pipe_bytes = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        except (AttributeError, OSError):
            pipe_bytes = SMALL_PIPE_BYTES
        while not self._has_ended:
            is_full = self._read_bytes - self._settled_bytes >= self._settings.buffer_max_bytes
            if is_full and not hangup.poll(RETRY_S * 1_000):
                continue
            chunk = pipe.read(PIPE_BYTES)
            self._has_ended = not chunk
            self._read_bytes += len(chunk)
            self._chunks.put(chunk)
            if 0 < len(chunk) < pipe_bytes // 2:
                time.sleep(GATHER_S)

    def run(self) -> None:
        """Deliver until the pipe has ended and all is delivered, or the grace period is over."""
        is_all_delivered = True
        while not self._has_ended:
            self._sort_read(timeout_s=PRESENCE_REFRESH_S if is_all_delivered else 0.0)
            self._refresh_presence()
            is_all_delivered = self._deliver()
        self._finish()

    def _finish(self) -> None:
        """Deliver the rest within the grace period; write what can't be delivered to a file."""
        if self._settings.folder:
            shutil.rmtree(self._settings.folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, self._end_grace)
        self._chunks.put(b"\n")
        self._sort_read(timeout_s=0.0)
        self._unsent_presence.clear()
        deadline_s = time.monotonic() + self._settings.grace_s
        while not self._deliver():
            if self._is_hurried or time.monotonic() > deadline_s:
                self._leave_in_file()
                break
        if self._presence and not self._is_redis_away:
            with contextlib.suppress(redis.RedisError, OSError):
                self._client.delete(*self._presence)
        self._client.close()

    def _end_grace(self, *_signal: object) -> None:
        self._is_hurried = True

    def _sort_read(self, *, timeout_s: float) -> None:
        """Sort everything that was read; wait up to ``timeout_s`` if there is nothing."""
        with contextlib.suppress(queue.Empty):
            self._sort(self._chunks.get(timeout=timeout_s))
            while True:
                self._sort(self._chunks.get_nowait())

    def _sort(self, chunk: bytes) -> None:
        found = self._sorter.sort(chunk)
        # bytes outside of entries need no delivery, or were counted with an earlier chunk
        self._settled_bytes += len(chunk) - sum(len(lines) for _, lines in found.entries)
        self._entries.extend(found.entries)
        self._presence.update(found.presence)
        self._unsent_presence.update(found.presence)
        if found.garbled and not self._has_seen_garbled:
            self._has_seen_garbled = True
            log(f"dropped a garbled line (logged once): {found.garbled[0][:60]!r}")

    def _refresh_presence(self) -> None:
        if time.monotonic() - self._shown_at_s > PRESENCE_REFRESH_S:
            self._unsent_presence.update(self._presence)

    def _deliver(self) -> bool:
        """Send everything; return whether all is delivered. After a failure, pause first.

        Lines without an answer are sent again, since folding removes duplicates.
        """
        try:
            while self._entries or self._unsent_presence:
                self._send(list(islice(self._entries, ENTRIES_PER_TRIP)))
        except (redis.RedisError, OSError) as error:
            if not self._is_redis_away:
                self._is_redis_away = True
                log(f"Redis does not accept lines; they are buffered: {error}")
            time.sleep(RETRY_S)
            return False
        if self._is_redis_away:
            self._is_redis_away = False
            log("Redis is reachable again; the buffered lines are delivered")
        return True

    def _send(self, entries: list[tuple[str, bytes]]) -> None:
        with self._client.pipeline(transaction=False) as trip:
            for run, lines in entries:
                trip.xadd(records_stream(run), {LINES_FIELD: lines})
            for key, heartbeat in self._unsent_presence.items():
                trip.set(key, heartbeat, ex=PRESENCE_S)
            trip.execute()
        if self._unsent_presence:
            self._unsent_presence.clear()
            self._shown_at_s = time.monotonic()
        for _, lines in entries:
            self._entries.popleft()
            self._settled_bytes += len(lines)

    def _leave_in_file(self) -> None:
        """Write the undelivered lines to a file, their only copy."""
        name = f"undelivered-{socket.gethostname()}-{os.getpid()}.lines"
        line_count = sum(lines.count(b"\n") for _, lines in self._entries)
        for folder in (self._settings.state_dir, tempfile.gettempdir()):
            path = Path(folder) / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(fd, "wb") as file:
                    file.writelines(lines for _, lines in self._entries)
            except OSError as error:
                log(f"{path} can't be written: {error}")
            else:
                log(f"Redis was unreachable: {line_count} undelivered lines are in {path}")
                return


def main() -> int:
    """Run the recorder on standard input; return its exit code."""
    ignore_signals()
    os.set_blocking(_STDIN, True)
    # unbuffered, so that the bytes after the first line stay in the pipe
    pipe = FileIO(_STDIN, closefd=False)
    try:
        recorder = Recorder(RecorderSettings(**json.loads(pipe.readline())))
    except (ValueError, TypeError) as error:
        # without the content: the line may contain a password
        log(f"its settings are unusable ({type(error).__name__})")
        return ExitCode.USAGE
    threading.Thread(target=recorder.read, args=(pipe,), daemon=True).start()
    recorder.run()
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
