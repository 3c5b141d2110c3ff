"""Draws the due times of a trial's jobs before it starts, the same for all contenders.

Pure. A draw depends on the seed, the block and the workload, and never on the contender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lab.replay.replay import Replay
from producer.arrivals import Recorded, Schedule, read_schedule

#: What can be measured of a workload.
MEASURES = ("capacity", "rate", "sustain", "curve", "start", "idle", "ping")

#: Arrival patterns of a workload whose rate is searched for; the first is the default.
SEARCH_ARRIVALS = ("poisson", "constant")

#: Shares of the sustained rate at which a curve measures latency. The last exceeds it, to show the
#: latency under overload; below 80 % latency changes little.
CURVE_SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.05)

#: Fewest jobs of a trial of a search or curve. With fewer, one burst could decide the result, and
#: the p95 of fewer than 59 jobs has no bound (`report.statistics.percentiles`).
MIN_JOBS = 100

#: Longest that such a trial becomes to reach `MIN_JOBS`, as a multiple of ``trial_s``.
MAX_STRETCH = 3.0

#: Most jobs of a trial at any rate: their due times are sent to the sender as one line.
MAX_JOBS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The jobs of one open-loop trial: when each is due, and why at that rate."""

    #: As in the manifest: `producer.arrivals.Schedule`.
    schedule: Schedule
    #: When each job is due, seconds from the start, sorted.
    offsets_s: Sequence[float]
    #: One of `MEASURES`, without capacity.
    measure: str = "rate"
    #: Index of the step of a search, from 0; None elsewhere.
    step: int | None = None
    #: For a point of a curve: its rate as a share of the sustained rate.
    share: float | None = None

    @property
    def max_in_flight_jobs(self) -> int | None:
        """Return the jobs in flight above which a step of a search stops: half of all its jobs.

        Such a backlog is growing, so that the remaining jobs would not change the result. None
        if the trial is not a step of a search.
        """
        return max(MIN_JOBS, len(self.offsets_s) // 2) if self.step is not None else None


def draw_seed(seed: int, *, block: int, workload: str) -> int:
    """Return the seed of a workload's draws in a block, the same for every contender."""
    digest = hashlib.sha256(f"{seed}:{block}:{workload}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def paced_load(
    how: str,
    *,
    rate_per_s: float,
    trial_s: float,
    seed: int,
    measure: str,
    step: int | None = None,
    share: float | None = None,
) -> Load:
    """Return the load of a search's step or of a curve's point, for about ``trial_s``.

    The drawn times are scaled so that the mean rate of the load equals ``rate_per_s``. They remain
    a Poisson process, given its number of jobs. Without scaling, the mean rate of 100 jobs would
    deviate by 10 %, more than the 5 % to which a search determines a rate. Loads at two rates are
    the same draw, scaled differently.
    """
    count = paced_count(rate_per_s, trial_s=trial_s)
    schedule = read_schedule({"how": how, "count": count, "rate_per_s": rate_per_s})
    drawn = schedule.draw(seed)
    pace_s = (count - 1) / rate_per_s / drawn[-1] if count > 1 else 1.0
    return Load(
        schedule=schedule,
        offsets_s=[at * pace_s for at in drawn],
        measure=measure,
        step=step,
        share=share,
    )


def replayed_load(
    replay: Replay,
    *,
    rate_per_s: float | None = None,
    trial_s: float = 0.0,
    measure: str = "rate",
    step: int | None = None,
    share: float | None = None,
) -> Load:
    """Return the load of a recording: as recorded and whole, or for about ``trial_s`` at a rate."""
    offsets_s: Sequence[float] = replay.offsets_s
    if rate_per_s is not None:
        count = paced_count(rate_per_s, trial_s=trial_s)
        offsets_s = replay.due_s(count=count, rate_per_s=rate_per_s)
    return Load(
        schedule=read_schedule(
            {
                "how": Recorded.how,
                "count": len(offsets_s),
                "rate_per_s": rate_per_s or replay.rate_per_s,
            }
        ),
        offsets_s=offsets_s,
        measure=measure,
        step=step,
        share=share,
    )


def paced_count(rate_per_s: float, *, trial_s: float) -> int:
    """Return the number of jobs of a trial at a rate, between 2 and `MAX_JOBS`."""
    wanted = max(rate_per_s * trial_s, min(MIN_JOBS, rate_per_s * trial_s * MAX_STRETCH))
    return max(2, min(MAX_JOBS, round(wanted)))
