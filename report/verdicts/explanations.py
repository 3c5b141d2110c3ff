"""What a kind of work does to the pools, said only as far as this run's intervals show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.jobs import JOB_KINDS, WorkClass
from report import format as fmt
from report.rows.comparable import Entry
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import Finding
from report.verdicts import naming
from report.verdicts.ranking import Ranking

#: Pools whose slots share one interpreter, so that its GIL, or its one thread, is theirs too.
_SHARED_INTERPRETER = frozenset({"threads", "gevent", "asyncio"})

#: "Faster than one" is said of an interval that lies above this, "no faster" of one that reaches
#: down to one and ends below it; of any other, nothing. So a gain of a few per cent is not taught
#: as beating the GIL, and neither is chance where several are held against solo, whose intervals
#: are each of 95 %. A second core would give up to 2.
NO_FASTER_BELOW = 1.2


#: One job alone is said to cost more CPU without the GIL, or less, where the interval lies beyond
#: this factor, or below its inverse: a per cent is clear of 1 in a quiet run, and no price.
PRICE_FROM = 1.05

#: Pools whose jobs all run in one thread.
_ONE_THREAD = frozenset({"gevent", "asyncio"})

#: From this part of the time on that jobs held an event loop, the verdict says so.
BLOCKED_SHARE = 0.1

#: From this part of a core on, what one job after another computes is named as the cause.
_BUSY_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Contenders by what their interval against solo says; some are in neither."""

    #: By more than a few per cent.
    faster: tuple[Entry, ...]
    #: No faster than solo, or slower.
    stuck: tuple[Entry, ...]


def lesson(ranking: Ranking, *, kind: str) -> str:
    """Return a sentence or two, or nothing where the run shows nothing.

    Without solo, or for a kind that this version doesn't know, there is nothing to say.
    """
    if ranking.baseline is None or ranking.baseline.pool != "solo" or kind not in JOB_KINDS:
        return ""
    work = JOB_KINDS[kind].work_class
    if work is WorkClass.HOLDS_GIL:
        sentences = _held(ranking, kind=kind)
    elif work is WorkClass.RELEASES_GIL:
        sentences = _released(ranking, kind=kind)
    elif work is WorkClass.BLOCKS_LOOP:
        sentences = _blocking(ranking, kind=kind)
    elif work is WorkClass.BOTH:
        sentences = _both(ranking, kind=kind)
    else:
        sentences = _overlapped(ranking)
    return " ".join(f"{sentence}." for sentence in sentences)


def held_loop(ranking: Ranking, *, kind: str) -> str:
    """Return what jobs did to asyncio's event loop, or nothing; a count, so one block is enough."""
    shares = [entry.blocked_share for entry in ranking.entries if entry.blocked_share is not None]
    most = max(shares, default=0.0)
    if most < BLOCKED_SHARE:
        return ""
    return (
        f"`{kind}` blocks asyncio's loop: for {fmt.percent(most)} of the time one job held it, "
        "and nobody else ran."
    )


def _held(ranking: Ranking, *, kind: str) -> list[str]:
    found = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=False)
    sentences = []
    if found.faster:
        who = naming.subject(found.faster, ranking=ranking)
        sentences.append(f"{who} faster than one at a time for `{kind}`")
    if found.stuck:
        cause = _cause(found.stuck, ranking=ranking)
        sentences.append(f"{_stuck(found.stuck, ranking=ranking)} for `{kind}`{cause}")
    return [*sentences, *_freed(ranking, where="" if sentences else f" for `{kind}`")]


def _released(ranking: Ranking, *, kind: str) -> list[str]:
    found = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=False)
    threads = [entry for entry in found.faster if entry.pool == "threads"]
    sentences = []
    if threads:
        who = naming.capitalized(naming.names(threads, ranking=ranking))
        sentences.append(
            f"{who} run side by side for `{kind}`, which lets go of the GIL while it computes"
        )
    if found.stuck:
        is_one_thread = {entry.pool for entry in found.stuck} <= _ONE_THREAD
        cause = (
            f": {_whose(found.stuck)} jobs share one thread" if is_one_thread and threads else ""
        )
        where = "" if threads else f" for `{kind}`"
        sentences.append(f"{_stuck(found.stuck, ranking=ranking)}{where}{cause}")
    where = " too" if threads else "" if sentences else f" for `{kind}`"
    return [*sentences, *_freed(ranking, where=where)]


def _freed(ranking: Ranking, *, where: str) -> list[str]:
    """Say what jobs do that share an interpreter without the GIL, and what that costs each.

    ``where`` ends the first clause: the kind, if no sentence before has named it.
    """
    found = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=True)
    gains = {
        entry.contender: gain
        for entry in ranking.entries
        if entry.is_freed and (gain := _gain(entry, ranking=ranking)) and gain.is_claim
    }
    overlapping = [
        entry
        for entry in ranking.entries
        if entry in found.faster
        or (entry.contender in gains and gains[entry.contender].low > NO_FASTER_BELOW)
    ]
    stuck = [entry for entry in found.stuck if entry not in overlapping]
    sentences = []
    if overlapping:
        start = naming.subject(overlapping, ranking=ranking, verbs=("runs", "run"))
        figure = _against_own_pool(overlapping[0], ranking=ranking)
        sentences.append(f"{start} side by side{where}{figure}")
    if stuck:
        sentences.append(f"{_stuck(stuck, ranking=ranking)}{where.removesuffix(' too')}")
    return [*sentences, *_price(ranking)]


def _gain(entry: Entry, *, ranking: Ranking) -> Ratio | None:
    """Return how many times the same pool with the GIL, at the same slots, it did."""
    sibling = _sibling(entry, ranking=ranking)
    theirs = sibling.contender if sibling else ""
    return ranking.pairs.ratio(entry.contender, theirs=theirs)


def _sibling(entry: Entry, *, ranking: Ranking) -> Entry | None:
    siblings = (
        other
        for other in ranking.entries
        if (other.pool, other.slots, other.is_freed) == (entry.pool, entry.slots, False)
    )
    return next(siblings, None)


def _against_own_pool(entry: Entry, *, ranking: Ranking) -> str:
    """Return what the entry does beside the same pool with the GIL, where that is more."""
    sibling, gain = _sibling(entry, ranking=ranking), _gain(entry, ranking=ranking)
    if sibling is None or gain is None or not _is_more(entry, theirs=sibling, ranking=ranking):
        return ""
    figure = fmt.interval(gain.low, high=gain.high)
    return f": {entry.contender} does {fmt.times(gain.value)} {sibling.contender} {figure}"


def _price(ranking: Ranking) -> list[str]:
    """Say what one job alone costs without the GIL, where that differs; measured beside trials."""
    freed = next((entry for entry in ranking.entries if entry.is_freed), None)
    baseline = ranking.baseline
    if freed is None or baseline is None or baseline.is_freed:
        return []
    price = paired_ratio(freed.gauged_s, theirs=baseline.gauged_s)
    if price is None or not price.is_claim:
        return []
    if price.low < PRICE_FROM and price.high > 1 / PRICE_FROM:
        return []
    figure = f"{fmt.times(price.value)} {fmt.interval(price.low, high=price.high)}"
    return [f"One job alone takes {figure} the CPU time in the Python without the GIL"]


def _overlapped(ranking: Ranking) -> list[str]:
    found = _all(ranking)
    if not found.faster:
        return []
    said = "While one job waits, others run"
    if not found.stuck:
        return [said]
    return [f"{said} {_in_whom(found, ranking=ranking)}{_computing(ranking)}"]


def _blocking(ranking: Ranking, *, kind: str) -> list[str]:
    """Say who goes on while a job reads and writes; the one thread is blamed if threads went on."""
    found = _all(ranking)
    if not found.faster:
        return [f"{_stuck(found.stuck, ranking=ranking)} for `{kind}`"] if found.stuck else []
    said = "While one job reads and writes, others run"
    if not found.stuck:
        return [said]
    is_one_thread = {entry.pool for entry in found.stuck} <= _ONE_THREAD
    has_threads = any(entry.pool == "threads" for entry in found.faster)
    cause = ""
    if is_one_thread and has_threads:
        cause = f": it blocks the one thread that all {_whose(found.stuck)} jobs share"
    return [f"{said} {_in_whom(found, ranking=ranking)}{cause}"]


def _both(ranking: Ranking, *, kind: str) -> list[str]:
    """Say what overlaps of a job that waits and computes."""
    found = _split(ranking, pools=_SHARED_INTERPRETER, is_freed=False)
    sentences = []
    if found.faster:
        computing = _side_by_side(found.faster[0], ranking=ranking)
        sentences.append(f"While one job waits, others run{computing}")
    if found.stuck:
        cause = _cause(found.stuck, ranking=ranking)
        sentences.append(f"{_stuck(found.stuck, ranking=ranking)} for `{kind}`{cause}")
    return [*sentences, *_freed(ranking, where="" if sentences else f" for `{kind}`")]


def _side_by_side(shared: Entry, *, ranking: Ranking) -> str:
    """Return what processes do beside the best that shares an interpreter, if much more."""
    prefork = next((entry for entry in ranking.entries if entry.pool == "prefork"), None)
    if prefork is None or not _is_more(prefork, theirs=shared, ranking=ranking):
        return ""
    gain = ranking.pairs.ratio(prefork.contender, theirs=shared.contender)
    if gain is None or gain.low <= NO_FASTER_BELOW:
        return ""
    figure = f"{fmt.times(gain.value)} {shared.contender} {fmt.interval(gain.low, high=gain.high)}"
    return f"; while one computes, others run in prefork: {prefork.contender} does {figure}"


def _all(ranking: Ranking) -> _Split:
    return _split(ranking, pools={entry.pool for entry in ranking.entries}, is_freed=None)


def _in_whom(found: _Split, *, ranking: Ranking) -> str:
    faster = naming.names(found.faster, ranking=ranking)
    return f"in {faster}, but not in {naming.names(found.stuck, ranking=ranking)}"


def _computing(ranking: Ranking) -> str:
    """Name the cause where one job after another computed most of the time."""
    busy_cores = ranking.baseline.busy_cores if ranking.baseline else None
    if busy_cores is None or busy_cores < _BUSY_SHARE:
        return ""
    share = fmt.percent(min(1.0, busy_cores))
    return f": one after the other they already compute for {share} of the time"


def _stuck(group: Sequence[Entry], *, ranking: Ranking) -> str:
    is_slower = all(_shows(entry, Finding.LESS, ranking=ranking) for entry in group)
    verb = "slower than one at a time" if is_slower else "no faster than one"
    return f"{naming.subject(group, ranking=ranking)} {verb}"


def _cause(stuck: Sequence[Entry], *, ranking: Ranking) -> str:
    """Name the cause only where an interpreter for each slot was seen to help."""
    if not _split(ranking, pools={"prefork"}, is_freed=False).faster:
        return ""
    if any(entry.pool == "threads" for entry in stuck):
        return ": the GIL lets one run at a time"
    return f": all {_whose(stuck)} jobs share one thread"


def _whose(group: Sequence[Entry]) -> str:
    return "its" if len({entry.pool for entry in group}) == 1 else "their"


def _split(ranking: Ranking, *, pools: set[str] | frozenset[str], is_freed: bool | None) -> _Split:
    """Sort out the contenders of these pools that have several slots.

    ``is_freed`` takes those without the GIL, or those with it; None takes both. Where solo itself
    ran without the GIL, nothing is learned of those that hold one.
    """
    if is_freed is False and ranking.baseline is not None and ranking.baseline.is_freed:
        return _Split(faster=(), stuck=())
    ratios = [
        (entry, ranking.to_baseline[entry.contender])
        for entry in ranking.entries
        if entry.pool in pools
        and entry.slots > 1
        and entry.contender in ranking.to_baseline
        and is_freed in (entry.is_freed, None)
    ]
    return _Split(
        faster=tuple(
            entry
            for entry, ratio in ratios
            if ratio.low > NO_FASTER_BELOW and _shows(entry, Finding.MORE, ranking=ranking)
        ),
        stuck=tuple(
            entry
            for entry, ratio in ratios
            if ratio.is_claim
            and ratio.high < NO_FASTER_BELOW
            and not _shows(entry, Finding.MORE, ranking=ranking)
        ),
    )


def _shows(entry: Entry, finding: Finding, *, ranking: Ranking) -> bool:
    """Return whether that is what a contender beside the baseline shows."""
    found = ranking.decide(entry, theirs=ranking.baseline)
    return found is not None and found.finding is finding


def _is_more(entry: Entry, *, theirs: Entry, ranking: Ranking) -> bool:
    found = ranking.decide(entry, theirs=theirs)
    return found is not None and found.finding is Finding.MORE
