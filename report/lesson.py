"""What a kind of work does to the pools, said only as far as this run's intervals show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.jobs import JOB_KINDS, WorkClass
from report import naming
from report.ranking import Entry, Ranking

#: Pools whose slots share one interpreter, so that its GIL, or its one thread, is theirs too.
_SHARED_INTERPRETER = frozenset({"threads", "gevent", "asyncio"})

#: "Faster than one" is said of an interval that lies above this, "no faster" of one that reaches
#: down to one and ends below it; of any other, nothing. So a gain of a few per cent is not taught
#: as beating the GIL, and neither is chance where several are held against solo, whose intervals
#: are each of 95 %. A second core would give up to 2.
NO_FASTER_BELOW = 1.2


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
    else:
        sentences = _overlapped(ranking)
    return " ".join(f"{sentence}." for sentence in sentences)


def _held(ranking: Ranking, *, kind: str) -> list[str]:
    found = _split(ranking, pools=_SHARED_INTERPRETER)
    sentences = []
    if found.faster:
        who = naming.subject(found.faster, ranking=ranking)
        sentences.append(f"{who} faster than one at a time for `{kind}`")
    if found.stuck:
        cause = _cause(found.stuck, ranking=ranking)
        sentences.append(f"{_stuck(found.stuck, ranking=ranking)} for `{kind}`{cause}")
    return sentences


def _released(ranking: Ranking, *, kind: str) -> list[str]:
    found = _split(ranking, pools=_SHARED_INTERPRETER)
    threads = [entry for entry in found.faster if entry.pool == "threads"]
    sentences = []
    if threads:
        who = naming.capitalized(naming.names(threads, ranking=ranking))
        sentences.append(
            f"{who} run side by side for `{kind}`, which lets go of the GIL while it computes"
        )
    if found.stuck:
        is_gevent = {entry.pool for entry in found.stuck} == {"gevent"}
        cause = ": its jobs share one thread" if is_gevent and threads else ""
        where = "" if threads else f" for `{kind}`"
        sentences.append(f"{_stuck(found.stuck, ranking=ranking)}{where}{cause}")
    return sentences


def _overlapped(ranking: Ranking) -> list[str]:
    found = _split(ranking, pools={entry.pool for entry in ranking.entries})
    if not found.faster:
        return []
    said = "While one job waits, others run"
    if not found.stuck:
        return [said]
    faster = naming.names(found.faster, ranking=ranking)
    stuck = naming.names(found.stuck, ranking=ranking)
    return [f"{said} in {faster}, but not in {stuck}"]


def _stuck(group: Sequence[Entry], *, ranking: Ranking) -> str:
    is_slower = all(ranking.to_baseline[entry.contender].is_less for entry in group)
    verb = "slower than one at a time" if is_slower else "no faster than one"
    return f"{naming.subject(group, ranking=ranking)} {verb}"


def _cause(stuck: Sequence[Entry], *, ranking: Ranking) -> str:
    """Name the cause only where an interpreter for each slot was seen to help."""
    is_prefork_faster = bool(_split(ranking, pools={"prefork"}).faster)
    if not is_prefork_faster or any(entry.gil_enabled is False for entry in stuck):
        return ""
    if any(entry.pool == "threads" for entry in stuck):
        return ": the GIL lets one run at a time"
    return ": all its jobs share one thread"


def _split(ranking: Ranking, *, pools: set[str] | frozenset[str]) -> _Split:
    """Sort out the contenders of these pools that have several slots."""
    ratios = [
        (entry, ranking.to_baseline[entry.contender])
        for entry in ranking.entries
        if entry.pool in pools and entry.slots > 1 and entry.contender in ranking.to_baseline
    ]
    return _Split(
        faster=tuple(
            entry for entry, ratio in ratios if ratio.is_claim and ratio.low > NO_FASTER_BELOW
        ),
        stuck=tuple(
            entry
            for entry, ratio in ratios
            if ratio.is_claim and not ratio.is_more and ratio.high < NO_FASTER_BELOW
        ),
    )
