"""The bytes that a recorder has read and not yet delivered, shared by its two threads."""

from __future__ import annotations

import threading
from collections import deque


class Buffer:
    """A queue of chunks with a limit; bytes count towards it until they are delivered."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chunks: deque[bytes] = deque()
        #: Put and not released, taken or not.
        self._buffered_bytes = 0
        #: Whether no more chunks will be put.
        self.has_ended = False
        self._changed = threading.Condition()

    def wait_for_room(self, *, timeout_s: float) -> bool:
        """Wait until fewer bytes than the limit are buffered; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._buffered_bytes < self._max_bytes, timeout_s)

    def put(self, chunk: bytes) -> None:
        """Add a chunk, whether there is room or not."""
        with self._changed:
            self._chunks.append(chunk)
            self._buffered_bytes += len(chunk)
            self._changed.notify_all()

    def end(self) -> None:
        """Mark the end: no more chunks will be put."""
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def wait(self, *, timeout_s: float) -> None:
        """Wait for a chunk, or for the end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._chunks) or self.has_ended, timeout_s)

    def take(self) -> bytes:
        """Return all bytes put since the last call; they stay buffered until they are released."""
        with self._changed:
            taken = b"".join(self._chunks)
            self._chunks.clear()
            return taken

    def release(self, size_bytes: int) -> None:
        """Remove bytes from the count: they were delivered, or need no delivery."""
        with self._changed:
            self._buffered_bytes -= size_bytes
            self._changed.notify_all()
