"""Measures a trial's levels over time: messages, jobs in workers, connections, memory. Pure.

A level is a number at one instant. The lab samples levels each second of a trial at a rate, and of
a backlog whose jobs have options, and once with no job left before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from collector.reasons import Code, Reason
from report.statistics.differences import Change, slope

#: Column of the samples → its name in texts.
LEVELS: Mapping[str, str] = {
    "prefetch_count": "the prefetch count",
    "queue_jobs": "the number of messages in the queue",
    "unacked_jobs": "the number of unacknowledged messages",
    "reserved_jobs": "the number of reserved jobs",
    "running_jobs": "the number of running jobs",
    "countdown_jobs": "the number of waiting countdowns",
    "connections": "the number of connections",
    "pss_bytes": "PSS",
}

#: Levels that grow with a worker's first jobs, and are not expected to return.
_MAY_STAY = ("connections", "pss_bytes")

#: Least number of countdowns waiting at once for a figure of memory.
LEAST_COUNTDOWNS = 100

#: Share of the most countdowns waiting at once, from which a sample counts as one with the most.
_NEAR_MOST = 0.9

#: Least number of samples for the memory that jobs leave. The first third of a trial's samples is
#: not among them: a worker's memory grows with its first jobs.
LEAST_SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level in one trial: before the first job, the largest, and when no job is left."""

    start: float
    peak: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLevels:
    """The levels of one trial by column, and its memory, bytes; empty without whole samples."""

    by_name: Mapping[str, Level] = field(default_factory=dict)
    bytes_per_countdown: float | None = None
    bytes_per_job: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """A level over the repetitions: medians, and the drift from before the jobs to after them."""

    start: float
    peak: float
    end: float
    drift: Change

    @property
    def is_drift(self) -> bool:
        """Whether it did not return, as a statistical claim."""
        return self.drift.is_claim and self.drift.has_sign


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """The levels of a row by the column of the samples, and its memory by slopes."""

    levels: Mapping[str, LevelChange]
    #: Growth of PSS per waiting countdown, and per job done in a trial's last two thirds, bytes.
    bytes_per_countdown: Change | None = None
    bytes_per_job: Change | None = None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The findings, as notes: a prefetch count that moved, drifts, and memory."""
        return tuple(self._reasons())

    def _reasons(self) -> Iterator[Reason]:
        for name, level in self.levels.items():
            has_moved = name == "prefetch_count" and level.peak > level.start
            if not (has_moved or (level.is_drift and name not in _MAY_STAY)):
                continue
            yield Reason.of(
                Code.LEVEL_DRIFTED if level.drift.has_sign else Code.LEVEL_RETURNED,
                level=LEVELS[name],
                start=level.start,
                peak=level.peak,
                end=level.end,
                drift=level.drift.median,
                low=level.drift.low,
                high=level.drift.high,
                blocks=level.drift.blocks,
                caveat=_caveat(level.drift),
            )
        if self.bytes_per_countdown:
            yield Reason.of(
                Code.COUNTDOWN_MEMORY,
                countdowns=round(self.levels["countdown_jobs"].peak),
                **_memory(self.bytes_per_countdown),
            )
        if self.bytes_per_job and self.bytes_per_job.is_claim and self.bytes_per_job.low > 0:
            yield Reason.of(Code.JOB_MEMORY, **_memory(self.bytes_per_job))


def measure_levels(samples: pl.DataFrame, *, records: pl.DataFrame) -> TrialLevels:
    """Return the levels of one trial, and what countdowns and jobs add to the worker's memory.

    Args:
        samples: those of its worker, in order of ``t_ns``.
        records: its records; ``finished_ns`` is read.
    """
    if samples["queue_jobs"].null_count() == samples.height:
        return TrialLevels()
    whole = samples.filter(pl.col("queue_jobs").is_not_null())
    return TrialLevels(
        by_name=dict(_levels(samples)),
        bytes_per_countdown=_bytes_per_countdown(whole),
        bytes_per_job=_bytes_per_job(whole, finished_ns=records["finished_ns"]),
    )


def over_time(trials: Sequence[TrialLevels]) -> OverTime | None:
    """Return the levels of a row's repetitions together; None if no trial has any."""
    levels = {}
    for name in LEVELS:
        found = [trial.by_name[name] for trial in trials if name in trial.by_name]
        drift = Change.of([level.end - level.start for level in found])
        if drift:
            levels[name] = LevelChange(
                start=float(np.median([level.start for level in found])),
                peak=float(np.median([level.peak for level in found])),
                end=float(np.median([level.end for level in found])),
                drift=drift,
            )
    per_countdown, per_job = (
        Change.of([value for one in trials if (value := getattr(one, name)) is not None])
        for name in ("bytes_per_countdown", "bytes_per_job")
    )
    if not levels and per_job is None:
        return None
    return OverTime(
        levels=levels,
        bytes_per_countdown=per_countdown if "countdown_jobs" in levels else None,
        bytes_per_job=per_job,
    )


def _levels(samples: pl.DataFrame) -> Iterator[tuple[str, Level]]:
    """Yield the levels that the first sample and the one after the trial have."""
    first, last = samples.head(1), samples.tail(1)
    if not last["is_after"].item():
        return
    for name in LEVELS:
        start, end = first[name].item(), last[name].item()
        if start is not None and end is not None:
            yield name, Level(start=start, peak=_most(samples[name]), end=end)


def _bytes_per_countdown(whole: pl.DataFrame) -> float | None:
    """Return PSS with the most countdowns, minus that before the first job, per countdown.

    Between the two, memory and countdowns are not counted at the same instant; and memory that was
    freed stays with the process, so that no line fits the samples after the most.
    """
    known = whole.drop_nulls(["countdown_jobs", "pss_bytes"])
    if known.is_empty() or known["countdown_jobs"][0]:
        return None
    most = _most(known["countdown_jobs"])
    if most < LEAST_COUNTDOWNS:
        return None
    near = known.filter(pl.col("countdown_jobs") >= _NEAR_MOST * most)
    grown = np.median(near["pss_bytes"].to_numpy()) - known["pss_bytes"][0]
    return float(grown / np.median(near["countdown_jobs"].to_numpy()))


def _bytes_per_job(whole: pl.DataFrame, *, finished_ns: pl.Series) -> float | None:
    """Return the slope of PSS over the jobs finished; None with countdowns or few samples."""
    known = whole.filter(~pl.col("is_after")).drop_nulls("pss_bytes")
    known = known.slice(known.height // 3)
    if known.height < LEAST_SAMPLES or _most(known["countdown_jobs"]):
        return None
    ends_ns = np.sort(finished_ns.drop_nulls().to_numpy())
    done = np.searchsorted(ends_ns, known["t_ns"].to_numpy())
    return slope(done.tolist(), y=known["pss_bytes"].to_list())


def _most(level: pl.Series) -> int:
    """Return the largest value; 0 without any."""
    most = level.max()
    return most if isinstance(most, int) else 0


def _memory(change: Change) -> dict[str, float | int | str]:
    return {
        "bytes": change.median,
        "low_bytes": change.low,
        "high_bytes": change.high,
        "blocks": change.blocks,
        "caveat": _caveat(change),
    }


def _caveat(change: Change) -> str:
    return "" if change.is_claim else ", too few for a claim"
