"""Detects throughputs near a ceiling of the harness, which may then be the limit."""

from __future__ import annotations

from collector.reasons import Code, Reason
from collector.run_manifest import Ceilings

#: Smallest share of a harness ceiling at which the harness is reported as a possible limit.
LIMIT_SHARE = 0.8


def near_limits(
    per_s: float | None, *, contender: str, workload: str, ceilings: Ceilings
) -> list[Reason]:
    """Return a reason for each ceiling of the harness that the throughput is near.

    ``ceilings`` is the manifest's. A throughput above a ceiling disproves it, and gives no reason.
    """
    if per_s is None:
        return []
    known = {
        Code.NEAR_NOOP: ceilings.noop_per_s.get(contender),
        Code.NEAR_UPSTREAM: ceilings.upstream_per_s.get(workload),
        Code.NEAR_REDIS: ceilings.redis_per_s.get(contender),
        Code.NEAR_PRODUCER: ceilings.producer_per_s,
    }
    return [
        Reason.of(code, share=per_s / ceiling)
        for code, ceiling in known.items()
        if ceiling and LIMIT_SHARE <= per_s / ceiling <= 1
    ]
