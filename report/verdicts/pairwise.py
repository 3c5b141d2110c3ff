"""Compares every pair of a workload's contenders, and judges them in two families. Pure.

Which pair becomes the headline is decided by the same figures that judge it: of seven equals, the
luckiest is compared with the unluckiest. So a verdict is corrected for every pair that could have
been shown, and not for those alone that are.

Asked first is what differs from solo: so many comparisons as there are other contenders. Only where
one does are the others compared with each other. So a run of equals shows a difference as rarely as
the first family does, and the first question doesn't pay for the second; where some do differ, each
of both is wrong in 5 of 100 runs at most. Without solo, nobody knew beforehand whom the others
would be compared with, and all pairs are one family.
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
    """What every pair of contenders comes to."""

    #: Each pair once, in the order of the entries.
    decided: Mapping[Pair, Decided] = field(default_factory=dict)
    #: The run's twin in this workload; None if it has none.
    equal_pair: EqualPair | None = None

    def between(self, ours: str, *, theirs: str) -> Decided | None:
        """Return how ``ours`` compares with ``theirs``; None if they have no block in common."""
        found = self.decided.get((ours, theirs))
        other_way = self.decided.get((theirs, ours))
        return found or (other_way.inverse() if other_way else None)


def compare_pairs(entries: Sequence[Entry]) -> Pairs:
    """Return every comparison among the valid ones of ``entries``, the twin apart.

    Without a twin, or with one that has too few blocks, there is no noise floor: then the interval
    and the correction decide alone.
    """
    usable = [one for one in entries if one.is_usable and not one.twin_of]
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
    """Return the contender of one slot that others are compared with, with the GIL if there is."""
    solos = sorted((one for one in usable if one.pool == "solo"), key=lambda one: one.is_freed)
    return next(iter(solos), None)


def _decide(ratios: Mapping[Pair, Ratio], *, solo: str, noise_floor: float) -> dict[Pair, Decision]:
    first = {pair: ratio for pair, ratio in ratios.items() if solo in pair}
    others = {pair: ratio for pair, ratio in ratios.items() if solo not in pair}
    asked = decide(first, noise_floor=noise_floor)
    beside = decide(others, noise_floor=noise_floor)
    if first and not any(decision.is_difference for decision in asked.values()):
        beside = {pair: _unasked(decision) for pair, decision in beside.items()}
    return asked | beside


def _unasked(decision: Decision) -> Decision:
    if not decision.is_difference:
        return decision
    return replace(decision, finding=Finding.NO_DIFFERENCE, why=Why.UNASKED)


def _equal_pair(entries: Sequence[Entry]) -> EqualPair | None:
    twin = next((one for one in entries if one.twin_of), None)
    if twin is None:
        return None
    original = next((one for one in entries if one.contender == twin.twin_of), None)
    is_known = original is not None and original.is_usable and twin.is_usable
    ratio = paired_ratio(twin.per_s, theirs=original.per_s) if original and is_known else None
    return EqualPair(contender=twin.twin_of, twin=twin.contender, ratio=ratio)
