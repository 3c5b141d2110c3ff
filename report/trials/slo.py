"""Whether a contender kept up with jobs that came at a rate, and kept to an SLO.

Pure. The lab judges the steps of a search by this while they run, and the report again from the
kept records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from collector.metrics import rank
from collector.reasons import Code, Reason
from poolbench.records import Outcome

#: Bounds of an SLO: a percentile of a span, seconds.
SLO_KEYS = tuple(
    f"{percentile}_{span}_s"
    for span in ("wait", "execution", "response")
    for percentile in ("p50", "p95", "p99")
)

#: A contender fell behind if its last jobs waited for more than this share of the time in which the
#: jobs came: it would have had to be so much faster to do them in that time.
BEHIND_SHARE = 0.05

#: A search for the highest sustained rate ends when that and the lowest that isn't are within
#: this share of each other. Closer, they could not be told apart by `BEHIND_SHARE`.
RESOLUTION = 0.05

#: So many of the jobs are the last: one alone may have met a hiccup.
LAST_SHARE = 0.1

#: A job was sent too late if its lag is over this, seconds, ...
LATE_S = 0.05
#: ... and over this share of its response: 50 ms of an overloaded contender's seconds change
#: nothing, and of a response of 60 ms they are most.
LATE_SHARE = 0.1
#: A trial in which more than this share of the jobs was late shows the producer and not the
#: contender. Its p95 and p99 then may.
MAX_LATE_SHARE = 0.01
#: So few are never too many: of some dozen jobs one hiccup of the machine is over 1 %.
FEW_LATE = 2

#: Of a record.
COLUMNS = ("seq", "due_ns", "sent_ns", "started_ns", "finished_ns", "outcome")

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateVerdict:
    """Whether a contender sustained a rate."""

    is_sustained: bool
    #: Why not; empty if it was sustained.
    reasons: tuple[Reason, ...]
    #: Median wait of the last jobs as a share of the time in which jobs came; None of one job.
    behind_share: float | None


def judge_rate(
    found: pl.DataFrame, *, jobs: int, slots: int, slo: Mapping[str, float]
) -> RateVerdict:
    """Return whether all jobs were done, within the SLO, and the contender did not fall behind.

    It fell behind if the median wait of the last tenth of the jobs, in order of their due times, is
    over `BEHIND_SHARE` of the time in which they came, and the p95 execution ÷ slots on top: what
    one job more in the queue makes of a wait. What counts is how much work was left at the end. How
    waits grew shows less: jobs that come at random may bring a burst early, and a rate above the
    capacity would then seem to be worked off.

    Args:
        found: what `by_job` makes of a trial's records.
        jobs: that were to be sent; those that were not were given up.
        slots: of the contender; 0 where nobody knows.
        slo: bounds in seconds by name, of `SLO_KEYS`; none asks for nothing but to keep up.
    """
    done = found.drop_nulls("response_ns").height
    reasons = []
    if done < jobs:
        reasons.append(Reason.of(Code.JOBS_NOT_DONE, missing=jobs - done, jobs=jobs))
    for key, bound_s in slo.items():
        percentile, span, _ = key.split("_")
        seen_s = _nearest_rank_s(found[f"{span}_ns"], percent=int(percentile[1:]), jobs=jobs)
        if seen_s > bound_s:
            seen = seen_s if math.isfinite(seen_s) else None
            names = {"percentile": percentile, "span": span}
            reasons.append(Reason.of(Code.OVER_BOUND, **names, seen_s=seen, bound_s=bound_s))
    behind, is_behind = _behind(found, slots=slots)
    if is_behind and behind is not None:
        reasons.append(Reason.of(Code.FELL_BEHIND, share=behind))
    return RateVerdict(is_sustained=not reasons, reasons=tuple(reasons), behind_share=behind)


def by_job(records: pl.DataFrame) -> pl.DataFrame:
    """Return a row a job, in order of due times: its spans in ns, null where it has no end.

    Columns ``seq``, ``due_ns``, ``lag_ns``, ``wait_ns``, ``execution_ns``, ``response_ns``: from
    due to sent, due to first start, start to end of the first attempt that was done, due to that.

    Args:
        records: of `COLUMNS`, one or more an attempt, of one trial.
    """
    is_done = pl.col("outcome") == Outcome.DONE.value
    known = records.filter(pl.col("seq").is_not_null() & pl.col("due_ns").is_not_null())
    done = pl.col("finished_ns").filter(is_done)
    ran_ns = (pl.col("finished_ns") - pl.col("started_ns")).filter(is_done)
    due_ns = pl.col("due_ns").min()
    return (
        known.group_by("seq")
        .agg(
            due_ns=due_ns,
            lag_ns=pl.col("sent_ns").min() - due_ns,
            wait_ns=pl.col("started_ns").min() - due_ns,
            execution_ns=ran_ns.min(),
            response_ns=done.min() - due_ns,
        )
        .sort("due_ns", "seq")
    )


def late_jobs(found: pl.DataFrame) -> int:
    """Return how many jobs of `by_job` the producer sent too late to judge the contender by."""
    bound_ns = pl.max_horizontal(
        pl.lit(LATE_S * _NS_PER_S), pl.col("response_ns").fill_null(0) * LATE_SHARE
    )
    return found.filter(pl.col("lag_ns") > bound_ns).height


def late_reason(found: pl.DataFrame) -> Reason | None:
    """Return why a trial's jobs were too late to count; None if they were not."""
    late = late_jobs(found)
    if late <= max(FEW_LATE, MAX_LATE_SHARE * found.height):
        return None
    return Reason.of(Code.SENT_LATE, late=late, jobs=found.height, bound_s=LATE_S)


def _behind(found: pl.DataFrame, *, slots: int) -> tuple[float | None, bool]:
    """Return the last jobs' wait as a share of the time in which jobs came, and if it is behind."""
    known = found.drop_nulls("wait_ns")
    if known.height < 2 or known["due_ns"][-1] <= known["due_ns"][0]:
        return None, False
    came_ns = known["due_ns"][-1] - known["due_ns"][0]
    last_ns = _median(known.tail(math.ceil(LAST_SHARE * known.height))["wait_ns"])
    one_more_ns = _nearest_rank_s(known["execution_ns"].drop_nulls(), percent=95) * _NS_PER_S
    bound_ns = BEHIND_SHARE * came_ns
    if math.isfinite(one_more_ns):
        bound_ns += one_more_ns / max(1, slots)
    return last_ns / came_ns, last_ns > bound_ns


def _median(values: pl.Series) -> int:
    """Return the nearest rank of p50, a value that occurred."""
    ordered = values.sort()
    return int(ordered[rank(500, count=len(ordered)) - 1])


def _nearest_rank_s(values: pl.Series, *, percent: int, jobs: int = 0) -> float:
    """Return a percentile, seconds; of jobs that have no value it is without end."""
    ordered = values.drop_nulls().sort()
    place = rank(10 * percent, count=max(jobs, len(values)))
    return float(ordered[place - 1]) / _NS_PER_S if 0 < place <= len(ordered) else math.inf
