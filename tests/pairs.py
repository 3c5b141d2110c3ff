"""Pairs of synthetic runs to compare: B does what A does, as much faster or slower as asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from collector.store import RunFolder
from report.compare.compare import compare
from report.compare.model import Comparison
from report.summary import summarize
from tests.synthetic import DEMO, WORKLOADS, Workload, make_run

#: Two contenders on one workload that waits: its ceiling doesn't drift with the machine.
CONTENDERS = DEMO[1:3]
SLEEP = WORKLOADS[2]


def slowed(workload: Workload, *, speeds: dict[str, float]) -> Workload:
    """Return the workload with some contenders' rates multiplied."""
    rates = {name: rate * speeds.get(name, 1.0) for name, rate in workload.per_s.items()}
    return replace(workload, per_s=rates)


def make_pair(
    path: Path,
    *,
    speeds: dict[str, float] | None = None,
    blocks: tuple[int, int] = (6, 6),
    jobs: tuple[int, int] = (0, 0),
    noise: float = 0.01,
    workload: Workload = SLEEP,
) -> tuple[RunFolder, RunFolder]:
    """Write runs ``a`` and ``b`` into a folder; ``speeds`` are B's, by contender."""
    workloads = (workload, slowed(workload, speeds=speeds or {}))
    a, b = (
        make_run(
            path / name,
            seed=seed,
            blocks=blocks[place],
            contenders=CONTENDERS,
            workloads=workloads[place : place + 1],
            jobs=jobs[place],
            noise=noise,
        )
        for place, (name, seed) in enumerate((("a", 3), ("b", 8)))
    )
    return a, b


def compare_folders(pair: tuple[RunFolder, RunFolder], **options: Any) -> Comparison:
    """Return the comparison of two folders' summaries."""
    return compare(summarize(pair[0]), b=summarize(pair[1]), **options)
