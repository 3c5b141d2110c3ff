"""How sentences call contenders: by the pool's name where all of its contenders are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from poolbench.pools import POOLS
from report import format as fmt
from report.ranking import Entry, Ranking

#: The word where a sentence begins with it, and not a contender's name.
_THREADS = re.compile(r"^threads\b(?!-)")


def names(group: Sequence[Entry], *, ranking: Ranking) -> str:
    """Return a pool's name where all of its ranked contenders are in the group, else their own."""
    words: list[str] = []
    for entry in sorted(group, key=_place):
        of_pool = [other for other in ranking.entries if other.pool == entry.pool]
        is_whole = all(other in group for other in of_pool)
        words.append(entry.pool if is_whole else entry.contender)
    return fmt.listed(list(dict.fromkeys(words)))


def subject(group: Sequence[Entry], *, ranking: Ranking) -> str:
    """Return the group's names as a sentence begins: ``Threads and gevent are``."""
    text = names(group, ranking=ranking)
    is_one = " and " not in text and text != "threads"
    return f"{capitalized(text)} {'is' if is_one else 'are'}"


def capitalized(text: str) -> str:
    """Return ``text`` as a sentence begins: threads are a word, other names stay as they are."""
    return _THREADS.sub("Threads", text)


def sized(entry: Entry, *, ranking: Ranking) -> str:
    """Return the contender's name, with its slots where they differ and it doesn't tell."""
    sizes = {other.slots for other in ranking.entries if other.slots > 1}
    is_told = entry.slots == 1 or len(sizes) < 2 or entry.contender.endswith(f"-{entry.slots}")
    return entry.contender if is_told else f"{entry.contender} ({entry.slots} slots)"


def _place(entry: Entry) -> tuple[int, int]:
    order = list(POOLS)
    return order.index(entry.pool) if entry.pool in order else len(order), entry.slots
