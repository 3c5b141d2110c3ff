"""Calls from the asyncio pool's loop to the thread of Celery's consumer, in order."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Any

try:
    from celery.concurrency.prefork import (  # type: ignore[attr-defined]  # not in celery-types
        _run_ready_callbacks as send_acknowledgements,
    )
except ImportError:  # a Celery that has none sends them when its hub closes

    def send_acknowledgements(hub: Any) -> None:
        """Leave them to the hub."""


_log = logging.getLogger("celery.pool.asyncio")


class ConsumerThread:
    """Makes calls in the consumer's thread, and wakes its hub for them.

    Without a hub nothing can be called there; then `deliver` runs in the thread that puts the call,
    as in Celery's threads pool.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._hub: Any = None
        #: The pipe that wakes the hub: to read and to write.
        self._pipe: tuple[int, int] | None = None
        self._is_wake_sent = False

    @property
    def has_hub(self) -> bool:
        """Whether there is a hub to wake."""
        return self._hub is not None

    def __len__(self) -> int:
        """Return how many calls are not delivered yet."""
        return len(self._calls)

    def register(self, hub: Any) -> None:
        """Let a consumer's hub deliver from now on; again with each connection."""
        self._hub = hub
        if self._pipe is None:
            self._pipe = os.pipe()
        hub.add_reader(self._pipe[0], self._on_wake)

    def put(self, function: Callable[..., Any], *args: Any) -> None:
        """Keep a call until it is delivered, after those put in before; from any thread."""
        self._calls.append((function, args))

    def wake(self) -> None:
        """Let the hub deliver as soon as it can; from any thread, and from a signal handler."""
        if self._pipe is not None and not self._is_wake_sent:
            self._is_wake_sent = True
            os.write(self._pipe[1], b"!")

    def deliver(self) -> None:
        """Make the calls that were put in."""
        while True:
            try:
                function, args = self._calls.popleft()
            except IndexError:  # at once, since a signal may let this run within itself
                return
            try:
                function(*args)
            except Exception:  # noqa: BLE001 -- of one job: those of other jobs must be made
                _log.exception("Celery failed at the news of a job")

    def tend_hub(self) -> None:
        """Acknowledge what has ended and keep the heartbeats, while nobody runs the hub."""
        if self._hub is not None:
            self._hub.fire_timers()
            send_acknowledgements(self._hub)

    def _on_wake(self) -> None:
        if self._pipe is not None:
            os.read(self._pipe[0], 64)
        self._is_wake_sent = False
        self.deliver()
