"""Explains what a kind of work does to the pools, as far as this run's intervals show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from poolbench.jobs import JOB_KINDS, WorkClass
from report import format as fmt
from report.legend import claim
from report.result import Decided
from report.rows.comparable import Entry
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import Finding
from report.verdicts import naming
from report.verdicts.ranking import Ranking

#: Pools whose slots share one interpreter, so that its GIL, or its one thread, is theirs too.
_SHARED_INTERPRETER = frozenset({"threads", "gevent", "asyncio"})

#: "Faster than one" means an interval that lies above this, "no faster" one that reaches down to
#: one and ends below it; of any other, nothing. So a gain of a few per cent is not taught
#: as beating the GIL, and neither is chance where several are compared with solo, whose intervals
#: are each of 95 %. A second core would give up to 2.
NO_FASTER_BELOW = 1.2

#: One job alone costs more CPU without the GIL, or less, if the interval lies beyond this factor,
#: or below its inverse: a per cent is clear of 1 in a quiet run, and no price.
PRICE_FROM = 1.05

#: Work that an interpreter for each slot would speed up.
_COMPUTING = frozenset({WorkClass.HOLDS_GIL, WorkClass.RELEASES_GIL, WorkClass.BOTH})

#: Pools whose jobs all run in one thread.
_ONE_THREAD = frozenset({"gevent", "asyncio"})

#: From this part of the time on that jobs blocked an event loop, the verdict says so.
BLOCKED_SHARE = 0.1

#: From this part of a core on, what one job after another computes is named as the cause.
_BUSY_SHARE = 0.6


def lesson(ranking: Ranking, *, kind: str) -> str:
    """Return a sentence or two, or nothing where the run shows nothing.

    Without solo, or for a kind that this version doesn't know, there is nothing to say.
    """
    if ranking.baseline is None or ranking.baseline.pool != "solo" or kind not in JOB_KINDS:
        return ""
    work = JOB_KINDS[kind].work_class
    describe = _describe_computing if work in _COMPUTING else _describe_waiting
    return " ".join(f"{sentence}." for sentence in describe(ranking, kind=kind, work=work))


def blocked_loop(ranking: Ranking, *, kind: str) -> str:
    """Return what jobs did to asyncio's event loop, or nothing; a count, so one block is enough."""
    most = max((entry.blocked_share or 0.0 for entry in ranking.entries), default=0.0)
    if most < BLOCKED_SHARE:
        return ""
    return (
        f"`{kind}` blocks asyncio's loop: for {fmt.percent(most)} of the time one job blocked it, "
        "and no other job ran."
    )


def _describe_computing(ranking: Ranking, *, kind: str, work: WorkClass) -> list[str]:
    """Return which pools gain from slots that share an interpreter, with the GIL and without."""
    faster, stuck = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=False)
    is_releasing = work is WorkClass.RELEASES_GIL
    if is_releasing:
        faster = [entry for entry in faster if entry.pool == "threads"]
    where = f" for `{kind}`"
    sentences = []
    if faster and is_releasing:
        who = naming.capitalized(naming.names(faster, ranking=ranking))
        sentences.append(f"{who} run side by side{where}, which releases the GIL while it computes")
    elif faster and work is WorkClass.BOTH:
        computing = _processes(faster[0], ranking=ranking)
        sentences.append(f"While one job waits, others run{computing}")
    elif faster:
        who = naming.subject(faster, ranking=ranking)
        sentences.append(f"{who} faster than one at a time{where}")
    if stuck:
        # a cause is named only where something was seen to help: threads, or processes
        processes, _ = _split(ranking, pools={"prefork"}, is_freed=False)
        has_proof = faster if is_releasing else processes
        cause = ""
        if has_proof and _is_one_thread(stuck):
            cause = f": all {_whose(stuck)} jobs share one thread"
        elif has_proof and not is_releasing:
            cause = ": the GIL lets one run at a time"
        is_named = faster and is_releasing
        sentences.append(f"{_stuck(stuck, ranking=ranking)}{'' if is_named else where}{cause}")
    return [*sentences, *_describe_freed(ranking, where="" if sentences else where)]


def _describe_freed(ranking: Ranking, *, where: str) -> list[str]:
    """Return what jobs do that share an interpreter without the GIL, and what that costs each.

    ``where`` ends the first clause: the kind, if no sentence before has named it.
    """
    faster, stuck = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=True)
    gains = {
        entry.contender: gain
        for entry in ranking.entries
        if entry.is_freed and (gain := _over_own_pool(entry, ranking=ranking))
    }
    much = {name for name, gain in gains.items() if gain.ratio.is_claim and _is_much(gain.ratio)}
    overlapping = [entry for entry in ranking.entries if entry in faster or entry.contender in much]
    stuck = [entry for entry in stuck if entry not in overlapping]
    sentences = []
    if overlapping:
        start = naming.subject(overlapping, ranking=ranking, verbs=("runs", "run"))
        gain = gains.get(overlapping[0].contender)
        figure = f": {_does(gain)}" if gain and _is_more(gain) else ""
        sentences.append(f"{start} side by side{where}{figure}")
    if stuck:
        sentences.append(f"{_stuck(stuck, ranking=ranking)}{where}")
    return [*sentences, *_price(ranking)]


def _over_own_pool(entry: Entry, *, ranking: Ranking) -> Decided | None:
    """Return the entry beside the same pool with the GIL, at the same slots."""
    for other in ranking.entries:
        if (other.pool, other.slots, other.is_freed) == (entry.pool, entry.slots, False):
            return ranking.compare(entry, theirs=other)
    return None


def _price(ranking: Ranking) -> list[str]:
    """Return what one job alone costs without the GIL, if that differs; measured beside trials."""
    freed = next((entry for entry in ranking.entries if entry.is_freed), None)
    baseline = ranking.baseline
    if freed is None or baseline is None or baseline.is_freed:
        return []
    price = paired_ratio(freed.gauged_s, theirs=baseline.gauged_s)
    if price is None or not price.is_claim:
        return []
    if price.low < PRICE_FROM and price.high > 1 / PRICE_FROM:
        return []
    return [f"One job alone takes {claim(price)} the CPU time in the Python without the GIL"]


def _describe_waiting(ranking: Ranking, *, kind: str, work: WorkClass) -> list[str]:
    """Return in which pools others run while a job waits, or reads and writes a disk."""
    faster, stuck = _split(ranking, pools={entry.pool for entry in ranking.entries})
    is_disk = work is WorkClass.BLOCKS_LOOP
    if not faster:
        return [f"{_stuck(stuck, ranking=ranking)} for `{kind}`"] if stuck and is_disk else []
    start = f"While one job {'reads and writes' if is_disk else 'waits'}, others run"
    if not stuck:
        return [start]
    busy_cores = (ranking.baseline.busy_cores if ranking.baseline else None) or 0.0
    cause = ""
    if is_disk and _is_one_thread(stuck) and any(entry.pool == "threads" for entry in faster):
        cause = f": it blocks the one thread that all {_whose(stuck)} jobs share"
    elif not is_disk and busy_cores >= _BUSY_SHARE:
        share = fmt.percent(min(1.0, busy_cores))
        cause = f": one after the other they already compute for {share} of the time"
    who, others = (naming.names(group, ranking=ranking) for group in (faster, stuck))
    return [f"{start} in {who}, but not in {others}{cause}"]


def _processes(shared: Entry, *, ranking: Ranking) -> str:
    """Return what processes do beside the best that shares an interpreter, if much more."""
    prefork = next((entry for entry in ranking.entries if entry.pool == "prefork"), None)
    gain = ranking.compare(prefork, theirs=shared)
    if gain is None or not _is_more(gain) or not _is_much(gain.ratio):
        return ""
    return f"; while one computes, others run in prefork: {_does(gain)}"


def _stuck(group: Sequence[Entry], *, ranking: Ranking) -> str:
    decided = [ranking.decide(entry, theirs=ranking.baseline) for entry in group]
    is_slower = all(one is not None and one.finding is Finding.LESS for one in decided)
    verb = "slower than one at a time" if is_slower else "no faster than one"
    return f"{naming.subject(group, ranking=ranking)} {verb}"


def _split(
    ranking: Ranking, *, pools: Collection[str], is_freed: bool | None = None
) -> tuple[list[Entry], list[Entry]]:
    """Return the contenders of these pools that are faster than solo, and those that are not.

    Of those with several slots; some are in neither. ``is_freed`` takes those without the GIL, or
    those with it; None takes both. Where solo itself ran without the GIL, nothing is learned of
    those that hold one.
    """
    faster: list[Entry] = []
    stuck: list[Entry] = []
    if is_freed is False and ranking.baseline is not None and ranking.baseline.is_freed:
        return faster, stuck
    for entry in ranking.entries:
        found = ranking.compare(entry, theirs=ranking.baseline)
        is_asked = entry.pool in pools and entry.slots > 1 and is_freed in (entry.is_freed, None)
        if found is None or not is_asked:
            continue
        if _is_more(found):
            faster += [entry] if _is_much(found.ratio) else []
        elif found.ratio.is_claim and found.ratio.high < NO_FASTER_BELOW:
            stuck.append(entry)
    return faster, stuck


def _is_more(found: Decided) -> bool:
    return found.decision.finding is Finding.MORE


def _is_much(ratio: Ratio) -> bool:
    return ratio.low > NO_FASTER_BELOW


def _is_one_thread(group: Sequence[Entry]) -> bool:
    return all(entry.pool in _ONE_THREAD for entry in group)


def _whose(group: Sequence[Entry]) -> str:
    return "its" if len({entry.pool for entry in group}) == 1 else "their"


def _does(gain: Decided) -> str:
    return f"{gain.contender} does {claim(gain.ratio, of=gain.against)}"
