"""Draws which part of a mix each job is: pure, by share, and the same for the same seed.

A mix has named parts (``short``, ``long``: job kinds with their parameters) and a share for each.
Jobs come as from shuffled decks, each with the parts in their shares: the order is random, and yet
trials of different length have the same mix. Drawn job by job, a trial of 200 jobs with a tenth
long ones would have 20 ± 4 of them, and some contenders more work than others.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Mapping

from poolbench.errors import Fault

#: Jobs of a deck: within it the order is random.
DECK = 100

#: Most parts of a mix.
MAX_PARTS = 100

#: Shares may miss 1 by so much: a third is written 0.333.
SUM_TOLERANCE = 0.01


def draw_parts(shares: Mapping[str, float], *, count: int, seed: int) -> array[int]:
    """Return which part each job is, as an index into ``shares`` in their order, as checked.

    A longer draw begins with the shorter. After each whole deck, the count of a part is off its
    share by fewer jobs than there are parts.
    """
    # of another stream than the due times of the same seed, lest long jobs go with long gaps
    source = random.Random(f"mix {seed}")
    strides = [1 / share for share in shares.values()]
    # when each part has its next turn, if its turns lay evenly in time
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


def check_shares(shares: Mapping[str, float]) -> list[Fault]:
    """Return what is wrong with the shares of a mix together; each is above 0 and at most 1."""
    whole = sum(shares.values())
    if not 1 <= len(shares) <= MAX_PARTS:
        problem, remedy = "parts of a mix out of bounds", f"it takes 1 to {MAX_PARTS}"
        return [Fault(problem=problem, seen=str(len(shares)), remedy=remedy)]
    if abs(whole - 1) > SUM_TOLERANCE:
        seen = f"{' + '.join(f'{share:g}' for share in shares.values())} = {whole:g}"
        remedy = "each is above 0, and together they are 1"
        return [Fault(problem="shares that don't make 1", seen=seen, remedy=remedy)]
    return []
