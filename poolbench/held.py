"""What a recorder has read and not yet delivered, shared by its two threads."""

from __future__ import annotations

import threading
from collections import deque


class Held:
    """Chunks of bytes on their way, with a bound at which reading has to stop."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        #: Put and not released, taken or not.
        self._held_bytes = 0
        self._has_ended = False
        self._changed = threading.Condition()

    @property
    def has_ended(self) -> bool:
        """Whether no more will be put."""
        return self._has_ended

    @property
    def waiting_bytes(self) -> int:
        """How much can be taken."""
        return self._waiting_bytes

    def wait_for_room(self, *, timeout_s: float) -> bool:
        """Wait until less is held than the bound; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held_bytes < self._max_bytes, timeout_s)

    def put(self, chunk: bytes) -> None:
        """Add a chunk, whether there is room or not."""
        with self._changed:
            self._chunks.append(chunk)
            self._waiting_bytes += len(chunk)
            self._held_bytes += len(chunk)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that no more will be put."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def wait(self, *, timeout_s: float) -> None:
        """Wait until there is something to take, or the end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._chunks) or self._has_ended, timeout_s)

    def take(self) -> bytes:
        """Return everything put since the last take; it counts as held until released."""
        with self._changed:
            taken = b"".join(self._chunks)
            self._chunks.clear()
            self._waiting_bytes = 0
            return taken

    def release(self, size_bytes: int) -> None:
        """Say that so much was delivered, or needs no delivery."""
        with self._changed:
            self._held_bytes -= size_bytes
            self._changed.notify_all()
