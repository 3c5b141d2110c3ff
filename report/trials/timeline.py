"""Time series of a trial in bins: jobs that arrived, ran and ended, CPU and memory. Pure.

Charts draw it; no claim uses it. Figures come from whole trials and repetitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from poolbench.records import Outcome
from report.trials.levels import LEVELS
from report.trials.trial import TrialSummary

#: Columns of a record that are read.
COLUMNS = ("seq", "due_ns", "started_ns", "finished_ns", "outcome")

#: Largest number of bins.
MOST_BINS = 120

#: Shortest trial with bins of at least 1 s; a shorter one has about `_SHORT_BINS` bins.
_BY_SECOND_S = 10.0
_SHORT_BINS = 20

#: Possible widths of a bin, seconds.
_WIDTHS_S = (
    *(step * 10.0**power for power in range(-4, 0) for step in (1, 2, 5)),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePoint:
    """One bin of a trial; values are None without a sample."""

    #: Start of the bin, seconds after the start of the trial.
    t_s: float
    #: Jobs that were due, and jobs that were done, within the bin.
    arrivals: int
    done: int
    #: At the end of the bin: jobs due that no attempt had started, and attempts that were running.
    backlog: int
    in_flight: int
    #: Mean number of busy cores.
    cpu_cores: float | None
    #: Last sample before the end of the bin.
    rss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPoint:
    """One whole sample of a trial; a level is None where it was not counted."""

    #: Time after the start of the trial, seconds; negative for the one before it.
    t_s: float
    queue_jobs: int | None = None
    unacked_jobs: int | None = None
    prefetch_count: int | None = None
    reserved_jobs: int | None = None
    running_jobs: int | None = None
    countdown_jobs: int | None = None
    connections: int | None = None
    pss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The time series of one trial of a row."""

    workload: str
    contender: str
    pool: str
    trial: int
    bin_s: float
    #: Duration of the trial, seconds; the last bin may be shorter than `bin_s`.
    lasted_s: float
    points: tuple[TimelinePoint, ...]
    #: The last whole sample of each bin, with those before and after the trial.
    levels: tuple[LevelPoint, ...] = ()


def bin_width_s(lasted_s: float) -> float:
    """Return the width of a trial's bins: 1 s for trials of 10 s to 2 min, at most `MOST_BINS`."""
    if lasted_s < _BY_SECOND_S:
        return max(
            (width for width in _WIDTHS_S if width <= lasted_s / _SHORT_BINS), default=_WIDTHS_S[0]
        )
    wide = [width for width in _WIDTHS_S if width >= 1 and width * MOST_BINS >= lasted_s]
    return wide[0] if wide else math.ceil(lasted_s / MOST_BINS / 3_600) * 3_600.0


def measure_timeline(
    trial: TrialSummary, *, pool: str, records: pl.DataFrame, samples: pl.DataFrame
) -> Timeline | None:
    """Return the timeline of one trial; None if the trial was interrupted or has no records.

    Args:
        trial: its start and end are the outer edges.
        pool: the contender's pool.
        records: the trial's records with `COLUMNS`, one or more per attempt.
        samples: the samples of its worker's processes, in order of ``t_ns``.
    """
    start_ns, end_ns = trial.start_ns, trial.end_ns
    if not start_ns or not end_ns or end_ns <= start_ns or records.is_empty():
        return None
    lasted_s = (end_ns - start_ns) / 1e9
    bin_s = bin_width_s(lasted_s)
    count = max(1, math.ceil(lasted_s / bin_s - 1e-9))
    edges_ns = start_ns + np.minimum(np.arange(count + 1) * bin_s * 1e9, lasted_s * 1e9)
    counts = _counts(records, edges_ns=edges_ns)
    cpu_cores = _cores(samples, edges_ns=edges_ns)
    rss_bytes = _last_rss(samples, edges_ns=edges_ns)
    points = tuple(
        TimelinePoint(
            t_s=round(index * bin_s, 9),
            **{name: values[index] for name, values in counts.items()},
            cpu_cores=cpu_cores[index],
            rss_bytes=rss_bytes[index],
        )
        for index in range(count)
    )
    return Timeline(
        workload=trial.workload,
        contender=trial.contender,
        pool=pool,
        trial=trial.trial,
        bin_s=bin_s,
        lasted_s=lasted_s,
        points=points,
        levels=_levels(samples, start_ns=start_ns, bin_s=bin_s),
    )


def _counts(records: pl.DataFrame, *, edges_ns: np.ndarray) -> dict[str, list[int]]:
    """Return the jobs that arrived and ended within each bin, and those open at its end."""
    # an event exactly on the last edge belongs to the last bin
    counted_ns = np.array([*edges_ns[:-1], np.inf])
    jobs = records.group_by("seq").agg(pl.col("due_ns").min(), pl.col("started_ns").min())
    begun = records.filter(pl.col("started_ns").is_not_null())
    done = records.filter(pl.col("outcome") == Outcome.DONE.value)
    due = _reached(jobs["due_ns"], edges_ns=counted_ns)
    started = _reached(jobs["started_ns"], edges_ns=counted_ns)
    running = _reached(begun["started_ns"], edges_ns=counted_ns)
    ended = _reached(begun["finished_ns"], edges_ns=counted_ns)
    return {
        "arrivals": _within(due),
        "done": _within(_reached(done["finished_ns"], edges_ns=counted_ns)),
        "backlog": (due - started)[1:].tolist(),
        "in_flight": (running - ended)[1:].tolist(),
    }


def _reached(moments_ns: pl.Series, *, edges_ns: np.ndarray) -> np.ndarray:
    """Return the number of moments before each edge, ignoring nulls."""
    ordered = np.sort(moments_ns.drop_nulls().to_numpy())
    return np.searchsorted(ordered, edges_ns, side="left")


def _within(reached: np.ndarray) -> list[int]:
    # events before the first edge belong to the first bin
    return [int(reached[1]), *(int(one) for one in np.diff(reached[1:]))]


def _cores(samples: pl.DataFrame, *, edges_ns: np.ndarray) -> list[float | None]:
    """Return the mean number of busy cores in each bin, interpolated between samples."""
    known = samples.filter(pl.col("cpu_s").is_not_null())
    if known.height < 2:
        return [None] * (len(edges_ns) - 1)
    sampled_ns, spent_s = known["t_ns"].to_numpy(), known["cpu_s"].to_numpy()
    at_edges = np.interp(edges_ns, sampled_ns, np.maximum.accumulate(spent_s))
    cores = np.diff(at_edges) / (np.diff(edges_ns) / 1e9)
    is_sampled = (edges_ns[1:] > sampled_ns[0]) & (edges_ns[:-1] < sampled_ns[-1])
    return [float(one) if has else None for one, has in zip(cores, is_sampled, strict=True)]


def _levels(samples: pl.DataFrame, *, start_ns: int, bin_s: float) -> tuple[LevelPoint, ...]:
    """Return the last whole sample of each bin."""
    whole = samples.filter(pl.col("queue_jobs").is_not_null())
    points = [
        LevelPoint(
            t_s=round((row["t_ns"] - start_ns) / 1e9, 3), **{name: row[name] for name in LEVELS}
        )
        for row in whole.iter_rows(named=True)
    ]
    return tuple({math.floor(point.t_s / bin_s): point for point in points}.values())


def _last_rss(samples: pl.DataFrame, *, edges_ns: np.ndarray) -> list[int | None]:
    """Return the last sample of memory before each bin's end, bytes."""
    known = samples.filter(pl.col("rss_bytes").is_not_null())
    found_bytes = known["rss_bytes"].to_list()
    places = np.searchsorted(known["t_ns"].to_numpy(), edges_ns[1:], side="right")
    return [found_bytes[place - 1] if place else None for place in places]
