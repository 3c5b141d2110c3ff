"""Who did more in a workload, and by how much: the facts of a verdict, without its words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from report.stats import Ratio, paired_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A contender in one workload, as far as it can be compared."""

    contender: str
    pool: str
    slots: int
    #: Block → jobs per second of its valid repetition.
    per_s: Mapping[int, float]
    #: The row's mark: `!`, `?`, `~` or nothing.
    mark: str = ""
    #: Whether the interpreters that ran its jobs held the GIL; None if nothing tells.
    gil_enabled: bool | None = None
    #: Block → CPU-seconds of one job without Celery, in its own Python; empty for waits.
    gauged_s: Mapping[int, float] = field(default_factory=dict)
    #: Cores that its processes kept busy; None if it wasn't sampled.
    busy_cores: float | None = None
    #: Part of the time that its jobs held an event loop; None where there is no loop.
    blocked_share: float | None = None

    @property
    def is_freed(self) -> bool:
        """Whether its jobs were seen to run without the GIL."""
        return self.gil_enabled is False

    @property
    def family(self) -> tuple[str, bool]:
        """What it has in common with others of its pool: whether they hold the GIL."""
        return self.pool, self.is_freed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What the numbers of one workload say."""

    #: Those that can be compared, best first.
    entries: tuple[Entry, ...]
    #: Those left out: invalid, or without a figure.
    excluded: tuple[Entry, ...]
    #: What every row is measured against: solo, or the slowest where solo has no valid figure.
    baseline: Entry | None
    #: Contender → its ratio to the baseline.
    to_baseline: Mapping[str, Ratio]
    #: Contender → the best one's ratio to it.
    best_to: Mapping[str, Ratio]
    #: What the best is held against: the baseline, or the runner-up where the best *is* the
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
    def ties(self) -> tuple[Entry, ...]:
        """Those between whom and the best there is no difference."""
        return tuple(
            entry
            for entry in self.entries[1:]
            if entry.contender in self.best_to and self.best_to[entry.contender].is_no_difference
        )

    @property
    def smallest_difference(self) -> float | None:
        """The widest half-width among the comparisons that a verdict names; None if no claim."""
        named = [self.ratio, *(self.best_to[entry.contender] for entry in self.ties)]
        widths = [ratio.smallest_difference for ratio in named if ratio and self.is_claim]
        return max((width for width in widths if width is not None), default=None)


def rank(entries: Sequence[Entry]) -> Ranking:
    """Return who leads among ``entries``; invalid ones never do."""
    usable = [entry for entry in entries if entry.mark != "!" and entry.per_s]
    excluded = [entry for entry in entries if entry not in usable]
    ordered = _ordered(usable)
    baseline = _baseline(ordered)
    best = ordered[0] if ordered else None
    return Ranking(
        entries=tuple(ordered),
        excluded=tuple(excluded),
        baseline=baseline,
        to_baseline=_ratios(ordered, theirs=baseline) if baseline else {},
        best_to=_best_to(best, others=ordered[1:]) if best else {},
        against=_against(ordered, baseline=baseline),
    )


def _ordered(usable: Sequence[Entry]) -> list[Entry]:
    """Sort by the mean logarithm over the blocks that all share, so that pairs agree with it."""
    shared = set.intersection(*(set(entry.per_s) for entry in usable)) if usable else set()

    def key(entry: Entry) -> tuple[float, str]:
        blocks = sorted(shared or entry.per_s)
        return -statistics.fmean(math.log(entry.per_s[block]) for block in blocks), entry.contender

    return sorted(usable, key=key)


def _baseline(ordered: Sequence[Entry]) -> Entry | None:
    solos = sorted((one for one in ordered if one.pool == "solo"), key=lambda one: one.is_freed)
    return next(iter(solos), ordered[-1] if ordered else None)


def _against(ordered: Sequence[Entry], *, baseline: Entry | None) -> Entry | None:
    if len(ordered) < 2 or baseline is None:
        return None
    is_solo_beaten = baseline.pool == "solo" and baseline is not ordered[0]
    return baseline if is_solo_beaten else ordered[1]


def _ratios(entries: Sequence[Entry], *, theirs: Entry) -> dict[str, Ratio]:
    ratios = {
        entry.contender: paired_ratio(entry.per_s, theirs=theirs.per_s)
        for entry in entries
        if entry is not theirs
    }
    return {name: ratio for name, ratio in ratios.items() if ratio}


def _best_to(best: Entry, *, others: Sequence[Entry]) -> dict[str, Ratio]:
    ratios = {other.contender: paired_ratio(best.per_s, theirs=other.per_s) for other in others}
    return {name: ratio for name, ratio in ratios.items() if ratio}
