"""Puts a workload's ranking into words that a newcomer understands.

The sentence follows the numbers, never the textbook: every word of it is decided by this run's
intervals, corrected for all that was compared and held against its noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.rows.comparable import Entry
from report.statistics.ratios import CLAIM_BLOCKS, Ratio
from report.statistics.significance import POWER_WORDS, Decision, Why
from report.verdicts import naming
from report.verdicts.explanations import held_loop, lesson
from report.verdicts.pairwise import EqualPair
from report.verdicts.ranking import Ranking, rank

#: `Verdict.figure` where jobs came at a rate: its ratios are those of 1 ÷ that, so that more is
#: better in them too.
RESPONSE = "p95 response"
#: `Verdict.figure` of a search.
HELD = "rate held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One comparison of two contenders, and what it shows."""

    contender: str
    against: str
    #: How many times ``against``'s jobs ``contender`` did.
    ratio: Ratio
    decision: Decision

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as it stands in ``summary.json``."""
        return {
            "contender": self.contender,
            "against": self.against,
            "ratio": _figures(self.ratio),
            "finding": self.decision.finding.value,
            "why": self.decision.why.value,
            "p_value": self.decision.p_value,
            "detectable": self.decision.detectable,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a workload's numbers say."""

    workload: str
    #: One or a few plain sentences.
    text: str
    #: The contender that did most, or None where no difference to the one it is held against
    #: shows, or nothing could be compared. Below `CLAIM_BLOCKS` blocks: who led, no claim.
    best: str | None
    #: Who did most, be it by a difference or not; None where nothing could be compared.
    ahead: str | None
    #: Whom `ratio` is against: solo, or the runner-up where solo leads or wasn't measured.
    against: str | None
    ratio: Ratio | None
    #: Whom every row is held against: solo, or the slowest where solo has no figure.
    baseline: str | None
    #: Contender → its ratio to the baseline, best first.
    to_baseline: Mapping[str, Ratio]
    #: Contenders between whom and the best there is no difference.
    ties: tuple[str, ...]
    #: The smallest difference, as a share, that every comparison named here would have shown in
    #: four runs of five; None without a claim.
    smallest_difference: float | None
    #: What each comparison that a reader is shown comes to.
    decisions: tuple[Decided, ...]
    #: The contender that was measured twice, and its twin; None without one.
    equal_pair: EqualPair | None
    mark: str
    #: What was compared: jobs a second, `RESPONSE` or `HELD`.
    figure: str = "jobs/s"

    @property
    def noise_floor(self) -> float | None:
        """By how much two equal contenders may differ here, as a share; None where none tells."""
        return self.equal_pair.noise_floor if self.equal_pair else None

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as it stands in ``summary.json``."""
        return {
            "workload": self.workload,
            "text": self.text,
            "best": self.best,
            "ahead": self.ahead,
            "against": self.against,
            "ratio": _figures(self.ratio),
            "baseline": self.baseline,
            "to_baseline": {name: _figures(ratio) for name, ratio in self.to_baseline.items()},
            "ties": list(self.ties),
            "smallest_difference": self.smallest_difference,
            "decisions": [decided.as_dict() for decided in self.decisions],
            "noise_floor": self.noise_floor,
            "equal_pair": self.equal_pair and _equal_figures(self.equal_pair),
            "figure": self.figure,
            "mark": self.mark,
        }


def judge(entries: Sequence[Entry], *, workload: str, kind: str) -> Verdict:
    """Return the verdict on one workload's rows."""
    ranking = rank(entries)
    peers = _peers(ranking)
    best = ranking.best if ranking.ratio and not _is_equal(ranking) else None
    return Verdict(
        workload=workload,
        text=_text(ranking, peers=peers, kind=kind),
        best=best.contender if best else None,
        ahead=ranking.best.contender if ranking.best and ranking.ratio else None,
        against=ranking.against.contender if ranking.against else None,
        ratio=ranking.ratio,
        baseline=ranking.baseline.contender if ranking.baseline else None,
        to_baseline=ranking.to_baseline,
        ties=tuple(entry.contender for entry in ranking.ties),
        smallest_difference=_smallest(ranking, peers=peers),
        decisions=tuple(_decided(ranking)),
        equal_pair=ranking.pairs.equal_pair,
        mark=_mark(ranking),
    )


def _is_equal(ranking: Ranking) -> bool:
    """Return whether there were blocks enough, and the headline shows no difference."""
    decision = ranking.decision
    return ranking.is_claim and decision is not None and decision.is_no_difference


def _decided(ranking: Ranking) -> Iterator[Decided]:
    """Give each contender beside the baseline, then the best beside each of the others, once."""
    best, baseline = ranking.best, ranking.baseline
    if best is None or baseline is None:
        return
    shown = [(entry, baseline) for entry in ranking.entries if entry is not baseline]
    shown += [(best, entry) for entry in ranking.entries if entry not in (best, baseline)]
    for ours, theirs in shown:
        ratio = ranking.pairs.ratio(ours.contender, theirs=theirs.contender)
        decision = ranking.decide(ours, theirs=theirs)
        if ratio and decision:
            yield Decided(
                contender=ours.contender,
                against=theirs.contender,
                ratio=ratio,
                decision=decision,
            )


def _figures(ratio: Ratio | None) -> dict[str, float] | None:
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high} if ratio else None


def _equal_figures(pair: EqualPair) -> dict[str, Any]:
    return {"contender": pair.contender, "twin": pair.twin, "ratio": _figures(pair.ratio)}


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
    if _is_equal(ranking) and ranking.decision:
        why = ranking.decision.why.value
        ahead = f"No difference between {best.contender}, ahead, and {fmt.listed(ties)}"
        return f"{ahead}: {figure}; {why}."
    if ties:
        return f"{naming.sized(best, ranking=ranking)}: {figure}; {_not_behind(ranking)}."
    return f"{naming.sized(best, ranking=ranking)} is fastest: {figure}."


def _not_behind(ranking: Ranking) -> str:
    """Return whom the best one was not shown to be ahead of.

    Where the pair's own interval leaves 1 out and only chance among so many comparisons forbids
    the claim, "no difference" would say too much.
    """
    equal: list[str] = []
    unproved: list[str] = []
    for entry in ranking.ties:
        decision = ranking.decide(ranking.best, theirs=entry)
        is_unproved = decision is not None and decision.why is Why.CORRECTION
        (unproved if is_unproved else equal).append(entry.contender)
    return "; ".join(
        (
            *([f"no difference to {fmt.listed(equal)}"] if equal else []),
            *([f"not proved to beat {fmt.listed(unproved)}"] if unproved else []),
        )
    )


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
    at_common = [entry for entry in several if entry.slots == common]
    peers = rank(at_common, pairs=ranking.pairs)
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
    """Return the largest of what the comparisons that the sentences make could see."""
    known = [one.smallest_difference for one in (ranking, peers) if one]
    return max((share for share in known if share is not None), default=None)


def _unseen(smallest: float | None) -> str:
    """Say what would have shown: a smaller difference may be there, and hide."""
    if not smallest:
        return ""
    return f"A difference of {fmt.percent(smallest)} would have shown in {POWER_WORDS}."


def _left_out(ranking: Ranking) -> str:
    names = [entry.contender for entry in ranking.excluded]
    return f"Left out, since invalid or without a figure: {fmt.listed(names)}." if names else ""
