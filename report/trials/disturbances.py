"""Detects disturbances of a trial from the figures that the lab recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from collector.reasons import Code, Reason
from collector.run_manifest import Disturbance, TrialResult

#: Largest accepted change of the job cost from before a trial to after it, as a share.
CEILING_DRIFT = 0.10

#: Share of the machine's CPU that its host may give to others in a trial: as much could move a
#: figure by a tenth.
STOLEN_CPU_BOUND = 0.10

#: Share of the machine's CPU that other processes may take in the median repetition of a row. Where
#: they take as much most of the time, contenders that use every core lose a tenth to those that use
#: one, in each repetition, and no interval shows it. In some repetitions only, it is spread, which
#: the interval contains.
FOREIGN_CPU_BOUND = 0.10

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
    yield from from_outside(result.disturbance)


def from_outside(found: Disturbance | None) -> Iterator[Reason]:
    """Yield what the machine's host or the setting of its clock did to a trial."""
    if found is None:
        return
    if (found.stolen_cpu_share or 0.0) > STOLEN_CPU_BOUND:
        yield Reason.of(Code.STOLEN_CPU, bound=STOLEN_CPU_BOUND)
    if abs(found.clock_step_s) > CLOCK_STEP_BOUND_S:
        yield Reason.of(Code.CLOCK_STEP, bound_s=CLOCK_STEP_BOUND_S)
