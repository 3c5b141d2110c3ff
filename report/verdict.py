"""Puts a workload's ranking into words that a newcomer understands.

The sentence follows the numbers, never the textbook: every word of it is decided by this run's
intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report import naming
from report.lesson import held_loop, lesson
from report.ranking import Entry, Ranking, rank
from report.stats import CLAIM_BLOCKS, Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a workload's numbers say."""

    workload: str
    #: One or a few plain sentences.
    text: str
    #: The contender that did most, or None where no difference to the one it is held against
    #: shows, or nothing could be compared. Below `CLAIM_BLOCKS` blocks: who led, no claim.
    best: str | None
    #: Whom `ratio` is against: solo, or the runner-up where solo leads or wasn't measured.
    against: str | None
    ratio: Ratio | None
    #: Whom every row is held against: solo, or the slowest where solo has no figure.
    baseline: str | None
    #: Contender → its ratio to the baseline, best first.
    to_baseline: Mapping[str, Ratio]
    #: Contenders between whom and the best there is no difference.
    ties: tuple[str, ...]
    #: Relative difference below which nothing would have shown; None without a claim.
    smallest_difference: float | None
    mark: str

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as it stands in ``summary.json``."""
        return {
            "workload": self.workload,
            "text": self.text,
            "best": self.best,
            "against": self.against,
            "ratio": _figures(self.ratio),
            "baseline": self.baseline,
            "to_baseline": {name: _figures(ratio) for name, ratio in self.to_baseline.items()},
            "ties": list(self.ties),
            "smallest_difference": self.smallest_difference,
            "mark": self.mark,
        }


def judge(entries: Sequence[Entry], *, workload: str, kind: str) -> Verdict:
    """Return the verdict on one workload's rows."""
    ranking = rank(entries)
    peers = _peers(ranking)
    is_equal = ranking.is_claim and ranking.ratio is not None and ranking.ratio.is_no_difference
    best = ranking.best if ranking.ratio and not is_equal else None
    return Verdict(
        workload=workload,
        text=_text(ranking, peers=peers, kind=kind),
        best=best.contender if best else None,
        against=ranking.against.contender if ranking.against else None,
        ratio=ranking.ratio,
        baseline=ranking.baseline.contender if ranking.baseline else None,
        to_baseline=ranking.to_baseline,
        ties=tuple(entry.contender for entry in ranking.ties),
        smallest_difference=_smallest(ranking, peers=peers),
        mark=_mark(ranking),
    )


def _figures(ratio: Ratio | None) -> dict[str, float] | None:
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high} if ratio else None


def _mark(ranking: Ranking) -> str:
    if ranking.ratio is None:
        return "!" if ranking.excluded else "?"
    if not ranking.is_claim:
        return "?"
    is_unstable = any(
        entry.mark == "~" for entry in (ranking.best, ranking.against, *ranking.ties) if entry
    )
    return "~" if is_unstable else ""


def _text(ranking: Ranking, *, peers: Ranking | None, kind: str) -> str:
    if not ranking.entries:
        sentences = ["Nothing could be measured."]
    elif ranking.ratio is None:
        sentences = [f"Nothing to compare {ranking.entries[0].contender} with."]
    elif not ranking.is_claim:
        sentences = [_too_few(ranking)]
    else:
        sentences = [
            lesson(ranking, kind=kind),
            _who_leads(ranking),
            _who_leads_peers(peers, baseline=ranking) if peers else "",
            _unseen(_smallest(ranking, peers=peers)),
        ]
    return " ".join(filter(None, [*sentences, held_loop(ranking, kind=kind), _left_out(ranking)]))


def _too_few(ranking: Ranking) -> str:
    best, against, ratio = ranking.best, ranking.against, ranking.ratio
    if best is None or against is None or ratio is None:
        return ""
    blocks = min(ratio.blocks for ratio in ranking.best_to.values())
    start = (
        f"So far {best.contender} did {fmt.times_range(ratio.low, high=ratio.high)} "
        f"the work of {against.contender}"
    )
    others = [
        f"{entry.contender} {fmt.times_range(found.low, high=found.high)}"
        for entry in ranking.entries[1:]
        if against is ranking.baseline and (found := ranking.to_baseline.get(entry.contender))
    ]
    seen = "; ".join(filter(None, [start, ", ".join(others)]))
    return f"{seen}: too few repetitions for a claim ({blocks}, and it takes {CLAIM_BLOCKS})."


def _who_leads(ranking: Ranking) -> str:
    best, against, ratio = ranking.best, ranking.against, ranking.ratio
    if best is None or against is None or ratio is None:
        return ""
    ties = [entry.contender for entry in ranking.ties]
    figure = (
        f"{fmt.times(ratio.value)} {against.contender} {fmt.interval(ratio.low, high=ratio.high)}"
    )
    if ratio.is_no_difference:
        return f"No difference between {best.contender}, ahead, and {fmt.listed(ties)}: {figure}."
    if ties:
        return (
            f"{naming.sized(best, ranking=ranking)}: {figure}; no difference to {fmt.listed(ties)}."
        )
    return f"{naming.sized(best, ranking=ranking)} is fastest: {figure}."


def _peers(ranking: Ranking) -> Ranking | None:
    """Return the ranking of the largest group of equal slots; None where it adds nothing.

    More slots are no better pool: where the best one has more than the others have in common, the
    sentence tells of both.
    """
    several = [entry for entry in ranking.entries if entry.slots > 1]
    pools_at = {
        slots: len({entry.family for entry in several if entry.slots == slots})
        for slots in sorted({entry.slots for entry in several})
    }
    common = max(pools_at, key=lambda slots: pools_at[slots], default=0)
    if ranking.best is None or pools_at.get(common, 0) < 2 or ranking.best.slots == common:
        return None
    peers = rank([entry for entry in several if entry.slots == common])
    is_told = peers.best is None or peers.best in ranking.ties
    return None if is_told or not peers.is_claim else peers


def _who_leads_peers(peers: Ranking, *, baseline: Ranking) -> str:
    leader = peers.best
    if leader is None:
        return ""
    start = f"At {leader.slots} slots each"
    equal = [leader.contender, *(entry.contender for entry in peers.ties)]
    if len(equal) == len(peers.entries):
        return f"{start}, no difference between {fmt.listed(equal)}."
    ratio = baseline.to_baseline.get(leader.contender)
    against = baseline.baseline
    figure = f" with {fmt.times(ratio.value)} {against.contender}" if ratio and against else ""
    verb = "leads" if len(equal) == 1 else "lead"
    return f"{start}, {fmt.listed(equal)} {verb}{figure}."


def _smallest(ranking: Ranking, *, peers: Ranking | None) -> float | None:
    """Return the widest half-width among the comparisons that the sentences make."""
    known = [one.smallest_difference for one in (ranking, peers) if one]
    return max((width for width in known if width is not None), default=None)


def _unseen(smallest: float | None) -> str:
    return f"Differences below {fmt.percent(smallest)} would not have shown." if smallest else ""


def _left_out(ranking: Ranking) -> str:
    names = [entry.contender for entry in ranking.excluded]
    return f"Left out, since invalid or without a figure: {fmt.listed(names)}." if names else ""
