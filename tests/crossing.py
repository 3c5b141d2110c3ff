"""A crossover that never was: what pools do on two cores as a job's share of computing grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from collector.run_manifest import Contender
from collector.store import RunFolder
from tests.synthetic import CORES, Workload, make_run

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
TOTAL_MS = 40.0

#: What Celery adds to a job, CPU-seconds.
COST_S = 0.0013

CONTENDERS = (
    Contender(name="prefork-10", pool="prefork", slots=10, note="equal slots"),
    Contender(name="threads-10", pool="threads", slots=10, note="equal slots"),
    Contender(name="gevent-10", pool="gevent", slots=10, note="equal slots"),
    Contender(name="asyncio-10", pool="asyncio", slots=10, note="equal slots"),
    Contender(name="solo", pool="solo", slots=1, note="always one slot"),
    Contender(name="prefork-cores", pool="prefork", slots=CORES, note="usual size"),
)


def textbook_per_s(contender: Contender, *, share: float) -> float:
    """Return slots ÷ time, bound by the cores that the pool can use."""
    cores = min(contender.slots, CORES if contender.pool == "prefork" else 1)
    cpu_s = TOTAL_MS / 1_000 * share + COST_S
    return min(contender.slots / (TOTAL_MS / 1_000 + COST_S), cores / cpu_s)


def workloads(
    shares: Sequence[float] = SHARES,
    *,
    per_s: Callable[..., float] = textbook_per_s,
    contenders: Sequence[Contender] = CONTENDERS,
) -> list[Workload]:
    """Return a workload for each share."""
    return [
        Workload(
            name=f"mixed-{share:g}",
            kind="mixed.share",
            per_s=_rates(per_s, contenders=contenders, share=share),
            parameters={"total_ms": TOTAL_MS, "cpu_share": share},
        )
        for share in shares
    ]


def make_crossing(
    path: Path,
    *,
    shares: Sequence[float] = SHARES,
    blocks: int = 5,
    contenders: Sequence[Contender] = CONTENDERS,
    per_s: Callable[..., float] = textbook_per_s,
) -> RunFolder:
    """Write a finished run of `mixed.share` at these shares, and return its folder."""
    found = workloads(shares, per_s=per_s, contenders=contenders)
    return make_run(path, blocks=blocks, contenders=contenders, workloads=found)


def _rates(
    per_s: Callable[..., float], *, contenders: Sequence[Contender], share: float
) -> Mapping[str, float]:
    return {contender.name: per_s(contender, share=share) for contender in contenders}
