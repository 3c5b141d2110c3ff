"""What makes a trial less sure, judged from the numbers that the lab wrote down of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from collector.run_manifest import Disturbance, TrialResult
from report import format as fmt

#: The ceiling before and after a trial may differ by this share.
CEILING_DRIFT = 0.10

#: Share of the machine's CPU that others may take in a trial: as much could move a figure by as
#: much as the spread from which on a row is unstable. Far below it, a short trial can't tell:
#: systems count CPU in hundredths of a second.
FOREIGN_CPU_BOUND = 0.10

#: From this step of the wall clock on, a job's wait is wrong by as much as a no-op takes. Reading
#: two clocks is good to some microseconds.
CLOCK_STEP_BOUND_S = 0.001


def doubts(result: TrialResult) -> list[str]:
    """Return what makes a trial doubtful, in words without its numbers.

    So that the same doubt of several trials is one line: the numbers stand with the trial.
    """
    return [
        *_ceiling(result.cost_before.cpu_s, after=result.cost_after.cpu_s),
        *(_machine(result.disturbance) if result.disturbance else ()),
    ]


def _ceiling(before: float | None, *, after: float | None) -> Iterator[str]:
    if before and after and abs(after / before - 1) > CEILING_DRIFT:
        bound = fmt.percent(CEILING_DRIFT)
        yield (
            f"the same work, without Celery, cost over {bound} more or less CPU after the trial "
            "than before"
        )


def _machine(found: Disturbance) -> Iterator[str]:
    foreign, stolen = found.foreign_cpu_share or 0.0, found.stolen_cpu_share or 0.0
    if foreign > FOREIGN_CPU_BOUND:
        bound = fmt.percent(FOREIGN_CPU_BOUND)
        if stolen > foreign / 2:
            yield f"the machine's host gave over {bound} of its CPU to others (steal)"
        else:
            yield f"other processes took over {bound} of the machine's CPU"
    if abs(found.clock_step_s) > CLOCK_STEP_BOUND_S:
        yield f"the clock was set by over {fmt.duration(CLOCK_STEP_BOUND_S)}"
