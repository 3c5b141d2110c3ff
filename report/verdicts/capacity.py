"""Describes a workload's ranking in sentences for newcomers.

The sentences follow this run's numbers, never general knowledge: the intervals, each for
all comparisons of its question at once, select every word.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import combinations

from report import format as fmt
from report.legend import claim, too_few
from report.result import Decided, Verdict
from report.rows.comparable import Entry
from report.statistics.ratios import CLAIM_BLOCKS
from report.verdicts import naming
from report.verdicts.explanations import blocked_loop, lesson
from report.verdicts.pairwise import compare_pairs
from report.verdicts.ranking import Ranking, rank

#: Largest number of contenders that a headline names in addition to the best one.
_HEADLINE_NAMES = 3


def judge(
    entries: Sequence[Entry], *, workload: str, kind: str, is_every_pair: bool = False
) -> Verdict:
    """Return the verdict on one workload's rows, on every pair of them if that is asked for."""
    ranking = rank(entries, pairs=compare_pairs(entries, is_every_pair=is_every_pair))
    peers = _peers(ranking)
    best = ranking.best if ranking.ratio and not _is_equal(ranking) else None
    return Verdict(
        workload=workload,
        headline=_headline(ranking),
        text=_text(ranking, peers=peers, kind=kind),
        best=best.contender if best else None,
        ahead=ranking.best.contender if ranking.best and ranking.ratio else None,
        against=ranking.against.contender if ranking.against else None,
        ratio=ranking.ratio,
        baseline=ranking.baseline.contender if ranking.baseline else None,
        to_baseline=ranking.to_baseline,
        furthest_behind=ranking.furthest_behind,
        ties=tuple(entry.contender for entry in ranking.ties),
        smallest_difference=_smallest(ranking, peers=peers),
        decisions=tuple(_decided(ranking)),
        equal_pair=ranking.pairs.equal_pair,
        mark=_mark(ranking),
    )


def _is_equal(ranking: Ranking) -> bool:
    """Return whether there are enough blocks, and the headline shows no difference."""
    decision = ranking.decision
    return ranking.is_claim and decision is not None and decision.is_no_difference


def _decided(ranking: Ranking) -> Iterator[Decided]:
    """Yield each contender against the baseline, the best against each of the others, then more."""
    best, baseline = ranking.best, ranking.baseline
    if best is None or baseline is None:
        return
    shown = [(entry, baseline) for entry in ranking.entries if entry is not baseline]
    shown += [(best, entry) for entry in ranking.entries if entry not in (best, baseline)]
    if ranking.pairs.is_every_pair:
        shown += [
            pair
            for pair in combinations(ranking.entries, 2)
            if best not in pair and baseline not in pair
        ]
    seen: set[frozenset[str]] = set()
    for ours, theirs in shown:
        pair = frozenset((ours.contender, theirs.contender))
        if pair not in seen and (found := ranking.compare(ours, theirs=theirs)):
            seen.add(pair)
            yield found


def _mark(ranking: Ranking) -> str:
    if ranking.ratio is None:
        return "!" if ranking.excluded else "?"
    if not ranking.is_claim:
        return "?"
    is_unstable = any(
        entry.mark == "~" for entry in (ranking.best, ranking.against, *ranking.ties) if entry
    )
    return "~" if is_unstable else ""


def _headline(ranking: Ranking) -> str:
    """Return the largest finding: the best contender and its ratio, or first who is far behind."""
    return " ".join(filter(None, [_furthest_behind(ranking), _best(ranking)]))


def _furthest_behind(ranking: Ranking) -> str:
    found = ranking.furthest_behind
    if found is None:
        return ""
    ratio = found.ratio
    if not ratio.is_claim:
        times = fmt.times_range(ratio.low, high=ratio.high)
        return f"{found.against} is furthest behind so far: {found.contender} did {times} its work."
    times = f"{fmt.times(ratio.value)} its work {fmt.interval(ratio.low, high=ratio.high)}"
    return f"{found.against} is furthest behind: {found.contender} does {times}."


def _best(ranking: Ranking) -> str:
    """Return the best contender and its ratio, in one sentence."""
    if not ranking.entries:
        return "Nothing could be measured."
    if ranking.ratio is None:
        return f"Nothing to compare {ranking.entries[0].contender} with."
    if ranking.is_claim:
        return _who_leads(ranking, most_names=_HEADLINE_NAMES)
    best, ratio, against = ranking.best, ranking.ratio, ranking.against
    if best is None or against is None:
        return ""
    times = fmt.times_range(ratio.low, high=ratio.high)
    blocks = min(one.blocks for one in ranking.best_to.values())
    done = f"{blocks} of {CLAIM_BLOCKS} repetitions"
    return f"{best.contender} leads so far: {times} {against.contender} ({done})."


def _text(ranking: Ranking, *, peers: Ranking | None, kind: str) -> str:
    if not ranking.entries or ranking.ratio is None:
        sentences = [_best(ranking)]
    elif not ranking.is_claim:
        others = [
            f"{entry.contender} {fmt.times_range(found.low, high=found.high)}"
            for entry in ranking.entries[1:]
            if ranking.against is ranking.baseline
            and (found := ranking.to_baseline.get(entry.contender))
        ]
        figures = "; ".join(filter(None, [_so_far(ranking), ", ".join(others)]))
        sentences = [_furthest_behind(ranking), f"{figures}: {_too_few(ranking)}."]
    else:
        sentences = [
            lesson(ranking, kind=kind),
            _furthest_behind(ranking),
            _who_leads(ranking),
            _who_leads_peers(peers, baseline=ranking) if peers else "",
            detectable(_smallest(ranking, peers=peers), also=_to_baseline(ranking)),
        ]
    sentences += [blocked_loop(ranking, kind=kind), _left_out(ranking)]
    return " ".join(filter(None, sentences))


def _so_far(ranking: Ranking) -> str:
    best, against, ratio = ranking.best, ranking.against, ranking.ratio
    if best is None or against is None or ratio is None:
        return ""
    times = fmt.times_range(ratio.low, high=ratio.high)
    return f"So far {best.contender} did {times} the work of {against.contender}"


def _too_few(ranking: Ranking) -> str:
    return too_few(min(ratio.blocks for ratio in ranking.best_to.values()))


def _who_leads(ranking: Ranking, *, most_names: int = sys.maxsize) -> str:
    """Return the best contender and its ties; more than ``most_names`` ties are counted only."""
    best, against, ratio = ranking.best, ranking.against, ranking.ratio
    if best is None or against is None or ratio is None:
        return ""
    ties = [entry.contender for entry in ranking.ties]
    who, figure = naming.sized(best, ranking=ranking), claim(ratio, of=against.contender)
    if _is_equal(ranking) and ranking.decision:
        others = fmt.listed(ties) if len(ties) <= most_names else f"{len(ties)} others"
        ahead = f"No difference between {best.contender}, ahead, and {others}"
        found = [ranking.decide(best, theirs=entry) for entry in ranking.ties]
        reasons = dict.fromkeys([ranking.decision.why, *(one.why for one in found if one)])
        return f"{ahead}: {figure}; {'; '.join(reasons)}."
    others = ", ".join([who, *ties[:-1]])
    others = f"{others} or {ties[-1]}" if ties else who
    if len(ties) > most_names:
        others = f"{who} or {len(ties)} others"
    return f"{others} is fastest: {figure}."


def _peers(ranking: Ranking) -> Ranking | None:
    """Return the ranking of the largest group of equal slots; None if it adds nothing.

    More slots don't make a better pool: if the best contender has another number of slots than
    this group, the text names the best of both.
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
    names = [entry.contender for entry in at_common]
    peers = rank(at_common, pairs=ranking.pairs.best_among(names))
    is_named = peers.best is None or peers.best in ranking.ties
    return None if is_named or not peers.is_claim else peers


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
    """Return the largest detectable difference of the comparisons that the sentences mention."""
    known = [one.smallest_difference for one in (ranking, peers) if one]
    return max((share for share in known if share is not None), default=None)


def detectable(smallest: float | None, *, also: str = "") -> str:
    """Return the minimum detectable difference in words: a smaller one may exist undetected."""
    if not smallest:
        return ""
    return f"Minimum detectable difference: {fmt.percent(smallest)}{also} (80 % power)."


def _to_baseline(ranking: Ranking) -> str:
    share, baseline = ranking.smallest_difference_to_baseline, ranking.baseline
    if share is None or baseline is None or share == ranking.smallest_difference:
        return ""
    return f", to {baseline.contender} {fmt.percent(share)}"


def _left_out(ranking: Ranking) -> str:
    names = [entry.contender for entry in ranking.excluded]
    return f"Left out (invalid or without a figure): {fmt.listed(names)}." if names else ""
