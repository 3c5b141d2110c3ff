"""Ranks the contenders of a workload: the facts of a verdict, without its text."""

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
    """The contenders of one workload, best first, and their comparisons."""

    #: Contenders that can be compared, best first, without the A/A control.
    entries: tuple[Entry, ...]
    #: Contenders that are invalid or have no figure.
    excluded: tuple[Entry, ...]
    #: The comparisons of all pairs of the workload's contenders.
    pairs: Pairs
    #: The baseline of all rows: solo, or the slowest contender if solo has no valid figure.
    baseline: Entry | None
    #: Contender → its ratio to the baseline.
    to_baseline: Mapping[str, Ratio]
    #: Contender → ratio of the best contender to it.
    best_to: Mapping[str, Ratio]
    #: The contender that the best is compared with: the baseline; or the runner-up if the best *is*
    #: the baseline or there is no solo.
    against: Entry | None

    @property
    def best(self) -> Entry | None:
        """The contender with the largest figure; None without entries."""
        return self.entries[0] if self.entries else None

    @property
    def ratio(self) -> Ratio | None:
        """The ratio of `best` to `against`."""
        return self.best_to.get(self.against.contender) if self.against else None

    @property
    def is_claim(self) -> bool:
        """Whether every comparison with the best contender has enough blocks."""
        is_compared = len(self.best_to) == len(self.entries) - 1 > 0
        return is_compared and all(ratio.is_claim for ratio in self.best_to.values())

    @property
    def decision(self) -> Decision | None:
        """The decision on `ratio`."""
        return self.decide(self.best, theirs=self.against)

    @property
    def ties(self) -> tuple[Entry, ...]:
        """The contenders without a difference from the best one."""
        return tuple(
            entry
            for entry in self.entries[1:]
            if (found := self.decide(self.best, theirs=entry)) and found.is_no_difference
        )

    @property
    def smallest_difference(self) -> float | None:
        """The largest minimum detectable difference of the named comparisons, as a share.

        None without a claim.
        """
        named = [self.decision, *(self.decide(self.best, theirs=entry) for entry in self.ties)]
        known = [found.detectable for found in named if found and self.is_claim]
        return max((share for share in known if share is not None), default=None)

    def compare(self, ours: Entry | None, *, theirs: Entry | None) -> Decided | None:
        """Return the comparison of two contenders; None if they were not compared."""
        if ours is None or theirs is None:
            return None
        return self.pairs.between(ours.contender, theirs=theirs.contender)

    def decide(self, ours: Entry | None, *, theirs: Entry | None) -> Decision | None:
        """Return the decision on the comparison of two contenders; None if there is none."""
        found = self.compare(ours, theirs=theirs)
        return found.decision if found else None


def rank(entries: Sequence[Entry], *, pairs: Pairs | None = None) -> Ranking:
    """Return the ranking of ``entries``, without invalid ones and the A/A control.

    If ``entries`` are a part of a workload, pass the whole workload's ``pairs``.
    """
    pairs = pairs or compare_pairs(entries)
    originals = [entry for entry in entries if not entry.control_of]
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
    """Sort by the mean logarithm over the common blocks, in agreement with the pairs' ratios."""
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
