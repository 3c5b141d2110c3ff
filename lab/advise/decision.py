"""Decides what to advise from what was measured: change, stay, or abstain. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.advise.model import Limits, Setting
from report import format as fmt
from report.statistics.ratios import Median, Ratio

#: A setting that does at most this much more than today's is no reason for a change.
LITTLE_MORE = 0.05


class Outcome(StrEnum):
    """What the advice is."""

    #: Another setting is better.
    CHANGE = "change"
    #: Today's setting is as good as any other that was measured.
    STAY = "stay"
    #: No setting met the SLO within the limits.
    NONE = "none meets the SLO"
    #: The evidence carries no advice.
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one setting is expected to do: medians of the repetitions, with their range."""

    setting: Setting
    #: p95 of the wait at the recorded rate, seconds; None if it has none.
    wait_s: Median | None
    #: Whether it met the SLO at the recorded rate; None if the repetitions don't agree.
    is_met: bool | None
    #: Throughput at the limit, jobs per second.
    per_s: Median | None
    #: Throughput ÷ that of today's setting, over the common repetitions; None for today's.
    ratio: Ratio | None = None
    #: Memory and connections as recorded, for its processes and slots; None if unknown.
    memory_bytes: Median | None = None
    connections: Median | None = None
    #: Names of what the app relies on and this pool doesn't do, used or not.
    lost: tuple[str, ...] = ()
    #: Why its figures are invalid, as text; empty if they are valid.
    faults: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether it can be compared."""
        return not self.faults and self.wait_s is not None and self.per_s is not None

    def is_within(self, limits: Limits) -> bool:
        """Return whether it keeps the owner's limits, as far as they are known."""
        memory, many = self.memory_bytes, self.connections
        return (
            limits.memory_bytes is None or memory is None or memory.median <= limits.memory_bytes
        ) and (limits.connections is None or many is None or many.median <= limits.connections)

    @property
    def is_like_today(self) -> bool:
        """Whether its throughput doesn't differ from today's, or hardly."""
        ratio = self.ratio
        return ratio is None or ratio.low <= 1 + LITTLE_MORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The advice, and why."""

    outcome: Outcome
    #: The advised setting; today's to stay; the nearest if none meets the SLO; None to abstain.
    advised: Expected | None
    #: The reasons in whole sentences, the first decides.
    reasons: tuple[str, ...] = ()
    #: The settings that are about as good, the preferred first; with advice only.
    equals: tuple[Expected, ...] = ()


def decide(today: Expected, *, others: Sequence[Expected], limits: Limits) -> Decision:
    """Return the advice on what was measured at one assumption about the GIL.

    Of the settings that met the SLO within the limits, the one with the highest throughput at the
    limit is best. Of those that did hardly less, the one that loses least of what the app relies
    on, and then that of the least memory.
    """
    valid = [one for one in (today, *others) if one.is_valid]
    if not today.is_valid:
        why = f"Today's setting, {today.setting.name}, could not be measured"
        return _abstain(f"{why}: {'; '.join(today.faults) or 'it has no figures'}.")
    if len(valid) == 1:
        return _abstain("None of the candidates could be measured.")
    meeting = [one for one in valid if one.is_met is not False and one.is_within(limits)]
    if not meeting:
        return Decision(outcome=Outcome.NONE, advised=_nearest(valid, limits=limits))
    equals = _equals(meeting)
    best = equals[0]
    if best is today:
        reason = "No candidate did more."
        return Decision(outcome=Outcome.STAY, advised=today, reasons=(reason,), equals=equals)
    if today in meeting and best.is_like_today:
        return Decision(
            outcome=Outcome.STAY,
            advised=today,
            reasons=(_hardly_more(best),),
            equals=(today, *(one for one in equals if one is not today)),
        )
    reasons: list[str] = []
    if today.is_met is False:
        reasons.append("Today's setting missed the SLO at the recorded pace.")
    elif not today.is_within(limits):
        reasons.append("Today's setting exceeds the limits.")
    return Decision(outcome=Outcome.CHANGE, advised=best, reasons=tuple(reasons), equals=equals)


def agree(held: Decision, *, released: Decision, today: Setting) -> Decision:
    """Return the advice that holds under both assumptions about the GIL; otherwise abstain.

    It is a setting that is among the best under both, today's if possible.
    """
    for one in (held, released):
        if one.outcome is Outcome.ABSTAIN:
            return one
    if held.outcome is released.outcome is Outcome.NONE:
        return held
    # the case in which there is more to gain has the figures
    first, second = (released, held) if held.outcome is Outcome.STAY else (held, released)
    allowed = {one.setting for one in second.equals}
    common = [one for one in first.equals if one.setting in allowed]
    kept = next((one for one in common if one.setting == today), None)
    if kept:
        return replace(second, outcome=Outcome.STAY, advised=kept)
    if common and first.outcome is second.outcome:
        return replace(first, advised=common[0])
    if common:
        reason = "It does more under one assumption about the GIL, and as much under the other."
        return replace(first, advised=common[0], reasons=(reason,))
    names = [_named(one) for one in (held, released)]
    return _abstain(
        f"If the computing holds the GIL, {names[0]}; if it releases it, {names[1]}. "
        "The recording doesn't show which. Record again with poolbench record --gil-probe."
    )


def _named(decision: Decision) -> str:
    if decision.outcome is Outcome.NONE or decision.advised is None:
        return "no setting meets the SLO"
    return f"{decision.advised.setting.name} is best"


def _equals(meeting: Sequence[Expected]) -> tuple[Expected, ...]:
    """Return the settings with about the highest throughput, the preferred first."""
    top = max(_per_s(one) for one in meeting)
    near = [one for one in meeting if _per_s(one) >= top * (1 - LITTLE_MORE)]
    return tuple(sorted(near, key=_cost))


def _cost(one: Expected) -> tuple[int, float, float]:
    memory = one.memory_bytes.median if one.memory_bytes else one.setting.processes
    return len(one.lost), memory, -_per_s(one)


def _per_s(one: Expected) -> float:
    return one.per_s.median if one.per_s else 0.0


def _nearest(valid: Sequence[Expected], *, limits: Limits) -> Expected:
    """Return the setting with the shortest wait, if possible of those within the limits."""
    within = [one for one in valid if one.is_within(limits)] or valid
    return min(within, key=lambda one: one.wait_s.median if one.wait_s else float("inf"))


def _hardly_more(best: Expected) -> str:
    ratio = best.ratio
    if ratio is None:
        return f"{best.setting.name} was not compared."
    times = fmt.times_range(ratio.low, high=ratio.high)
    did = f"{best.setting.name} did {times} as much at the limit"
    return f"{did}: no difference that is worth a change."


def _abstain(reason: str) -> Decision:
    return Decision(outcome=Outcome.ABSTAIN, advised=None, reasons=(reason,))
