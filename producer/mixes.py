"""A mix: the parts of the jobs of a trial, and their draw from shares and a seed. Pure.

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
from dataclasses import dataclass, field
from itertools import accumulate

from poolbench.errors import Fault
from poolbench.job_options import JobOptions

#: Jobs of a deck: within it the order is random.
DECK = 100

#: Most parts of a mix.
MAX_PARTS = 100

#: Largest deviation of the sum of all shares from 1: a third may be written as 0.333.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPart:
    """The jobs of one part of a mix that end alike."""

    #: Sent in the job's header, so that its record contains it.
    name: str
    kind: str
    parameters: Mapping[str, int | float]
    #: All of the jobs fail, all are retried, or none: the shares are 0 or 1.
    options: JobOptions = field(default_factory=JobOptions)
    #: File of the messages of a user's task (`producer.captured.AppMessage`), which are sent in
    #: turn; empty for Poolbench's own kinds.
    messages: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixCanvas:
    """The jobs of several executions that have the same shape."""

    #: ``chain``, ``group`` or ``chord``.
    shape: str
    #: The executions of a job; the last one of a chord is its body. All have the same queue.
    steps: tuple[MixPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixStandIns:
    """The stand-ins of one recorded task that have the same options; each has its own numbers."""

    #: Sent in the job's header, so that its record contains it.
    name: str
    #: All of the jobs fail in the end, or none; the other numbers are those of each job.
    options: JobOptions = field(default_factory=JobOptions)
    #: Attempts of each job: more than one if it was retried.
    attempts: int
    #: Whether each job has a countdown.
    has_countdown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The part of each job of a trial."""

    parts: tuple[MixPart | MixCanvas | MixStandIns, ...]
    #: By job, an index into ``parts``; at least as long as the trial has jobs.
    order: Sequence[int]
    #: By queue, if they are not kombu's: the priorities that have a list of their own in Redis,
    #: ascending. They are the consumer's setting ``priority_steps``.
    priority_steps: Mapping[str, Sequence[int]] = field(default_factory=dict)
    #: Whether queues have their names as they are, in a database of a user's app.
    has_plain_queues: bool = False
    #: By job, the numbers of a stand-in; empty without any: its countdown in seconds, the size of
    #: its message's body in bytes, and the values of `poolbench.jobs.SEGMENTS` for each attempt,
    #: each after the first with its countdown before it.
    numbers: Sequence[Sequence[float]] = ()

    @property
    def first_seqs(self) -> Sequence[int]:
        """Return the seq of the first execution of each job, and then the number of executions."""
        if not any(isinstance(part, MixCanvas) for part in self.parts):
            return range(len(self.order) + 1)
        counts = [len(one.steps) if isinstance(one, MixCanvas) else 1 for one in self.parts]
        return [*accumulate((counts[place] for place in self.order), initial=0)]


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
