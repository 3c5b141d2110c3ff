"""Whether short jobs suffer beside long ones: the slowdown of each part of a mix. Pure.

The slowdown of a job is its response ÷ its ideal: from when it was due to its end, over how long it
takes alone with a slot free. 1 is perfect. A job of 10 ms that waits a second behind long ones is
slowed 101 times, and the long one beside it hardly (the "stretch" of M. A. Bender, S. Chakrabarti
and S. Muthukrishnan, "Flow and Stretch Metrics for Scheduling Continuous Job Streams", SODA 1998).
It means something in a rate trial; in a backlog the response is a job's place in the queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import polars as pl

from poolbench.records import Outcome
from report.statistics.percentiles import Tail, percentiles

#: Of a record.
COLUMNS = ("trial", "seq", "part", "due_ns", "finished_ns", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """How much longer than ideal one part's jobs took."""

    #: How long one takes alone, seconds.
    ideal_s: float
    jobs: int
    #: Jobs that were not done; they count as slowed without end.
    unfinished: int
    #: None also where that share of the jobs was not done.
    slowdown: Tail


def slowdowns(
    records: pl.DataFrame, *, ideal_s: Mapping[str, float | None]
) -> dict[str, Slowdown | None]:
    """Return by part how each in some records was slowed; None for one without an ideal.

    Args:
        records: one or more an attempt, of `COLUMNS`; of one contender.
        ideal_s: part → seconds that a job takes alone; None or absent where nobody knows.
    """
    is_done = pl.col("outcome") == Outcome.DONE.value
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
    """Return the median slowdown of the part that fared worst ÷ of the one that fared best.

    1 is fair. None unless all of two parts or more have one.
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
