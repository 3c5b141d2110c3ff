"""Compares a workload's contenders in questions that can be answered honestly. Pure.

Each pair belongs to one question, and so it has one interval and one finding:

- *Against the baseline*: which contenders differ from it? Fixed before the run.
- *Who is best of the others*: is the best one ahead of each? Asked only if the first question finds
  a difference, so a run of equal contenders shows one as rarely as the first question alone.
- *Who is best at equal slots*, where the best one has more slots than the others have in common.
- *What the GIL changes*: a pool without it against the same pool with it. Fixed before the run.

Each question contains a false difference in about 5 of 100 runs at most (`benchmarks.coverage` has
the figures). Pairs that no question contains are not compared, unless all pairs are asked for, in
one question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from report.result import Decided, EqualPair
from report.rows.comparable import Entry
from report.statistics.block_model import Estimate, fit_blocks
from report.statistics.ratios import paired_ratio
from report.statistics.significance import (
    Answer,
    Pair,
    compare_all,
    compare_planned,
    compare_range,
    find_best,
    has_claim,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The comparisons of a workload's contenders."""

    #: Each pair that a question contains, once.
    decided: Mapping[Pair, Decided] = field(default_factory=dict)
    #: The estimates of the contenders that can be compared, with too few blocks or not.
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    #: Whether a contender differs from the baseline, or there is none to differ from.
    is_asked: bool = True
    #: Whether all pairs are one question.
    is_every_pair: bool = False
    #: The A/A control in this workload; None if the run has none.
    equal_pair: EqualPair | None = None

    def between(self, ours: str, *, theirs: str) -> Decided | None:
        """Return how ``ours`` compares with ``theirs``; None if no question contains them."""
        found = self.decided.get((ours, theirs))
        other_way = self.decided.get((theirs, ours))
        return found or (other_way.inverse() if other_way else None)

    def best_among(self, names: Collection[str]) -> Pairs:
        """Return these pairs with one more question: who is best of these contenders?"""
        among = [name for name in names if has_claim(self.estimates.get(name))]
        answers = find_best(self.estimates, among=among, is_asked=self.is_asked)
        found = {pair: _decided(pair, answer=answer) for pair, answer in answers.items()}
        known = {*self.decided, *(pair[::-1] for pair in self.decided)}
        new = {pair: one for pair, one in found.items() if pair not in known}
        return replace(self, decided={**self.decided, **new})


def compare_pairs(entries: Sequence[Entry], *, is_every_pair: bool = False) -> Pairs:
    """Return the comparisons of all valid ``entries`` except the A/A control.

    Pairs of contenders with fewer than `CLAIM_BLOCKS` blocks have the range of their ratios.
    """
    usable = [one for one in entries if one.is_usable and not one.control_of]
    baseline = find_baseline(usable)
    estimates = fit_blocks({one.contender: one.per_s for one in usable})
    claims = {name: one for name, one in estimates.items() if has_claim(one)}
    first = compare_planned(
        claims,
        pairs=[
            (name, baseline.contender)
            for name in claims
            if baseline and baseline.contender in claims and name != baseline.contender
        ],
    )
    is_asked = not first or any(one.decision.is_difference for one in first.values())
    if is_every_pair:
        answers = compare_all(claims)
    else:
        others = [name for name in claims if not baseline or name != baseline.contender]
        answers = first | find_best(claims, among=others, is_asked=is_asked)
        without_gil = [pair for pair in _without_gil(usable) if set(pair) <= claims.keys()]
        unknown = [pair for pair in without_gil if not {pair, pair[::-1]} & answers.keys()]
        answers |= compare_planned(claims, pairs=unknown)
    decided = {pair: _decided(pair, answer=answer) for pair, answer in answers.items()}
    for ours, theirs in combinations(usable, 2):
        pair = (ours.contender, theirs.contender)
        if not set(pair) <= claims.keys() and (
            found := compare_range(ours.per_s, theirs=theirs.per_s)
        ):
            decided[pair] = _decided(pair, answer=found)
    return Pairs(
        decided=decided,
        estimates=estimates,
        is_asked=is_asked,
        is_every_pair=is_every_pair,
        equal_pair=_equal_pair(entries),
    )


def find_baseline(usable: Sequence[Entry]) -> Entry | None:
    """Return the baseline: solo, preferably with the GIL, or else the first contender.

    It must not depend on the figures: the slowest of several equals differs from the others.
    """
    solos = [one for one in usable if one.pool == "solo"]
    return min(solos, key=lambda one: one.is_without_gil, default=next(iter(usable), None))


def _decided(pair: Pair, *, answer: Answer) -> Decided:
    ours, theirs = pair
    return Decided(contender=ours, against=theirs, ratio=answer.ratio, decision=answer.decision)


def _without_gil(usable: Iterable[Entry]) -> Iterator[Pair]:
    """Yield each contender without the GIL, and the same pool with it at the same slots."""
    entries = [*usable]
    for freed in (one for one in entries if one.is_without_gil):
        for one in entries:
            if (one.pool, one.slots, one.is_without_gil) == (freed.pool, freed.slots, False):
                yield freed.contender, one.contender


def _equal_pair(entries: Sequence[Entry]) -> EqualPair | None:
    control = next((one for one in entries if one.control_of), None)
    if control is None:
        return None
    original = next((one for one in entries if one.contender == control.control_of), None)
    is_known = original is not None and original.is_usable and control.is_usable
    ratio = paired_ratio(control.per_s, theirs=original.per_s) if original and is_known else None
    return EqualPair(contender=control.control_of, twin=control.contender, ratio=ratio)
