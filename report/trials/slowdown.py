"""Whether short jobs suffer beside long ones: the slowdown of each kind. Pure.

The slowdown of a job is its response ÷ its ideal: from when it was due to its end, over how long it
takes alone with a slot free. 1 is perfect. A job of 10 ms that waits a second behind long ones is
slowed 101 times, and the long one beside it hardly (the "stretch" of M. A. Bender, S. Chakrabarti
and S. Muthukrishnan, "Flow and Stretch Metrics for Scheduling Continuous Job Streams", SODA 1998).
It means something in a rate trial; in a backlog the response is a job's place in the queue.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import polars as pl

from poolbench.records import Outcome
from report.statistics.percentiles import Tail, percentiles

#: Of a record; the column that tells the kinds apart is named by the caller.
COLUMNS = ("trial", "seq", "due_ns", "finished_ns", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """How much longer than ideal one kind's jobs took."""

    #: How long one takes alone, seconds.
    ideal_s: float
    jobs: int
    #: Jobs that were not done; they count as slowed without end.
    unfinished: int
    #: None also where that share of the jobs was not done.
    slowdown: Tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """How the kinds of one mix fared beside each other."""

    by_kind: Mapping[str, Slowdown]
    #: Median slowdown of the kind that fared worst ÷ of the one that fared best: 1 is fair. None
    #: unless two kinds have one.
    unfairness: float | None
    #: Kinds that can't be told of, with the reason in words.
    left_out: Mapping[str, str]


def judge_fairness(
    records: pl.DataFrame, *, ideal_s: Mapping[str, float | None], by: str = "kind"
) -> Fairness:
    """Return how each kind in some records was slowed.

    Args:
        records: one or more an attempt, of `COLUMNS` and ``by``; of one contender.
        ideal_s: kind → seconds that a job takes alone; None or absent where nobody knows.
        by: the column that tells the kinds apart: ``kind``, or the part of a mix.
    """
    jobs = _jobs(records, by=by)
    by_kind: dict[str, Slowdown] = {}
    left_out: dict[str, str] = {}
    for (kind,), of_kind in sorted(jobs.partition_by(by, as_dict=True).items(), key=str):
        ideal = ideal_s.get(kind)
        if ideal is None or not 0 < ideal < math.inf:
            left_out[kind] = "how long one of its jobs takes alone is not known"
        else:
            by_kind[kind] = _slowdown(of_kind["response_ns"], ideal_s=ideal)
    medians = [one.slowdown.p50 for one in by_kind.values()]
    known = [median for median in medians if median]
    unfairness = max(known) / min(known) if len(known) == len(medians) >= 2 else None
    return Fairness(by_kind=by_kind, unfairness=unfairness, left_out=left_out)


def _jobs(records: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """Return a row a job: its kind, and its response in ns; null if it was not done."""
    is_done = pl.col("outcome") == Outcome.DONE.value
    known = records.filter(pl.col("due_ns").is_not_null() & pl.col(by).is_not_null())
    # the first attempt that was done ends it; attempts before it are part of its response
    return known.group_by("trial", "seq", by).agg(
        response_ns=pl.col("finished_ns").filter(is_done).min() - pl.col("due_ns").min()
    )


def _slowdown(response_ns: pl.Series, *, ideal_s: float) -> Slowdown:
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
