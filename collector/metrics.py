"""Computes the figures of a trial from its raw records. Pure.

A percentile is the nearest rank: the smallest measured value that at least p % of all values do not
exceed, the value at rank ceil(p·n / 100) (type 1 in R. J. Hyndman and Y. Fan, "Sample quantiles in
statistical packages", The American Statistician 50, 1996). It is always a value that occurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from collector.reasons import Code, Reason
from poolbench.records import Outcome
from poolbench.summaries import Percentiles

#: Fewest finishes of a capacity trial for each job in flight; with fewer, it would consist mostly
#: of its beginning and its end.
MIN_FINISHES_IN_FLIGHT = 5

#: Columns of a record that figures are computed from.
FIGURE_COLUMNS = (
    "trial", "seq", "attempt", "due_ns", "sent_ns", "started_ns", "finished_ns",
    "finished_again_ns", "outcome", "error", "boot_id",
)  # fmt: skip

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a trial; None if the records do not contain one."""

    #: Jobs done per second; see `figures`.
    throughput_per_s: float | None
    #: First start - due time, over jobs. Includes the queues of the broker and of the worker.
    wait_s: Percentiles | None
    #: Finish - start, over executions that were done.
    execution_s: Percentiles | None
    #: Sent - due time, over jobs: the lateness of the producer.
    lag_s: Percentiles | None
    #: The greatest number of executions at one instant, among those with a start and an end.
    peak_in_flight: int
    #: Whether all stamps are from one machine's clock; else waits are unreliable.
    is_clock_shared: bool
    #: Why a figure is None or unreliable.
    reasons: tuple[Reason, ...]


def figures(
    records: pl.DataFrame,
    *,
    slots: int,
    is_capacity: bool,
    sender_boot_id: str | None = None,
    peak: int | None = None,
) -> Figures:
    """Return the figures of a trial.

    The throughput of a capacity trial is (n - k) / (f_n - f_k) over the n finish times f of jobs
    done, in order. k is the greatest number of jobs in flight, at most the number of slots, since
    the first k finishes belong to the filling of the slots. It needs n ≥ `MIN_FINISHES_IN_FLIGHT` ·
    k. Slots that are never busy at the same time, such as gevent's while jobs compute, don't count
    for k. The throughput of a rate trial is jobs done ÷ (last finish - first due): it shows whether
    the contender kept up with the rate.

    Args:
        records: those of the trial, with at least `FIGURE_COLUMNS`.
        slots: of the contender; 0 if unknown.
        is_capacity: whether the whole backlog was sent at once.
        sender_boot_id: boot of the machine that stamped ``due_ns``; None if unknown.
        peak: the most executions at one instant, if more than those of the records ran.

    Jobs of a user's app end when ``job_ended_ns`` says so (`collector.job_trees`).
    """
    peak = peak_in_flight(records) if peak is None else peak
    throughput_per_s, missing = (
        _capacity(records, slots=slots, peak=peak) if is_capacity else _rate(records)
    )
    # null where no slot ran it, None where the sender's machine is unknown
    boots = {*records["boot_id"].unique(), sender_boot_id} - {None}
    is_clock_shared = len(boots) < 2
    foreign = None if is_clock_shared else Reason.of(Code.FOREIGN_CLOCK)
    return Figures(
        throughput_per_s=throughput_per_s,
        wait_s=percentiles(waits_ns(records)),
        execution_s=percentiles(executions_ns(records)),
        lag_s=percentiles(lags_ns(records)),
        peak_in_flight=peak,
        is_clock_shared=is_clock_shared,
        reasons=tuple(one for one in (missing, foreign) if one),
    )


def percentiles(times_ns: pl.Series) -> Percentiles | None:
    """Return the percentiles, in seconds, of times in ns; None if there are no times."""
    ordered = known(times_ns).sort()
    count = len(ordered)
    if not count:
        return None

    p50, p95, p99 = (
        float(ordered[rank(per_mille, count=count) - 1]) / _NS_PER_S
        for per_mille in (500, 950, 990)
    )
    return Percentiles(p50=p50, p95=p95, p99=p99)


def rank(per_mille: int, *, count: int) -> int:
    """Return the rank of a percentile among ``count`` sorted values, from 1."""
    # in integers, since 0.999 · 3000 is not exactly 2997 in floats
    return -(-per_mille * count // 1_000)


def known(values: pl.Series) -> pl.Series:
    """Return values without nulls; fast in the usual case without any."""
    return values.drop_nulls() if values.null_count() else values


def waits_ns(records: pl.DataFrame) -> pl.Series:
    """Return each job's wait, from its due time to its first start, ns."""
    return _by_job(records, end="started_ns")


def lags_ns(records: pl.DataFrame) -> pl.Series:
    """Return each job's lag, from its due time until it was sent, ns."""
    return _by_job(records, end="sent_ns")


def executions_ns(records: pl.DataFrame) -> pl.Series:
    """Return the duration of each execution that was done, ns."""
    return known((records["finished_ns"] - records["started_ns"]).filter(_is_done(records)))


def broker_waits_ns(records: pl.DataFrame) -> pl.Series:
    """Return each job's time in the broker, from sent to received by the consumer, ns.

    Only first attempts count: a worker sends retries, and the time is not recorded.
    """
    is_first = records["attempt"] == 0
    return known((records["received_ns"] - records["sent_ns"]).filter(is_first))


def prefetch_waits_ns(records: pl.DataFrame) -> pl.Series:
    """Return each execution's wait in its worker, from received to started, ns."""
    return known(records["started_ns"] - records["received_ns"])


def responses_ns(records: pl.DataFrame) -> pl.Series:
    """Return each done job's time from due to finished, including retries, ns."""
    return known((_ends_ns(records) - records["due_ns"]).filter(_is_done(records)))


def peak_in_flight(records: pl.DataFrame) -> int:
    """Return the greatest number of executions at one instant.

    Executions whose end is unknown are left out. An end and a start at the same instant don't
    overlap.
    """
    started_ns, finished_ns = records["started_ns"], records["finished_ns"]
    if started_ns.null_count() or finished_ns.null_count():
        is_known = started_ns.is_not_null() & finished_ns.is_not_null()
        started_ns, finished_ns = started_ns.filter(is_known), finished_ns.filter(is_known)
    # one sort key: twice the time, plus 1 for a start, so that an end precedes a start at that time
    moments = np.concatenate([2 * finished_ns.to_numpy(), 2 * started_ns.to_numpy() + 1])
    moments.sort()
    return int((2 * (moments % 2) - 1).cumsum().max(initial=0))


def _by_job(records: pl.DataFrame, *, end: str) -> pl.Series:
    if _is_job_a_row(records):
        return known(records[end] - records["due_ns"])
    both = records.lazy().filter(pl.all_horizontal(pl.col("due_ns", end).is_not_null()))
    firsts = both.group_by("trial", "seq").agg(ns=pl.col(end).min() - pl.col("due_ns").min())
    return firsts.collect()["ns"]


def _is_job_a_row(records: pl.DataFrame) -> bool:
    """Return whether seqs are strictly increasing, so that no job has two records.

    This is usual: records of a folded trial are sorted, and most have no retry or duplicate.
    """
    seqs = records["seq"]
    return not seqs.null_count() and bool((seqs[1:] > seqs[:-1]).all())


def _is_done(records: pl.DataFrame) -> pl.Series:
    # null without an outcome, which a filter drops
    return records["outcome"] == Outcome.DONE.value


def _finishes_ns(records: pl.DataFrame) -> pl.Series:
    return known(_ends_ns(records).filter(_is_done(records)))


def _ends_ns(records: pl.DataFrame) -> pl.Series:
    """Return when the job of each execution ended; of a user's app, with all that it led to."""
    return records["job_ended_ns" if "job_ended_ns" in records.columns else "finished_ns"]


def _capacity(
    records: pl.DataFrame, *, slots: int, peak: int
) -> tuple[float | None, Reason | None]:
    if slots < 1:
        return None, Reason.of(Code.SLOTS_UNKNOWN)
    filling = max(1, min(slots, peak))
    finishes = _finishes_ns(records).sort()
    count, needed = len(finishes), MIN_FINISHES_IN_FLIGHT * filling
    if count < needed:
        return None, Reason.of(Code.FEW_JOBS, done=count, in_flight=filling, needed=needed)
    span_ns = finishes[-1] - finishes[filling - 1]
    if span_ns <= 0:
        return None, Reason.of(Code.SAME_INSTANT)
    return (count - filling) * _NS_PER_S / span_ns, None


def _rate(records: pl.DataFrame) -> tuple[float | None, Reason | None]:
    finishes = _finishes_ns(records)
    first_due_ns, last_finish_ns = records["due_ns"].min(), finishes.max()
    if not isinstance(first_due_ns, int) or not isinstance(last_finish_ns, int):
        return None, Reason.of(Code.NO_JOB_DONE)
    span_ns = last_finish_ns - first_due_ns
    if span_ns <= 0:
        return None, Reason.of(Code.DONE_BEFORE_DUE)
    return len(finishes) * _NS_PER_S / span_ns, None
