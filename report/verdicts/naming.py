"""How sentences, tables and charts call contenders."""

from __future__ import annotations

import re
from collections.abc import Sequence

from poolbench.pools import POOLS
from report import format as fmt
from report.result import RowSummary
from report.rows.comparable import Entry
from report.verdicts.ranking import Ranking

#: A contender's name that shows by itself that there is no GIL.
_TELLS_NO_GIL = re.compile(r"no-?gil|free")


def names(group: Sequence[Entry], *, ranking: Ranking) -> str:
    """Return a pool's name where all of its ranked contenders are in the group, else their own."""
    words: list[str] = []
    for entry in sorted(group, key=_place):
        family = [other for other in ranking.entries if other.family == entry.family]
        is_whole = all(other in group for other in family)
        words.append(_family(entry) if is_whole else entry.contender)
    return fmt.listed(list(dict.fromkeys(words)))


def subject(
    group: Sequence[Entry], *, ranking: Ranking, verbs: tuple[str, str] = ("is", "are")
) -> str:
    """Return the group's names as a sentence begins: ``Threads and gevent are``."""
    text = names(group, ranking=ranking)
    start = capitalized(text)
    is_one = " and " not in text and start == text
    return f"{start} {verbs[0] if is_one else verbs[1]}"


def capitalized(text: str) -> str:
    """Return ``text`` as a sentence begins: threads are a word, other names stay as they are."""
    word = text.partition(",")[0].partition(" ")[0]
    return f"Threads{text.removeprefix(word)}" if word == "threads" else text


def sized(entry: Entry, *, ranking: Ranking) -> str:
    """Return the contender's name, with its slots where they differ and it doesn't show them."""
    sizes = {other.slots for other in ranking.entries if other.slots > 1}
    is_told = entry.slots == 1 or len(sizes) < 2 or tells_slots(entry.contender, slots=entry.slots)
    return entry.contender if is_told else f"{entry.contender} ({entry.slots} slots)"


def tells_slots(name: str, *, slots: int) -> bool:
    """Return whether a contender's name shows how many slots it has."""
    return str(slots) in name.split("-")


def label(row: RowSummary, *, has_slots: bool = True) -> str:
    """Return a row's contender with what its name doesn't show: slots, and that it has no GIL."""
    name, slots = row.contender, row.slots
    is_sized = not has_slots or slots == 1 or tells_slots(name, slots=slots)
    sized_name = name if is_sized else f"{name} ({slots})"
    is_told = not row.is_without_gil or _TELLS_NO_GIL.search(name)
    return sized_name if is_told else f"{sized_name}, no GIL"


def _family(entry: Entry) -> str:
    return f"{entry.pool} without the GIL" if entry.is_freed else entry.pool


def _place(entry: Entry) -> tuple[int, bool, int]:
    order = list(POOLS)
    place = order.index(entry.pool) if entry.pool in order else len(order)
    return place, entry.is_freed, entry.slots
