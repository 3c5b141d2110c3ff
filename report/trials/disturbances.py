"""What makes a trial unstable, judged from the numbers that the lab recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from collector.reasons import Code, Reason
from collector.run_manifest import TrialResult

#: The ceiling before and after a trial may differ by this share.
CEILING_DRIFT = 0.10

#: Share of the machine's CPU that others may take in a trial: as much could move a figure by as
#: much as the spread from which on a row is unstable. Far below it, a short trial shows nothing:
#: systems count CPU in hundredths of a second.
FOREIGN_CPU_BOUND = 0.10

#: From this step of the wall clock on, a job's wait is wrong by as much as a no-op takes. Reading
#: two clocks is good to some microseconds.
CLOCK_STEP_BOUND_S = 0.001


def doubts(result: TrialResult) -> Iterator[Reason]:
    """Yield what makes a trial unstable, with the bounds and without its numbers.

    So the same reason of several trials is one line; the numbers are with the trial.
    """
    before, after = result.cost_before.cpu_s, result.cost_after.cpu_s
    if before and after and abs(after / before - 1) > CEILING_DRIFT:
        yield Reason.of(Code.CEILING_DRIFT, bound=CEILING_DRIFT)
    found = result.disturbance
    if found is None:
        return
    foreign, stolen = found.foreign_cpu_share or 0.0, found.stolen_cpu_share or 0.0
    if foreign > FOREIGN_CPU_BOUND:
        code = Code.STOLEN_CPU if stolen > foreign / 2 else Code.FOREIGN_CPU
        yield Reason.of(code, bound=FOREIGN_CPU_BOUND)
    if abs(found.clock_step_s) > CLOCK_STEP_BOUND_S:
        yield Reason.of(Code.CLOCK_STEP, bound_s=CLOCK_STEP_BOUND_S)
