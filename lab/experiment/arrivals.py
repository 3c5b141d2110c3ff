"""How the jobs of a trial come: drawn beforehand, from the run's seed, the same for all contenders.

Pure. A draw knows the seed, the block and the workload, and never the contender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from producer.arrivals import Schedule, read_schedule

#: What can be measured of a workload.
MEASURES = ("capacity", "rate", "sustain", "curve")

#: How jobs may come where the rate is what is looked for; the first unless the file says.
SEARCH_ARRIVALS = ("poisson", "constant")

#: Shares of the sustained rate at which a curve measures latency. The last lies beyond it, to show
#: what then happens; below 80 % little does.
CURVE_SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.05)

#: A trial at a rate that was looked for has so many jobs at the least: of fewer, one burst decides,
#: and the p95 of fewer than 59 says little (`report.statistics.percentiles`).
MIN_JOBS = 100

#: It lasts no longer than so many times ``trial_s`` for that.
MAX_STRETCH = 3.0

#: No trial has more jobs, whatever a rate comes to: their due times go to the sender as a line.
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
    #: Which step of a search it is, from 0; None elsewhere.
    step: int | None = None
    #: Of a point of a curve: its rate as a share of the sustained one.
    share: float | None = None

    @property
    def patience_jobs(self) -> int | None:
        """How many jobs may be under way before a search's step is given up: half of all.

        A backlog of half of what came is one that grows, so that the rest would change nothing.
        None where nothing is looked for.
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
    """Return a load at a rate that was looked for, for about ``trial_s``.

    The draw is stretched so that its mean rate is just the rate: of a Poisson process with n jobs
    the times lie as at random in any span, while n in a given span would miss its mean by 10 % at
    100 jobs, and a search to within 5 % would find its own draw. At another rate it is the same
    draw, faster or slower.
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


def paced_count(rate_per_s: float, *, trial_s: float) -> int:
    """Return how many jobs a trial at a rate has."""
    wanted = max(rate_per_s * trial_s, min(MIN_JOBS, rate_per_s * trial_s * MAX_STRETCH))
    return max(2, min(MAX_JOBS, round(wanted)))
