"""Measures the executions of each task. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from collector.recording import Recording
from poolbench.records import Outcome
from report.profile.levels import spans
from report.profile.model import STATES, Mean, TaskProfile
from report.statistics import student_t
from report.statistics.dispersion import Dispersion, dispersion
from report.statistics.percentiles import Tail, percentiles
from report.statistics.ratios import CONFIDENCE
from report.trials.wait_causes import WaitCauses

_NS_PER_S = 1e9

#: Share of the executions of each process, the first ones, that memory growth leaves out: a process
#: grows with its first jobs.
_WARM_UP = 1 / 3

#: Fewest executions for the mean growth of memory.
_LEAST_GROWTHS = 20


def task_profiles(
    recording: Recording, *, waits: Mapping[str, WaitCauses]
) -> tuple[TaskProfile, ...]:
    """Return a profile for each task that was executed, the busiest first."""
    jobs = _with_growth(recording.jobs).with_columns(
        wall_ns=pl.col("finished_ns") - pl.col("started_ns")
    )
    busy_ns = int(jobs["wall_ns"].sum())
    up = spans(recording.sessions)
    within = _arrivals_within(jobs, up=up)
    found = [
        _task(of_task, busy_ns=busy_ns, up=up, within=within, waits=waits.get(str(name)))
        for (name,), of_task in jobs.group_by("kind", maintain_order=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.busy_share, one.name)))


def _task(
    jobs: pl.DataFrame,
    *,
    busy_ns: int,
    up: list[tuple[int, int]],
    within: tuple[int, int],
    waits: WaitCauses | None,
) -> TaskProfile:
    ended = jobs.drop_nulls("wall_ns")
    wall_ns = ended["wall_ns"]
    total_ns = int(wall_ns.sum())
    outcomes = dict(jobs.group_by("outcome").len().iter_rows())
    up_s = sum(end_ns - begin_ns for begin_ns, end_ns in up) / _NS_PER_S
    states = _states(ended)
    blocked = ended["blocked_ns"].drop_nulls()
    bursts = _bursts(jobs, within=within)
    return TaskProfile(
        name=jobs["kind"][0],
        executions=ended.height,
        started=len(jobs["started_ns"].drop_nulls()),
        unfinished=jobs.filter(
            pl.col("started_ns").is_not_null(), pl.col("outcome").is_null()
        ).height,
        jobs_per_s=ended.height / up_s if up_s else 0.0,
        busy_share=total_ns / busy_ns if busy_ns else 0.0,
        wall_s=percentiles(wall_ns, unit=_NS_PER_S),
        wall_mean_s=total_ns / ended.height / _NS_PER_S if ended.height else 0.0,
        wall_max_s=(_largest(wall_ns) or 0) / _NS_PER_S,
        cpu_s=_mean(ended["cpu_ns"], unit=_NS_PER_S),
        child_cpu_s=_mean(ended["child_cpu_ns"], unit=_NS_PER_S),
        states=states,
        sampled_share=sum(states.values()),
        running_share=_share(ended["running_ns"], of_ns=wall_ns),
        blocked_share=_share(ended["blocked_ns"], of_ns=wall_ns),
        blocked_executions=int((blocked > 0).sum()),
        growth_bytes=_growth(ended),
        rss_p95_bytes=percentiles(ended["rss_after_bytes"]).p95,
        retries=outcomes.get(Outcome.RETRIED, 0),
        failures=outcomes.get(Outcome.FAILED, 0),
        timeouts=outcomes.get(Outcome.TIMED_OUT, 0),
        lost=outcomes.get(Outcome.LOST_WORKER, 0),
        dispersion=bursts.index if bursts else None,
        dispersion_limit=bursts.limit if bursts else None,
        published_share=published_share(jobs),
        queues=tuple(sorted(jobs["queue"].drop_nulls().unique())),
        message_bytes=percentiles(jobs["size_bytes"]),
        message_max_bytes=_largest(jobs["size_bytes"]),
        waits=waits,
        wait_s=wait_percentiles(jobs),
    )


def published_share(jobs: pl.DataFrame) -> float:
    """Return the share of the messages received whose publisher recorded when it published them."""
    received = jobs.filter(pl.col("received_ns").is_not_null())
    return 1 - received["published_ns"].null_count() / max(1, received.height)


def wait_percentiles(jobs: pl.DataFrame) -> Tail:
    """Return the percentiles of the waits from published to started, seconds."""
    # clocks of two hosts may differ
    waits_ns = (jobs["started_ns"] - jobs["published_ns"]).clip(lower_bound=0)
    return percentiles(waits_ns, unit=_NS_PER_S)


def _states(ended: pl.DataFrame) -> dict[str, float]:
    """Return the shares of the duration by state; samples add up to at most the duration.

    Only executions in slots that are threads count; the others can't be sampled.
    """
    in_threads = ended.filter(pl.col("running_ns").is_null())
    sums = {state: int(in_threads[f"{state}_ns"].sum()) for state in STATES}
    whole_ns = max(int(in_threads["wall_ns"].sum()), sum(sums.values()))
    return {state: spent_ns / whole_ns for state, spent_ns in sums.items() if spent_ns}


def _share(spent_ns: pl.Series, *, of_ns: pl.Series) -> float | None:
    """Return the share of the durations; None if it isn't known for any."""
    is_known = spent_ns.is_not_null()
    whole_ns = int(of_ns.filter(is_known).sum())
    return min(1.0, int(spent_ns.sum()) / whole_ns) if whole_ns else None


def _mean(values: pl.Series, *, unit: float = 1.0) -> float | None:
    known = values.drop_nulls()
    return float(known.to_numpy().mean()) / unit if len(known) else None


def _largest(values: pl.Series) -> int | None:
    largest = values.max()
    return largest if isinstance(largest, int) else None


def _with_growth(jobs: pl.DataFrame) -> pl.DataFrame:
    """Return the executions in order of their start, with the growth of their process, bytes.

    It is measured from the start to that of the process's next execution, since some memory is
    freed after the end. It is null in the first part of a process, and in its last execution.
    """
    process = ("session", "pid")
    before = pl.col("rss_before_bytes")
    is_settled = pl.int_range(pl.len()).over(process) >= pl.len().over(process) * _WARM_UP
    return jobs.sort("started_ns", maintain_order=True).with_columns(
        grown_bytes=pl.when(is_settled).then(before.shift(-1).over(process) - before)
    )


def _growth(ended: pl.DataFrame) -> Mean | None:
    """Return the mean growth of a process by an execution, with its interval (Student's t)."""
    grown = ended["grown_bytes"].drop_nulls().to_numpy()
    if len(grown) < _LEAST_GROWTHS:
        return None
    mean, count = float(grown.mean()), len(grown)
    error = float(grown.std(ddof=1)) / math.sqrt(count)
    reach = student_t.quantile((1 + CONFIDENCE) / 2, freedom=count - 1) * error
    return Mean(value=mean, low=mean - reach, high=mean + reach, count=count)


def _arrivals_within(jobs: pl.DataFrame, *, up: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the longest time with a worker, from its first arrival of any task to its last one.

    Without this, the idle time around the jobs of a trial would look like a burst of all of them.
    """
    begin_ns, end_ns = max(up, key=lambda span: span[1] - span[0])
    arrived = jobs.select(ns=pl.coalesce("published_ns", "received_ns"))["ns"]
    there = arrived.filter(arrived.is_between(begin_ns, end_ns)).to_numpy()
    return (int(there.min()), int(there.max())) if len(there) else (begin_ns, end_ns)


def _bursts(jobs: pl.DataFrame, *, within: tuple[int, int]) -> Dispersion | None:
    """Return the dispersion of a task's first attempts between two moments.

    They arrive when they are published or, if that is unknown of any, received.
    """
    first = jobs.filter(pl.col("attempt") == 0)
    times = first["received_ns" if first["published_ns"].null_count() else "published_ns"]
    begin_ns, end_ns = within
    return dispersion(times.drop_nulls().to_numpy(), begin_ns=begin_ns, end_ns=end_ns)
