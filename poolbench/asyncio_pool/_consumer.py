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
except ImportError:  # a Celery without this function sends them when its hub closes

    def send_acknowledgements(hub: Any) -> None:
        """Do nothing: the hub sends them."""


_log = logging.getLogger("celery.pool.asyncio")


class ConsumerThread:
    """Makes calls in the consumer's thread, and wakes its hub for them.

    Without a hub this isn't possible; then `deliver` runs in the thread that adds the call, as in
    Celery's threads pool.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        #: The consumer's hub; None for a consumer without one.
        self.hub: Any = None
        #: The pipe that wakes the hub.
        self._reader, self._writer = os.pipe()
        self._is_wake_sent = False

    def __len__(self) -> int:
        """Return the number of calls that are not delivered yet."""
        return len(self._calls)

    def register(self, hub: Any) -> None:
        """Deliver in a consumer's hub from now on; called again for each connection."""
        self.hub = hub
        hub.add_reader(self._reader, self._on_wake)

    def put(self, function: Callable[..., Any] | None, *args: Any) -> None:
        """Append a call, unless it is None; may be called from any thread."""
        if function is not None:
            self._calls.append((function, args))

    def wake(self) -> None:
        """Wake the hub to deliver; may be called from any thread and from a signal handler."""
        if not self._is_wake_sent:
            self._is_wake_sent = True
            os.write(self._writer, b"!")

    def deliver(self) -> None:
        """Make the pending calls, in order."""
        while True:
            try:
                function, args = self._calls.popleft()
            except IndexError:  # not checked first, since a signal handler may deliver in between
                return
            try:
                function(*args)
            except Exception:  # noqa: BLE001 -- the calls of other jobs must still be made
                _log.exception("Celery could not record the start or end of a job")

    def tend_hub(self) -> None:
        """Acknowledge ended jobs and send heartbeats while the hub does not run."""
        if self.hub is not None:
            self.hub.fire_timers()
            send_acknowledgements(self.hub)

    def _on_wake(self) -> None:
        os.read(self._reader, 64)
        self._is_wake_sent = False
        self.deliver()
