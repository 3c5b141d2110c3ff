"""Whole samples of a run that never was: levels each second, at rest before and after the jobs.

`watch` replaces the samples of a folder from `tests.synthetic`, which have no levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from collector.schema import SAMPLE_SCHEMA
from collector.store import RunFolder
from tests.synthetic import START_NS, S, flat_manifest

#: A worker of 16 prefetched jobs with nothing to do.
REST: Mapping[str, Any] = {
    "queue_jobs": 0,
    "unacked_jobs": 0,
    "prefetch_count": 16,
    "reserved_jobs": 0,
    "running_jobs": 0,
    "countdown_jobs": 0,
    "connections": 4,
    "pss_bytes": 50_000_000,
}


def whole_samples(
    levels: Sequence[Mapping[str, Any]], *, trial: int = 0, contender: str = "solo"
) -> pl.DataFrame:
    """Return a sample each second with `REST` and what differs from it; the last is at rest."""
    rows = [
        {
            **REST,
            **level,
            "trial": trial,
            "contender": contender,
            "t_ns": START_NS + at * S,
            "counted_ns": START_NS + at * S,
            "cpu_s": float(at),
            "recorder_cpu_s": 0.1,
            "is_after": at == len(levels) - 1,
            "rss_bytes": 60_000_000,
            "processes": 1,
        }
        for at, level in enumerate(levels)
    ]
    return pl.DataFrame(rows, schema=SAMPLE_SCHEMA)


def watch(folder: RunFolder, *, levels: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Give the trials of a run the samples of `whole_samples`, one sequence for each block."""
    found = []
    for trial in flat_manifest(folder)["trials"]:
        of_block = levels[trial["block"] % len(levels)]
        samples = whole_samples(of_block, trial=trial["trial"], contender=trial["contender"])
        found.append(samples.with_columns(pl.col("t_ns") + (trial["start_ns"] - START_NS)))
    folder.write_samples(pl.concat(found))
