"""Finds where a throughput comes near what the harness itself can do: then it may be the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.reasons import Code, Reason, reason

#: From this share of a harness's own ceiling on, the harness is named as the limit.
LIMIT_SHARE = 0.8


def near_limits(
    per_s: float | None, *, contender: str, workload: str, ceilings: Mapping[str, Any]
) -> list[Reason]:
    """Return a reason for each part of the harness near whose own ceiling a row runs.

    ``ceilings`` is the manifest's. A row above a ceiling disproves it: that one is not named.
    """
    if per_s is None:
        return []
    known = {
        Code.NEAR_NOOP: _of(ceilings, "noop_per_s", name=contender),
        Code.NEAR_UPSTREAM: _of(ceilings, "upstream_per_s", name=workload),
        Code.NEAR_REDIS: _of(ceilings, "redis_per_s", name=contender),
        Code.NEAR_PRODUCER: ceilings.get("producer_per_s"),
    }
    return [
        reason(code, share=per_s / ceiling)
        for code, ceiling in known.items()
        if ceiling and LIMIT_SHARE <= per_s / ceiling <= 1
    ]


def _of(ceilings: Mapping[str, Any], part: str, *, name: str) -> float | None:
    found: float | None = (ceilings.get(part) or {}).get(name)
    return found
