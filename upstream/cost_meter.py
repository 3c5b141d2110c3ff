"""Measures the CPU time of a request in upstream, which determines its highest request rate."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Requests of one measurement.
WINDOW_REQUESTS = 500

#: A measurement that took longer is discarded: much of its CPU time would be that of idling.
WINDOW_S = 10.0


class CostMeter:
    """Counts requests and measures the CPU time of each `WINDOW_REQUESTS` consecutive ones.

    One event loop in one thread serves all requests, so its ceiling is 1 ÷ CPU-seconds per request.
    """

    def __init__(
        self,
        *,
        cpu_s: Callable[[], float] = time.process_time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cpu_s, self._now_s = cpu_s, now_s
        self._from_s = (cpu_s(), now_s())
        #: Requests so far.
        self.requests = 0
        #: CPU-seconds of a request in the latest measurement; None before the first.
        self.cpu_s_per_request: float | None = None

    @property
    def ceiling_per_s(self) -> float | None:
        """Return the requests per second that one core can serve; None if unknown."""
        return 1 / self.cpu_s_per_request if self.cpu_s_per_request else None

    def count(self) -> None:
        """Count a request."""
        self.requests += 1
        if self.requests % WINDOW_REQUESTS:
            return
        until_s = (self._cpu_s(), self._now_s())
        spent_s, lasted_s = (end - begin for end, begin in zip(until_s, self._from_s, strict=True))
        self._from_s = until_s
        if lasted_s <= WINDOW_S and spent_s > 0:
            self.cpu_s_per_request = spent_s / WINDOW_REQUESTS
