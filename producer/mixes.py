"""Draws the part of each job of a mix, from the shares and a seed. Pure.

A mix has named parts (``short``, ``long``: job kinds with their parameters) and a share for each.
The order is that of shuffled decks, each with the parts in their shares, so that it is random and
trials of different length have the same mix. If each job were drawn on its own, a trial of 200 jobs
with 10 % long ones would have 20 ± 4 of them, and contenders would get different amounts of work.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Mapping, Sequence

from poolbench.errors import Fault

#: Jobs of a deck: within it the order is random.
DECK = 100

#: Most parts of a mix.
MAX_PARTS = 100

#: Largest deviation of the sum of all shares from 1: a third may be written as 0.333.
SUM_TOLERANCE = 0.01


def draw_parts(shares: Mapping[str, float], *, count: int, seed: int) -> array[int]:
    """Return the part of each job, as an index into ``shares``, which `check_shares` has checked.

    A shorter draw is the beginning of a longer one. After each whole deck, the count of a part
    deviates from its share by fewer jobs than there are parts.
    """
    # another random stream than that of the due times, so that the two are independent
    source = random.Random(f"mix {seed}")
    strides = [1 / share for share in shares.values()]
    # the position of each part's next job, if its jobs were evenly spaced
    turns = [(stride / 2, part) for part, stride in enumerate(strides)]
    heapq.heapify(turns)
    parts = array("H")
    while len(parts) < count:
        deck = []
        for _ in range(DECK):
            at, part = turns[0]
            heapq.heapreplace(turns, (at + strides[part], part))
            deck.append(part)
        source.shuffle(deck)
        parts.extend(deck)
    return parts[:count]


def draw_in_sequence(groups: Sequence[Sequence[float]], *, count: int, seed: int) -> array[int]:
    """Return the part of each job, where each group of parts is sent after the one before it.

    Args:
        groups: the shares of each group's parts; all of them add up to about 1.
        count: the number of jobs.
        seed: of the random order within each group.
    """
    whole = sum(map(sum, groups))
    parts, first, done = array("H"), 0, 0.0
    for shares in groups:
        done += sum(shares)
        jobs = round(count * done / whole) - len(parts)
        named = {str(number): share for number, share in enumerate(shares)}
        drawn = draw_parts(named, count=jobs, seed=seed)
        parts.extend(first + part for part in drawn)
        first += len(shares)
    return parts


def check_shares(shares: Mapping[str, float]) -> list[Fault]:
    """Return the faults of a mix's shares together; each share is above 0 and at most 1."""
    whole = sum(shares.values())
    if not 1 <= len(shares) <= MAX_PARTS:
        problem = f"a mix must have 1 to {MAX_PARTS} parts"
        return [Fault(problem=problem, seen=str(len(shares)))]
    if abs(whole - 1) > SUM_TOLERANCE:
        seen = f"{' + '.join(f'{share:g}' for share in shares.values())} = {whole:g}"
        return [Fault(problem="the shares must sum to 1", seen=seen)]
    return []
