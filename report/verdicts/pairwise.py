"""Compares every pair of a workload's contenders in two families. Pure.

The figures that decide a comparison also select the pair in the headline: of seven equal
contenders, it compares the luckiest with the unluckiest. So a verdict is corrected for every pair
that could be shown, not only for those that are.

The first family compares each contender with solo. The second family, all other pairs, counts only
if the first one contains a difference. So a run of equal contenders shows a difference as rarely as
the first family alone, whose correction doesn't depend on the second. If some contenders differ,
each family contains a false difference in at most 5 of 100 runs. Without solo, no baseline is known
beforehand, and all pairs are one family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from report.result import Decided, EqualPair
from report.rows.comparable import Entry
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import Decision, Finding, Why, decide

#: Two contenders, the first over the second.
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The comparisons of all pairs of contenders."""

    #: Each pair once, in the order of the entries.
    decided: Mapping[Pair, Decided] = field(default_factory=dict)
    #: The A/A control in this workload; None if the run has none.
    equal_pair: EqualPair | None = None

    def between(self, ours: str, *, theirs: str) -> Decided | None:
        """Return how ``ours`` compares with ``theirs``; None if they have no block in common."""
        found = self.decided.get((ours, theirs))
        other_way = self.decided.get((theirs, ours))
        return found or (other_way.inverse() if other_way else None)


def compare_pairs(entries: Sequence[Entry]) -> Pairs:
    """Return the comparisons of all valid ``entries`` except the A/A control.

    Without an A/A control, or if it has too few blocks, there is no noise floor: then only the
    interval and the correction decide.
    """
    usable = [one for one in entries if one.is_usable and not one.control_of]
    ratios = {
        (ours.contender, theirs.contender): ratio
        for ours, theirs in combinations(usable, 2)
        if (ratio := paired_ratio(ours.per_s, theirs=theirs.per_s))
    }
    equal_pair = _equal_pair(entries)
    floor = equal_pair.noise_floor if equal_pair else None
    solo = find_solo(usable)
    decisions = _decide(ratios, solo=solo.contender if solo else "", noise_floor=floor or 0.0)
    decided = {
        (ours, theirs): Decided(
            contender=ours, against=theirs, ratio=ratio, decision=decisions[ours, theirs]
        )
        for (ours, theirs), ratio in ratios.items()
    }
    return Pairs(decided=decided, equal_pair=equal_pair)


def find_solo(usable: Sequence[Entry]) -> Entry | None:
    """Return the solo contender, preferably the one with the GIL; None if there is none."""
    solos = [one for one in usable if one.pool == "solo"]
    return min(solos, key=lambda one: one.is_without_gil, default=None)


def _decide(ratios: Mapping[Pair, Ratio], *, solo: str, noise_floor: float) -> dict[Pair, Decision]:
    with_solo = {pair: ratio for pair, ratio in ratios.items() if solo in pair}
    without_solo = {pair: ratio for pair, ratio in ratios.items() if solo not in pair}
    first = decide(with_solo, noise_floor=noise_floor)
    second = decide(without_solo, noise_floor=noise_floor)
    if first and not any(decision.is_difference for decision in first.values()):
        second = {pair: _unasked(decision) for pair, decision in second.items()}
    return first | second


def _unasked(decision: Decision) -> Decision:
    if not decision.is_difference:
        return decision
    return replace(decision, finding=Finding.NO_DIFFERENCE, why=Why.UNASKED)


def _equal_pair(entries: Sequence[Entry]) -> EqualPair | None:
    control = next((one for one in entries if one.control_of), None)
    if control is None:
        return None
    original = next((one for one in entries if one.contender == control.control_of), None)
    is_known = original is not None and original.is_usable and control.is_usable
    ratio = paired_ratio(control.per_s, theirs=original.per_s) if original and is_known else None
    return EqualPair(contender=control.control_of, twin=control.contender, ratio=ratio)
