"""What makes a trial unstable, judged from the numbers that the lab recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.reasons import Code, Reason, reason

#: The ceiling before and after a trial may differ by this share.
CEILING_DRIFT = 0.10

#: Share of the machine's CPU that others may take in a trial: as much could move a figure by as
#: much as the spread from which on a row is unstable. Far below it, a short trial can't tell:
#: systems count CPU in hundredths of a second.
FOREIGN_CPU_BOUND = 0.10

#: From this step of the wall clock on, a job's wait is wrong by as much as a no-op takes. Reading
#: two clocks is good to some microseconds.
CLOCK_STEP_BOUND_S = 0.001


def doubts(plan: Mapping[str, Any]) -> list[Reason]:
    """Return what makes a trial of the manifest unstable, with the bounds and without its numbers.

    So the same reason of several trials is one line; the numbers stand with the trial.
    """
    return [*_ceiling(plan), *_neighbours(plan), *_clock(plan)]


def _ceiling(plan: Mapping[str, Any]) -> Iterator[Reason]:
    before, after = plan.get("cpu_s_per_job_before"), plan.get("cpu_s_per_job_after")
    if before and after and abs(after / before - 1) > CEILING_DRIFT:
        yield reason(Code.CEILING_DRIFT, bound=CEILING_DRIFT)


def _neighbours(plan: Mapping[str, Any]) -> Iterator[Reason]:
    foreign, stolen = plan.get("foreign_cpu_share"), plan.get("stolen_cpu_share") or 0.0
    if foreign is None or foreign <= FOREIGN_CPU_BOUND:
        return
    code = Code.STOLEN_CPU if stolen > foreign / 2 else Code.FOREIGN_CPU
    yield reason(code, bound=FOREIGN_CPU_BOUND)


def _clock(plan: Mapping[str, Any]) -> Iterator[Reason]:
    if abs(plan.get("clock_step_s") or 0.0) > CLOCK_STEP_BOUND_S:
        yield reason(Code.CLOCK_STEP, bound_s=CLOCK_STEP_BOUND_S)
