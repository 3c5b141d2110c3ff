"""What the limits of a contender did to its workers, over the trials of a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.run_manifest import Contender, LimitUse


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedTrial:
    """What the limits did in one trial."""

    use: LimitUse
    #: Duration of the trial, seconds; None if it was interrupted.
    duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimits:
    """The limits of a contender's workers and their effects; None without that limit."""

    #: CPU quota, cores.
    cpus: float | None = None
    memory_bytes: int | None = None
    #: Share of the quota's periods in which it stopped the workers, of all trials together.
    throttled_share: float | None = None
    #: Cores that stood still because of the quota, on average over all trials together.
    throttled_cores: float | None = None
    #: Largest use of memory since the workers started, with cached files.
    memory_peak_bytes: int | None = None
    #: Processes that the kernel killed at the memory limit, in all trials.
    oom_kills: int | None = None


def row_limits(contender: Contender, *, trials: Iterable[LimitedTrial]) -> RowLimits | None:
    """Return a contender's limits with their effects in some trials; None without limits."""
    if contender.cpus is None and contender.memory_bytes is None:
        return None
    found = list(trials)
    uses = [trial.use for trial in found]
    periods = sum(use.periods or 0 for use in uses)
    timed = [one for one in found if one.use.throttled_s is not None and one.duration_s]
    duration_s = sum(one.duration_s or 0.0 for one in timed)
    stopped_s = sum(one.use.throttled_s or 0.0 for one in timed)
    kills = [use.oom_kills for use in uses if use.oom_kills is not None]
    return RowLimits(
        cpus=contender.cpus,
        memory_bytes=contender.memory_bytes,
        throttled_share=sum(use.throttled_periods or 0 for use in uses) / periods
        if periods
        else None,
        throttled_cores=stopped_s / duration_s if duration_s else None,
        memory_peak_bytes=max(
            (use.memory_peak_bytes for use in uses if use.memory_peak_bytes), default=None
        ),
        oom_kills=sum(kills) if kills else None,
    )
