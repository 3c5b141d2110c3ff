"""Measures how much long jobs slow short ones down: the slowdown of each part of a mix. Pure.

The slowdown of a job is its response (from due to finished) ÷ its ideal (its duration alone, with a
free slot). 1 is perfect. A job of 10 ms that waits 1 s for long jobs has a slowdown of 101, while
that of the long jobs is near 1. The slowdown is the "stretch" of M. A. Bender, S. Chakrabarti and
S. Muthukrishnan, "Flow and Stretch Metrics for Scheduling Continuous Job Streams", SODA 1998. It is
meaningful only if jobs arrive at a rate; in a backlog, a response is a job's place in the queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import polars as pl

from collector.ledger import IS_PLANNED_FAILURE
from poolbench.records import Outcome
from report.statistics.percentiles import Tail, percentiles

#: Columns of a record that are read.
COLUMNS = ("trial", "seq", "part", "due_ns", "finished_ns", "outcome", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """The slowdown of one part's jobs."""

    #: Response of a job alone, seconds: its duration, after its countdown and earlier steps.
    ideal_s: float
    jobs: int
    #: Jobs that were not done; their slowdown is infinite.
    unfinished: int
    #: Percentiles of response ÷ ideal; None also if a percentile is infinite.
    slowdown: Tail


def slowdowns(
    records: pl.DataFrame, *, ideal_s: Mapping[str, float | None]
) -> dict[str, Slowdown | None]:
    """Return part → slowdown of its jobs; None for a part without an ideal.

    A job that failed as planned counts as done.

    Args:
        records: one contender's records with `COLUMNS`, one or more per attempt.
        ideal_s: part → response of a job alone, seconds; None, infinite or absent if unknown.
    """
    is_done = (pl.col("outcome") == Outcome.DONE.value) | IS_PLANNED_FAILURE
    # the first attempt that was done ends a job; attempts before it are part of its response
    jobs = (
        records.drop_nulls(["due_ns", "part"])
        .group_by("trial", "seq", "part")
        .agg(response_ns=pl.col("finished_ns").filter(is_done).min() - pl.col("due_ns").min())
    )
    return {
        part: _slowdown(of_part["response_ns"], ideal_s=ideal_s.get(part) or 0.0)
        for (part,), of_part in sorted(jobs.partition_by("part", as_dict=True).items())
    }


def unfairness(found: Iterable[Slowdown]) -> float | None:
    """Return the largest median slowdown of a part ÷ the smallest; 1 is fair.

    None unless there are at least two parts and all have a median.
    """
    medians = [one.slowdown.p50 for one in found]
    known = [median for median in medians if median]
    return max(known) / min(known) if len(known) == len(medians) >= 2 else None


def _slowdown(response_ns: pl.Series, *, ideal_s: float) -> Slowdown | None:
    if not 0 < ideal_s < math.inf:
        return None
    slowed = (response_ns / (ideal_s * 1e9)).fill_null(math.inf)
    return Slowdown(
        ideal_s=ideal_s,
        jobs=len(response_ns),
        unfinished=response_ns.null_count(),
        slowdown=Tail(
            **{
                name: value
                for name, value in asdict(percentiles(slowed)).items()
                if value is not None and math.isfinite(value)
            }
        ),
    )
