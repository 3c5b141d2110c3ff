"""Names of contenders in sentences, tables and charts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from poolbench.pools import POOLS
from report import format as fmt
from report.result import RowSummary
from report.rows.comparable import Entry
from report.verdicts.ranking import Ranking

#: Matches the names of contenders that already show that there is no GIL.
_SHOWS_NO_GIL = re.compile(r"no-?gil|free")


def names(group: Sequence[Entry], *, ranking: Ranking) -> str:
    """Return the group's names as a list in words.

    If all ranked contenders of a pool are in the group, the pool's name replaces theirs.
    """
    words: list[str] = []
    for entry in sorted(group, key=_place):
        family = [other for other in ranking.entries if other.family == entry.family]
        is_whole = all(other in group for other in family)
        words.append(_family(entry) if is_whole else entry.contender)
    return fmt.listed(list(dict.fromkeys(words)))


def subject(
    group: Sequence[Entry], *, ranking: Ranking, verbs: tuple[str, str] = ("is", "are")
) -> str:
    """Return the start of a sentence, with names and verb: ``Threads and gevent are``."""
    text = names(group, ranking=ranking)
    start = capitalized(text)
    is_one = " and " not in text and start == text
    return f"{start} {verbs[0] if is_one else verbs[1]}"


def capitalized(text: str) -> str:
    """Return ``text`` as the start of a sentence: only the word "threads" is capitalized."""
    word = text.partition(",")[0].partition(" ")[0]
    return f"Threads{text.removeprefix(word)}" if word == "threads" else text


def sized(entry: Entry, *, ranking: Ranking) -> str:
    """Return the contender's name, with its slots if they differ and it doesn't show them."""
    sizes = {other.slots for other in ranking.entries if other.slots > 1}
    is_clear = entry.slots == 1 or len(sizes) < 2 or shows_slots(entry.contender, slots=entry.slots)
    return entry.contender if is_clear else f"{entry.contender} ({entry.slots} slots)"


def shows_slots(name: str, *, slots: int) -> bool:
    """Return whether a contender's name shows how many slots it has."""
    return str(slots) in name.split("-")


def label(row: RowSummary, *, has_slots: bool = True) -> str:
    """Return a row's contender, with its slots and "no GIL" if the name doesn't show them."""
    name, slots = row.contender, row.slots
    is_sized = not has_slots or slots == 1 or shows_slots(name, slots=slots)
    sized_name = name if is_sized else f"{name} ({slots})"
    is_clear = not row.is_without_gil or _SHOWS_NO_GIL.search(name)
    return sized_name if is_clear else f"{sized_name}, no GIL"


def _family(entry: Entry) -> str:
    name, is_without_gil = entry.family
    return f"{name} without the GIL" if is_without_gil else name


def _place(entry: Entry) -> tuple[int, bool, int]:
    order = list(POOLS)
    place = order.index(entry.pool) if entry.pool in order else len(order)
    return place, entry.is_without_gil, entry.slots
