"""Decides whether a contender kept up with jobs that arrived at a rate, within an SLO. Pure.

The lab uses it for the steps of a search while they run, and the report again for the stored
records.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from collector.ledger import IS_PLANNED_FAILURE
from collector.metrics import rank
from collector.reasons import Code, Reason
from collector.run_manifest import Workload
from poolbench.records import Outcome

#: Bounds of an SLO: a percentile of a span, seconds.
SLO_KEYS = tuple(
    f"{percentile}_{span}_s"
    for span in ("wait", "execution", "response")
    for percentile in ("p50", "p95", "p99")
)

#: The measures whose jobs arrive at a rate, so that an SLO has an effect.
LOAD_MEASURES = frozenset({"rate", "sustain", "curve"})

#: Part of a workload → the bounds of its jobs, seconds by name; "" is all jobs together.
SloByPart = Mapping[str, Mapping[str, float]]

#: A contender fell behind if its last jobs waited longer than this share of the arrival period. It
#: would have to be faster by this share to keep up.
BEHIND_SHARE = 0.05

#: A search ends when the highest sustained rate and the lowest rate that isn't sustained are within
#: this share of each other. `BEHIND_SHARE` can't distinguish closer rates.
RESOLUTION = 0.05

#: Share of the jobs that count as the last ones: a single job may be an outlier.
LAST_SHARE = 0.1

#: A job was sent too late if its lag exceeds this bound, seconds, ...
LATE_S = 0.05
#: ... and this share of its response: a lag of 50 ms is irrelevant in a response of seconds, but
#: not in one of 60 ms.
LATE_SHARE = 0.1
#: If more than this share of the jobs was sent too late, a trial measures the producer instead of
#: the contender: p99, and soon p95, are then wrong.
MAX_LATE_SHARE = 0.01
#: This number of late jobs is always accepted: in a few dozen jobs, one delay exceeds 1 %.
FEW_LATE = 2

#: Columns of a record that are read.
COLUMNS = (
    "seq", "attempt", "part", "due_ns", "sent_ns", "eta_ns", "started_ns", "finished_ns",
    "outcome", "error",
)  # fmt: skip

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One bound of an SLO, on a trial's jobs or on those of one part."""

    #: Name of the part; empty for all jobs.
    part: str
    #: A name of `SLO_KEYS`, and its bound in seconds.
    figure: str
    bound_s: float
    #: The measured percentile, seconds; None if more jobs than it allows were not done.
    seen_s: float | None
    #: Share of the jobs that exceeded the bound or were not done.
    missed_share: float

    @property
    def is_met(self) -> bool:
        """Return whether the percentile is within the bound."""
        return self.seen_s is not None and self.seen_s <= self.bound_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RateVerdict:
    """Whether a contender sustained a rate."""

    is_sustained: bool
    #: The reasons why the rate was not sustained; empty if it was.
    reasons: tuple[Reason, ...]
    #: Median wait of the last jobs as a share of the arrival period; None with fewer than 2 jobs.
    behind_share: float | None


def slo_of(workload: Workload, *, slo: Mapping[str, float]) -> SloByPart:
    """Return the bounds of a workload's jobs; ``slo`` is that of the file."""
    parts = {part.name: part.slo for part in workload.mix}
    return slo_by_part(slo, measure=workload.measure, own=workload.slo, parts=parts)


def slo_by_part(
    slo: Mapping[str, float],
    *,
    measure: str,
    own: Mapping[str, float] | None,
    parts: Mapping[str, Mapping[str, float] | None],
) -> SloByPart:
    """Return the bounds of a workload's jobs: those of the nearest SLO, without a merge.

    At a rate, each part of a mix has bounds, so that a short job isn't judged by the length of
    another. A search judges all jobs together, and in addition each part with an SLO of its own.

    Args:
        slo: of the file.
        measure: of the workload; without a rate, there are no bounds.
        own: the workload's SLO; None without one. An empty one has no bounds.
        parts: the same for each part of a mix.
    """
    if measure not in LOAD_MEASURES:
        return {}
    whole = slo if own is None else own
    if measure != "rate":
        return {"": whole, **{name: one for name, one in parts.items() if one is not None}}
    nearest = {name: whole if one is None else one for name, one in parts.items()}
    return nearest if len(parts) > 1 else {"": next(iter(nearest.values()), whole)}


def judge_targets(found: pl.DataFrame, *, slo: SloByPart, jobs: int = 0) -> tuple[Target, ...]:
    """Return each bound of an SLO with its percentile, in a trial.

    Args:
        found: from `by_job`, for one trial.
        slo: bounds by part.
        jobs: number of planned jobs; jobs that were not sent count as not done.
    """
    return tuple(
        _target(
            found.filter(pl.col("part") == part) if part else found,
            part=part,
            figure=figure,
            bound_s=bound_s,
            jobs=0 if part else jobs,
        )
        for part, bounds in slo.items()
        for figure, bound_s in bounds.items()
    )


def _target(found: pl.DataFrame, *, part: str, figure: str, bound_s: float, jobs: int) -> Target:
    percentile, span, _ = figure.split("_")
    times_ns, count = found[f"{span}_ns"], max(jobs, found.height)
    seen_s = _nearest_rank_s(times_ns, percent=int(percentile[1:]), jobs=count)
    within = int((times_ns <= bound_s * _NS_PER_S).sum())
    return Target(
        part=part,
        figure=figure,
        bound_s=bound_s,
        seen_s=seen_s if math.isfinite(seen_s) else None,
        missed_share=1 - within / count if count else 1.0,
    )


def judge_rate(
    found: pl.DataFrame,
    *,
    jobs: int,
    slots: int,
    slo: SloByPart,
    later_parts: Collection[str] = (),
) -> RateVerdict:
    """Return whether all jobs were done within the SLO and the contender did not fall behind.

    It fell behind if the median wait of the last tenth of the jobs, in order of their due times,
    exceeds the sum of `BEHIND_SHARE` of the arrival period and p95 of the execution ÷ slots, the
    wait for one more job in the queue. This measures the work left at the end. The growth of waits
    is less reliable: with random arrivals, an early burst can hide a rate above the capacity.

    Args:
        found: from `by_job`, for one trial.
        jobs: number of planned jobs; jobs that were not sent count as not done.
        slots: the contender's slots; 0 if unknown.
        slo: bounds by part; empty: the contender only has to keep up.
        later_parts: parts whose jobs wait for the end of others, as later links of a chain do; they
            are no sign that the contender fell behind.
    """
    done = found.drop_nulls("response_ns").height
    reasons = []
    if done < jobs:
        reasons.append(Reason.of(Code.JOBS_NOT_DONE, missing=jobs - done, jobs=jobs))
    for one in judge_targets(found, slo=slo, jobs=jobs):
        if not one.is_met:
            percentile, span, _ = one.figure.split("_")
            span = f"{span} of {one.part}" if one.part else span
            names = {"percentile": percentile, "span": span}
            reasons.append(
                Reason.of(Code.OVER_BOUND, **names, seen_s=one.seen_s, bound_s=one.bound_s)
            )
    behind, is_behind = _behind(found, slots=slots, later_parts=later_parts)
    if is_behind and behind is not None:
        reasons.append(Reason.of(Code.FELL_BEHIND, share=behind))
    return RateVerdict(is_sustained=not reasons, reasons=tuple(reasons), behind_share=behind)


def by_job(records: pl.DataFrame) -> pl.DataFrame:
    """Return one row per job with its spans in ns, in order of due times; unknown spans are null.

    Columns: ``seq``, ``part``, ``due_ns``, ``lag_ns`` (due to sent), ``wait_ns`` (due to first
    start), ``execution_ns`` (start to end of the attempt that was done), ``response_ns`` (due to
    its end), ``delay_ns`` (the wait beyond a countdown). A job that failed as planned counts as
    done.

    Args:
        records: one trial's records with `COLUMNS`, one or more per attempt; of a user's app, those
            of `collector.job_trees.root_executions`.
    """
    is_done = (pl.col("outcome") == Outcome.DONE.value) | IS_PLANNED_FAILURE
    known = records.filter(pl.col("seq").is_not_null() & pl.col("due_ns").is_not_null())
    # a job of a user's app ends with the last message that it leads to
    end = "job_ended_ns" if "job_ended_ns" in records.columns else "finished_ns"
    done = pl.col(end).filter(is_done)
    ran_ns = (pl.col("finished_ns") - pl.col("started_ns")).filter(is_done)
    due_ns = pl.col("due_ns").min()
    countdown_ns = pl.col("eta_ns").filter(pl.col("attempt") == 0).min() - due_ns
    return (
        known.group_by("seq")
        .agg(
            part=pl.col("part").max(),
            due_ns=due_ns,
            lag_ns=pl.col("sent_ns").min() - due_ns,
            wait_ns=pl.col("started_ns").min() - due_ns,
            execution_ns=ran_ns.min(),
            response_ns=done.min() - due_ns,
            delay_ns=pl.col("started_ns").min() - due_ns - countdown_ns.fill_null(0),
        )
        .sort("due_ns", "seq")
    )


def from_countdowns(found: pl.DataFrame) -> pl.DataFrame:
    """Return the jobs of `by_job` with waits that begin when their countdowns end.

    An app asks for its countdowns, so what a recording repeats of them is no wait of the worker's.
    """
    return found.with_columns(wait_ns=pl.col("delay_ns").clip(lower_bound=0))


def late_jobs(found: pl.DataFrame) -> int:
    """Return the number of jobs in `by_job` that the producer sent too late."""
    bound_ns = pl.max_horizontal(
        pl.lit(LATE_S * _NS_PER_S), pl.col("response_ns").fill_null(0) * LATE_SHARE
    )
    return found.filter(pl.col("lag_ns") > bound_ns).height


def late_reason(found: pl.DataFrame) -> Reason | None:
    """Return the reason if too many of a trial's jobs were sent too late; otherwise None."""
    late = late_jobs(found)
    if late <= max(FEW_LATE, MAX_LATE_SHARE * found.height):
        return None
    return Reason.of(Code.SENT_LATE, late=late, jobs=found.height, bound_s=LATE_S)


def _behind(
    found: pl.DataFrame, *, slots: int, later_parts: Collection[str]
) -> tuple[float | None, bool]:
    """Return the last jobs' wait as a share of the arrival period, and whether it is too long."""
    known = found.drop_nulls("wait_ns")
    if later_parts:
        known = known.filter(~pl.col("part").is_in(later_parts).fill_null(value=False))
    if known.height < 2 or known["due_ns"][-1] <= known["due_ns"][0]:
        return None, False
    period_ns = known["due_ns"][-1] - known["due_ns"][0]
    last_ns = _median(known.tail(math.ceil(LAST_SHARE * known.height))["delay_ns"])
    one_more_ns = _nearest_rank_s(found["execution_ns"].drop_nulls(), percent=95) * _NS_PER_S
    bound_ns = BEHIND_SHARE * period_ns
    if math.isfinite(one_more_ns):
        bound_ns += one_more_ns / max(1, slots)
    return last_ns / period_ns, last_ns > bound_ns


def _median(values: pl.Series) -> int:
    """Return the nearest rank of p50, which is a measured value."""
    ordered = values.sort()
    return int(ordered[rank(500, count=len(ordered)) - 1])


def _nearest_rank_s(values: pl.Series, *, percent: int, jobs: int = 0) -> float:
    """Return a percentile, seconds; jobs without a value count as infinite."""
    ordered = values.drop_nulls().sort()
    place = rank(10 * percent, count=max(jobs, len(values)))
    return float(ordered[place - 1]) / _NS_PER_S if 0 < place <= len(ordered) else math.inf
