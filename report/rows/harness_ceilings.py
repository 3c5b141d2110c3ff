"""Finds where a throughput comes near what the harness itself can do: then it may be the limit."""

from __future__ import annotations

from collector.reasons import Code, Reason
from collector.run_manifest import Ceilings

#: From this share of a harness's own ceiling on, the harness is named as the limit.
LIMIT_SHARE = 0.8


def near_limits(
    per_s: float | None, *, contender: str, workload: str, ceilings: Ceilings
) -> list[Reason]:
    """Return a reason for each part of the harness near whose own ceiling a row runs.

    ``ceilings`` is the manifest's. A row above a ceiling disproves it: that one is not named.
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
