"""The promises that are tried, in the order of the table."""

from __future__ import annotations

from lab.conformance.promise import Promise
from lab.conformance.promises.broker import REDELIVERY, RESTART_BUSY, RESTART_IDLE
from lab.conformance.promises.faulty_jobs import BLOCKING, CRASH
from lab.conformance.promises.prefetch import ACKS_LATE, DISABLE_PREFETCH
from lab.conformance.promises.recycling import AUTOSCALE, MAX_MEMORY, MAX_TASKS
from lab.conformance.promises.remote_control import COUNTS, PING, REVOKE, TERMINATE
from lab.conformance.promises.shutdown import COLD, SOFT, WARM_PREFETCHED, WARM_RUNNING
from lab.conformance.promises.time_limits import HARD_LIMIT, SOFT_LIMIT
from lab.conformance.promises.timing import CHORD, ETA, RATE_LIMIT

PROMISES: tuple[Promise, ...] = (
    SOFT_LIMIT,
    HARD_LIMIT,
    REVOKE,
    TERMINATE,
    MAX_TASKS,
    MAX_MEMORY,
    AUTOSCALE,
    DISABLE_PREFETCH,
    ACKS_LATE,
    WARM_RUNNING,
    WARM_PREFETCHED,
    COLD,
    SOFT,
    PING,
    RATE_LIMIT,
    ETA,
    CHORD,
    REDELIVERY,
    RESTART_IDLE,
    RESTART_BUSY,
    BLOCKING,
    CRASH,
    COUNTS,
)
