"""Explains how a kind of job affects the pools, if this run's intervals show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from poolbench.jobs import JOB_KINDS, STAND_IN, WorkClass
from report import format as fmt
from report.legend import claim
from report.result import Decided
from report.rows.comparable import Entry
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import Finding
from report.verdicts import naming
from report.verdicts.ranking import Ranking

#: Pools whose slots share one interpreter, and with it the GIL or a single thread.
_SHARED_INTERPRETER = frozenset({"threads", "gevent", "asyncio"})

#: "Faster than one" requires an interval above this bound, "no faster" a ratio that is not proved
#: to be above 1 and an interval that ends below the bound. So the text doesn't explain a gain of a
#: few per cent as parallelism, nor chance among several intervals of 95 % each. A second core
#: would give up to 2.
NO_FASTER_BELOW = 1.2

#: The CPU time of one job without the GIL is mentioned if the interval is above this factor or
#: below its inverse. In a quiet run, even 1 % is significant, but it is irrelevant.
PRICE_FROM = 1.05

#: Work that one interpreter per slot would speed up.
_COMPUTING = frozenset({WorkClass.HOLDS_GIL, WorkClass.RELEASES_GIL, WorkClass.BOTH})

#: Pools whose jobs all run in one thread.
_ONE_THREAD = frozenset({"gevent", "asyncio"})

#: Smallest share of the time with a blocked event loop that a verdict mentions.
BLOCKED_SHARE = 0.1

#: Smallest share of a core used by solo at which a verdict names computing as the cause.
_BUSY_SHARE = 0.6


def lesson(ranking: Ranking, *, kind: str) -> str:
    """Return one or two sentences that explain the ranking; empty if the intervals show nothing.

    Also empty without solo, for an unknown kind and for stand-ins.
    """
    if ranking.baseline is None or ranking.baseline.pool != "solo" or kind not in JOB_KINDS:
        return ""
    if kind == STAND_IN:
        # what it does depends on its parameters
        return ""
    work = JOB_KINDS[kind].work_class
    describe = _describe_computing if work in _COMPUTING else _describe_waiting
    return " ".join(f"{sentence}." for sentence in describe(ranking, kind=kind, work=work))


def blocked_loop(ranking: Ranking, *, kind: str) -> str:
    """Return a sentence on the time that jobs blocked asyncio's event loop; empty if it was short.

    The time is measured directly, so one block is enough.
    """
    most = max((entry.blocked_share or 0.0 for entry in ranking.entries), default=0.0)
    if most < BLOCKED_SHARE:
        return ""
    return (
        f"`{kind}` blocks asyncio's loop: for {fmt.percent(most)} of the time one job blocked it, "
        "and no other job ran."
    )


def _describe_computing(ranking: Ranking, *, kind: str, work: WorkClass) -> list[str]:
    """Return which pools gain from slots that share an interpreter, with and without the GIL."""
    faster, stuck = _split(ranking, pools=_SHARED_INTERPRETER, without_gil=False)
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
        # name a cause only if threads or processes were measured to be faster
        processes, _ = _split(ranking, pools={"prefork"}, without_gil=False)
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
    """Return how jobs that share an interpreter without the GIL run, and what each job costs.

    ``where`` ends the first clause: the job kind, if no earlier sentence has named it.
    """
    faster, stuck = _split(ranking, pools=_SHARED_INTERPRETER, without_gil=True)
    gains = {
        entry.contender: gain
        for entry in ranking.entries
        if entry.is_without_gil and (gain := _over_own_pool(entry, ranking=ranking))
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
    """Return the comparison with the same pool with the GIL, at the same number of slots."""
    for other in ranking.entries:
        if (other.pool, other.slots, other.is_without_gil) == (entry.pool, entry.slots, False):
            return ranking.compare(entry, theirs=other)
    return None


def _price(ranking: Ranking) -> list[str]:
    """Return the relative CPU time of one job without the GIL, if it differs."""
    freed = next((entry for entry in ranking.entries if entry.is_without_gil), None)
    baseline = ranking.baseline
    if freed is None or baseline is None or baseline.is_without_gil:
        return []
    price = paired_ratio(freed.gauged_s, theirs=baseline.gauged_s)
    if price is None or not price.is_claim:
        return []
    if price.low < PRICE_FROM and price.high > 1 / PRICE_FROM:
        return []
    return [f"One job alone takes {claim(price)} the CPU time in the Python without the GIL"]


def _describe_waiting(ranking: Ranking, *, kind: str, work: WorkClass) -> list[str]:
    """Return the pools in which other jobs run while one waits, or reads and writes a disk."""
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
    """Return how much faster prefork is than ``shared``; empty if it isn't much faster."""
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
    ranking: Ranking, *, pools: Collection[str], without_gil: bool | None = None
) -> tuple[list[Entry], list[Entry]]:
    """Return the contenders of these pools that are faster than solo, and those that are not.

    Only contenders with several slots count; some are in neither list. ``without_gil`` selects
    those without the GIL or those with it; None selects both. If solo itself ran without the GIL,
    both lists are empty for contenders with the GIL.
    """
    faster: list[Entry] = []
    stuck: list[Entry] = []
    if without_gil is False and ranking.baseline is not None and ranking.baseline.is_without_gil:
        return faster, stuck
    for entry in ranking.entries:
        found = ranking.compare(entry, theirs=ranking.baseline)
        if found is None or entry.pool not in pools or entry.slots == 1:
            continue
        if without_gil not in (entry.is_without_gil, None):
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
