"""Detects disturbances of a trial from the figures that the lab recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from collector.reasons import Code, Reason
from collector.run_manifest import Disturbance, TrialResult

#: Largest accepted change of the job cost from before a trial to after it, as a share.
CEILING_DRIFT = 0.10

#: Largest accepted share of the machine's CPU that other processes use during a trial: more could
#: change a figure by a tenth. A much smaller share can't be
#: measured in a short trial, because systems count CPU in hundredths of a second.
FOREIGN_CPU_BOUND = 0.10

#: The same for what the machine's host gave to others.
STOLEN_CPU_BOUND = 0.10

#: Largest accepted step of the wall clock: the error of a wait is then the duration of a no-op.
#: Reading two clocks is accurate to a few microseconds.
CLOCK_STEP_BOUND_S = 0.001


def disturbances(result: TrialResult) -> Iterator[Reason]:
    """Yield the reasons why a trial is unstable, with the bounds, but without its numbers.

    So several trials can share one reason. The trial itself contains the numbers.
    """
    before, after = result.cost_before.cpu_s, result.cost_after.cpu_s
    if before and after and abs(after / before - 1) > CEILING_DRIFT:
        yield Reason.of(Code.CEILING_DRIFT, bound=CEILING_DRIFT)
    found = result.disturbance
    if found is None:
        return
    foreign = (found.foreign_cpu_share or 0.0) - (found.stolen_cpu_share or 0.0)
    if foreign > FOREIGN_CPU_BOUND:
        yield Reason.of(Code.FOREIGN_CPU, bound=FOREIGN_CPU_BOUND)
    yield from _from_outside(found)


def is_disturbed_from_outside(result: TrialResult) -> bool:
    """Return whether the machine's host or the setting of its clock disturbed a trial."""
    return result.disturbance is not None and any(_from_outside(result.disturbance))


def _from_outside(found: Disturbance) -> Iterator[Reason]:
    if (found.stolen_cpu_share or 0.0) > STOLEN_CPU_BOUND:
        yield Reason.of(Code.STOLEN_CPU, bound=STOLEN_CPU_BOUND)
    if abs(found.clock_step_s) > CLOCK_STEP_BOUND_S:
        yield Reason.of(Code.CLOCK_STEP, bound_s=CLOCK_STEP_BOUND_S)
