"""What a request costs upstream in CPU time, and so how many a second it could serve at most."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Requests of one measurement.
WINDOW_REQUESTS = 500

#: A measurement that took longer is thrown away: much of it would be the price of being idle.
WINDOW_S = 10.0


class CostMeter:
    """Counts requests and takes the CPU time of `WINDOW_REQUESTS` in a row.

    One event loop in one thread serves them all, so 1 ÷ CPU-seconds a request is its ceiling.
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
        """Requests a second that one core could serve."""
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
