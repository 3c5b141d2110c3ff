"""Who did more in a workload, and by how much: the facts of a verdict, without its words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from report.result import Decided
from report.rows.comparable import Entry
from report.statistics.ratios import Ratio
from report.statistics.significance import Decision
from report.verdicts.pairwise import Pairs, compare_pairs, find_solo


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What the numbers of one workload show."""

    #: Those that can be compared, best first; never the twin.
    entries: tuple[Entry, ...]
    #: Those left out: invalid, or without a figure.
    excluded: tuple[Entry, ...]
    #: What every pair of the workload's contenders comes to.
    pairs: Pairs
    #: What every row is measured against: solo, or the slowest where solo has no valid figure.
    baseline: Entry | None
    #: Contender → its ratio to the baseline.
    to_baseline: Mapping[str, Ratio]
    #: Contender → the best one's ratio to it.
    best_to: Mapping[str, Ratio]
    #: What the best is compared with: the baseline, or the runner-up where the best *is* the
    #: baseline or there is no solo.
    against: Entry | None

    @property
    def best(self) -> Entry | None:
        """The one that did most."""
        return self.entries[0] if self.entries else None

    @property
    def ratio(self) -> Ratio | None:
        """How many times `against` the best one did."""
        return self.best_to.get(self.against.contender) if self.against else None

    @property
    def is_claim(self) -> bool:
        """Whether every comparison with the best one has blocks enough."""
        is_compared = len(self.best_to) == len(self.entries) - 1 > 0
        return is_compared and all(ratio.is_claim for ratio in self.best_to.values())

    @property
    def decision(self) -> Decision | None:
        """What that ratio shows."""
        return self.decide(self.best, theirs=self.against)

    @property
    def ties(self) -> tuple[Entry, ...]:
        """Those between whom and the best there is no difference."""
        return tuple(
            entry
            for entry in self.entries[1:]
            if (found := self.decide(self.best, theirs=entry)) and found.is_no_difference
        )

    @property
    def smallest_difference(self) -> float | None:
        """The largest of what the comparisons that a verdict names could see; None if no claim."""
        named = [self.decision, *(self.decide(self.best, theirs=entry) for entry in self.ties)]
        known = [found.detectable for found in named if found and self.is_claim]
        return max((share for share in known if share is not None), default=None)

    def compare(self, ours: Entry | None, *, theirs: Entry | None) -> Decided | None:
        """Return how one contender compares with another; None if they were not compared."""
        if ours is None or theirs is None:
            return None
        return self.pairs.between(ours.contender, theirs=theirs.contender)

    def decide(self, ours: Entry | None, *, theirs: Entry | None) -> Decision | None:
        """Return what that comparison shows."""
        found = self.compare(ours, theirs=theirs)
        return found.decision if found else None


def rank(entries: Sequence[Entry], *, pairs: Pairs | None = None) -> Ranking:
    """Return who leads among ``entries``; invalid ones never do, and neither does a twin.

    ``pairs`` are those of the whole workload, where ``entries`` are a part of it.
    """
    pairs = pairs or compare_pairs(entries)
    originals = [entry for entry in entries if not entry.twin_of]
    ordered = _ordered([entry for entry in originals if entry.is_usable])
    baseline = find_solo(ordered) or (ordered[-1] if ordered else None)
    to_baseline = [
        pairs.between(entry.contender, theirs=baseline.contender)
        for entry in ordered
        if baseline and entry is not baseline
    ]
    best_to = [pairs.between(ordered[0].contender, theirs=other.contender) for other in ordered[1:]]
    return Ranking(
        entries=tuple(ordered),
        excluded=tuple(entry for entry in originals if not entry.is_usable),
        pairs=pairs,
        baseline=baseline,
        to_baseline={one.contender: one.ratio for one in to_baseline if one},
        best_to={one.against: one.ratio for one in best_to if one},
        against=_against(ordered, baseline=baseline),
    )


def _ordered(usable: Sequence[Entry]) -> list[Entry]:
    """Sort by the mean logarithm over the blocks that all share, so that pairs agree with it."""
    shared = set.intersection(*(set(entry.per_s) for entry in usable)) if usable else set()

    def key(entry: Entry) -> tuple[float, str]:
        blocks = sorted(shared or entry.per_s)
        return -statistics.fmean(math.log(entry.per_s[block]) for block in blocks), entry.contender

    return sorted(usable, key=key)


def _against(ordered: Sequence[Entry], *, baseline: Entry | None) -> Entry | None:
    if len(ordered) < 2 or baseline is None:
        return None
    is_solo_beaten = baseline.pool == "solo" and baseline is not ordered[0]
    return baseline if is_solo_beaten else ordered[1]
