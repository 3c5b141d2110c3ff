"""Says where a throughput comes near what the harness itself can do: then the harness may be it."""

from __future__ import annotations

from collector.run_manifest import Ceilings
from report import format as fmt

#: From this share of a harness's own ceiling on, the harness is named as the limit.
LIMIT_SHARE = 0.8

#: Stands beside a figure that is near such a ceiling.
SIGN = "†"

#: What `SIGN` means.
MEANING = (
    f"from {LIMIT_SHARE * 100:.0f} % on of what a part of the harness can do; it is named below"
)


def near_limits(
    per_s: float | None, *, contender: str, workload: str, ceilings: Ceilings
) -> list[str]:
    """Return a sentence for each part of the harness near whose own ceiling a row runs.

    ``ceilings`` is the manifest's. A row above a ceiling disproves it: that one is not named.
    """
    if per_s is None:
        return []
    shares = {
        what: per_s / ceiling
        for what, ceiling in _known(ceilings, contender=contender, workload=workload).items()
        if ceiling
    }
    return [
        f"{fmt.percent(share)} of {what}"
        for what, share in shares.items()
        if LIMIT_SHARE <= share <= 1
    ]


def _known(ceilings: Ceilings, *, contender: str, workload: str) -> dict[str, float | None]:
    """Return what each part can do, in words that end a sentence → jobs per second."""
    return {
        "what it does with empty jobs: Celery's own cost of a job may be the limit, not the work": (
            ceilings.noop_per_s.get(contender)
        ),
        "what upstream can serve: upstream may be the limit, not the pool": (
            ceilings.upstream_per_s.get(workload)
        ),
        "what Redis can serve: Redis may be the limit, not the pool": (
            ceilings.redis_per_s.get(contender)
        ),
        "what the producer can send: the producer may be the limit, not the pool": (
            ceilings.producer_per_s
        ),
    }
