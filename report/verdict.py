"""Puts a workload's ranking into words that a newcomer understands.

A lesson (the GIL, overlapping waits) is written only where this run's intervals show it: the
sentence follows the numbers, never the textbook.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.jobs import JOB_KINDS, WorkClass
from poolbench.pools import POOLS
from report import format as fmt
from report.ranking import Entry, Ranking, rank
from report.stats import CLAIM_BLOCKS, Ratio

#: Pools whose slots share one interpreter, so that its GIL, or its one thread, is theirs too.
_SHARED_INTERPRETER = frozenset({"threads", "gevent", "asyncio"})

#: The word where a sentence begins with it, and not a contender's name.
_THREADS = re.compile(r"^threads\b(?!-)")


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
    is_equal = ranking.is_claim and ranking.ratio is not None and ranking.ratio.is_no_difference
    best = ranking.best if ranking.ratio and not is_equal else None
    return Verdict(
        workload=workload,
        text=_text(ranking, kind=kind),
        best=best.contender if best else None,
        against=ranking.against.contender if ranking.against else None,
        ratio=ranking.ratio,
        baseline=ranking.baseline.contender if ranking.baseline else None,
        to_baseline=ranking.to_baseline,
        ties=tuple(entry.contender for entry in ranking.ties),
        smallest_difference=ranking.smallest_difference,
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


def _text(ranking: Ranking, *, kind: str) -> str:
    if not ranking.entries:
        sentences = ["Nothing could be measured."]
    elif ranking.ratio is None:
        sentences = [f"Nothing to compare {ranking.entries[0].contender} with."]
    elif not ranking.is_claim:
        sentences = [_too_few(ranking)]
    else:
        sentences = [
            _lesson(ranking, kind=kind),
            _who_leads(ranking),
            _equal_slots(ranking),
            _smallest(ranking),
        ]
    return " ".join(filter(None, [*sentences, _left_out(ranking)]))


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


def _lesson(ranking: Ranking, *, kind: str) -> str:
    """Say what this kind of work does to the pools, as far as the intervals show it."""
    if ranking.baseline is None or ranking.baseline.pool != "solo" or kind not in JOB_KINDS:
        return ""
    work = JOB_KINDS[kind].work_class
    if work is WorkClass.HOLDS_GIL:
        return _stuck_lesson(ranking, kind=kind)
    if work is WorkClass.RELEASES_GIL:
        return _released_lesson(ranking, kind=kind)
    return _overlap_lesson(ranking)


def _stuck_lesson(ranking: Ranking, *, kind: str) -> str:
    shared = _sharing(ranking)
    faster = [entry for entry in shared if ranking.to_baseline[entry.contender].is_more]
    stuck = [entry for entry in shared if entry not in faster]
    sentences = []
    if faster:
        sentences.append(
            f"{_subject(faster, ranking=ranking)} faster than one at a time for `{kind}`"
        )
    if stuck:
        reason = _stuck_reason(stuck, ranking=ranking)
        no_faster = _no_faster(stuck, ranking=ranking)
        sentences.append(f"{_subject(stuck, ranking=ranking)} {no_faster} for `{kind}`{reason}")
    return " ".join(f"{sentence}." for sentence in sentences)


def _no_faster(stuck: Sequence[Entry], *, ranking: Ranking) -> str:
    is_slower = all(ranking.to_baseline[entry.contender].is_less for entry in stuck)
    return "slower than one at a time" if is_slower else "no faster than one"


def _stuck_reason(stuck: Sequence[Entry], *, ranking: Ranking) -> str:
    """Name the cause only where another interpreter per slot was seen to help."""
    others_gain = any(
        entry.pool == "prefork" and ratio.is_more
        for entry in ranking.entries
        if (ratio := ranking.to_baseline.get(entry.contender))
    )
    if not others_gain or any(entry.gil_enabled is False for entry in stuck):
        return ""
    if any(entry.pool == "threads" for entry in stuck):
        return ": the GIL lets one run at a time"
    return ": all its jobs share one thread"


def _released_lesson(ranking: Ranking, *, kind: str) -> str:
    shared = _sharing(ranking)
    faster = [entry for entry in shared if ranking.to_baseline[entry.contender].is_more]
    stuck = [entry for entry in shared if entry not in faster]
    threads = [entry for entry in faster if entry.pool == "threads"]
    sentences = []
    if threads:
        sentences.append(
            f"{_THREADS.sub('Threads', _names(threads, ranking=ranking))} run side by side "
            f"for `{kind}`, "
            "which lets go of the GIL while it computes"
        )
    if stuck:
        is_gevent = {entry.pool for entry in stuck} == {"gevent"}
        reason = ": its jobs share one thread" if is_gevent and threads else ""
        where = "" if threads else f" for `{kind}`"
        no_faster = _no_faster(stuck, ranking=ranking)
        sentences.append(f"{_subject(stuck, ranking=ranking)} {no_faster}{where}{reason}")
    return " ".join(f"{sentence}." for sentence in sentences)


def _overlap_lesson(ranking: Ranking) -> str:
    several = [entry for entry in ranking.entries if entry.slots > 1]
    overlapping = [entry for entry in several if _is_more(entry, ranking=ranking)]
    flat = [entry for entry in several if entry not in overlapping]
    if not overlapping:
        return ""
    said = "While one job waits, others run"
    if not flat:
        return f"{said}."
    names, others = _names(overlapping, ranking=ranking), _names(flat, ranking=ranking)
    return f"{said} in {names}, but not in {others}."


def _who_leads(ranking: Ranking) -> str:
    best, against, ratio = ranking.best, ranking.against, ranking.ratio
    if best is None or against is None or ratio is None:
        return ""
    ties = [entry.contender for entry in ranking.ties]
    figure = (
        f"{fmt.times(ratio.value)} {against.contender} {fmt.interval(ratio.low, high=ratio.high)}"
    )
    if ratio.is_no_difference:
        return f"No difference between {fmt.listed([best.contender, *ties])}: {figure}."
    if ties:
        return f"{_sized(best, ranking=ranking)}: {figure}; no difference to {fmt.listed(ties)}."
    return f"{_sized(best, ranking=ranking)} is fastest: {figure}."


def _equal_slots(ranking: Ranking) -> str:
    """Say who leads among those with as many slots, where the best one has more than they."""
    best, baseline = ranking.best, ranking.baseline
    several = [entry for entry in ranking.entries if entry.slots > 1]
    sizes = sorted(
        {entry.slots for entry in several}, key=lambda size: _pools_at(several, slots=size)
    )
    if (
        best is None
        or not sizes
        or _pools_at(several, slots=sizes[-1]) < 2
        or best.slots == sizes[-1]
    ):
        return ""
    peers = rank([entry for entry in several if entry.slots == sizes[-1]])
    leader = peers.best
    if leader is None or not peers.is_claim or (leader.contender in _names_of(ranking.ties)):
        return ""
    start = f"At {sizes[-1]} slots each"
    equal = [leader.contender, *_names_of(peers.ties)]
    if len(equal) == len(peers.entries):
        return f"{start}, no difference between {fmt.listed(equal)}."
    ratio = baseline and ranking.to_baseline.get(leader.contender)
    figure = f" with {fmt.times(ratio.value)} {baseline.contender}" if baseline and ratio else ""
    verb = "leads" if len(equal) == 1 else "lead"
    return f"{start}, {fmt.listed(equal)} {verb}{figure}."


def _smallest(ranking: Ranking) -> str:
    smallest = ranking.smallest_difference
    return f"Differences below {fmt.percent(smallest)} would not have shown." if smallest else ""


def _left_out(ranking: Ranking) -> str:
    names = _names_of(ranking.excluded)
    return f"Left out, since invalid or without a figure: {fmt.listed(names)}." if names else ""


def _sharing(ranking: Ranking) -> list[Entry]:
    """Return those with several slots in one interpreter that can be held against solo."""
    return [
        entry
        for entry in ranking.entries
        if entry.pool in _SHARED_INTERPRETER
        and entry.slots > 1
        and entry.contender in ranking.to_baseline
    ]


def _is_more(entry: Entry, *, ranking: Ranking) -> bool:
    ratio = ranking.to_baseline.get(entry.contender)
    return ratio is not None and ratio.is_more


def _names(group: Sequence[Entry], *, ranking: Ranking) -> str:
    """Return the pool's name where all of its contenders are in the group, else their own."""
    words: list[str] = []
    for entry in sorted(group, key=lambda entry: (list(POOLS).index(entry.pool), entry.slots)):
        of_pool = [other for other in ranking.entries if other.pool == entry.pool]
        is_whole = all(other in group for other in of_pool)
        words.append(entry.pool if is_whole else entry.contender)
    return fmt.listed(list(dict.fromkeys(words)))


def _subject(group: Sequence[Entry], *, ranking: Ranking) -> str:
    names = _names(group, ranking=ranking)
    is_one = " and " not in names and names != "threads"
    # threads are a word, the other pools' and the contenders' names are written as they are
    return f"{_THREADS.sub('Threads', names)} {'is' if is_one else 'are'}"


def _sized(entry: Entry, *, ranking: Ranking) -> str:
    """Return the contender's name, with its slots where they differ and it doesn't tell."""
    sizes = {other.slots for other in ranking.entries if other.slots > 1}
    is_told = entry.slots == 1 or len(sizes) < 2 or entry.contender.endswith(f"-{entry.slots}")
    return entry.contender if is_told else f"{entry.contender} ({entry.slots} slots)"


def _names_of(entries: Sequence[Entry]) -> list[str]:
    return [entry.contender for entry in entries]


def _pools_at(entries: Sequence[Entry], *, slots: int) -> int:
    return len({entry.pool for entry in entries if entry.slots == slots})
