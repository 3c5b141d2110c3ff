"""The promises that are tried, in the order of the table."""

from __future__ import annotations

from lab.conformance.promise import Promise
from lab.conformance.promises import (
    broker,
    faulty_jobs,
    prefetch,
    recycling,
    remote_control,
    shutdown,
    time_limits,
    timing,
)

_MODULES = (time_limits, remote_control, recycling, prefetch, shutdown, timing, broker, faulty_jobs)

PROMISES = tuple(
    one for module in _MODULES for one in vars(module).values() if isinstance(one, Promise)
)
