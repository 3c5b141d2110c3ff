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
from report.verdicts.pairwise import Pairs, compare_pairs, find_baseline

#: The best contender is clearly ahead if it is proved to do this many times the work of the one
#: that the headline compares it with.
CLEARLY_AHEAD = 1.5

#: If it isn't, a contender of which it is proved to do this many times the work is the larger
#: finding.
FAR_BEHIND = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The contenders of one workload, best first, and their comparisons."""

    #: Contenders that can be compared, best first, without the A/A control.
    entries: tuple[Entry, ...]
    #: Contenders that are invalid or have no figure.
    excluded: tuple[Entry, ...]
    #: The comparisons of the workload's contenders.
    pairs: Pairs
    #: The baseline of all rows, see `find_baseline`.
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
    def furthest_behind(self) -> Decided | None:
        """The best against the contender furthest behind, if that is the larger finding.

        None if the best is clearly ahead of `against`, or if no contender is far behind. With too
        few blocks for a proof, each ratio of the range has to be as large.
        """
        lead = self.compare(self.best, theirs=self.against)
        found = [self.compare(self.best, theirs=entry) for entry in self.entries[1:]]
        behind = [one for one in found if lead and is_larger_finding(one, lead=lead)]
        return max(filter(None, behind), key=lambda one: one.ratio.value, default=None)

    @property
    def smallest_difference(self) -> float | None:
        """The minimum detectable difference, as a share; None without a claim.

        It is that of the widest comparison between the best contender and the others, apart from
        the baseline, that is still open. If all are proved, it is that of the one proved by the
        smallest margin.
        """
        found = [self.compare(self.best, theirs=entry) for entry in self.entries[1:]]
        every = [one for one in found if one and one.decision.detectable is not None]
        if not self.is_claim or not every:
            return None
        baseline = self.baseline.contender if self.baseline else ""
        known = [one for one in every if baseline not in (one.contender, one.against)] or every
        still_open = [one for one in known if not one.decision.is_difference]
        shown = still_open or [min(known, key=lambda one: one.ratio.margin)]
        return max(one.decision.detectable or 0.0 for one in shown)

    @property
    def smallest_difference_to_baseline(self) -> float | None:
        """The same for the best contender and the baseline, if that comparison is still open."""
        found = self.compare(self.best, theirs=self.baseline)
        is_open = self.is_claim and found is not None and not found.decision.is_difference
        return found.decision.detectable if found and is_open else None

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
    usable = [entry for entry in originals if entry.is_usable]
    ordered = _ordered(usable, pairs=pairs)
    baseline = find_baseline(usable)
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


def is_larger_finding(found: Decided | None, *, lead: Decided | None) -> bool:
    """Return whether a comparison is a larger finding than the lead of the best contender.

    Both are of a contender that is ahead.
    """
    return _proved(found) >= FAR_BEHIND and _proved(lead) < CLEARLY_AHEAD


def _proved(found: Decided | None) -> float:
    """Return the smallest ratio that a comparison allows; 1 if it shows no difference."""
    return 1.0 if found is None or found.decision.is_no_difference else found.ratio.low


def _ordered(usable: Sequence[Entry], *, pairs: Pairs) -> list[Entry]:
    """Sort by the fitted means, as the pairs' ratios do; without a fit, over the common blocks."""
    shared = set.intersection(*(set(entry.per_s) for entry in usable)) if usable else set()
    is_fitted = all(entry.contender in pairs.estimates for entry in usable)

    def key(entry: Entry) -> tuple[float, str]:
        if is_fitted:
            return -pairs.estimates[entry.contender].log_mean, entry.contender
        blocks = sorted(shared or entry.per_s)
        return -statistics.fmean(math.log(entry.per_s[block]) for block in blocks), entry.contender

    return sorted(usable, key=key)


def _against(ordered: Sequence[Entry], *, baseline: Entry | None) -> Entry | None:
    if len(ordered) < 2 or baseline is None:
        return None
    is_solo_beaten = baseline.pool == "solo" and baseline is not ordered[0]
    return baseline if is_solo_beaten else ordered[1]
