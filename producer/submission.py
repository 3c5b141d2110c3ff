"""What a person asks for on the command line, read and checked as a whole."""

from __future__ import annotations

import itertools
import math
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from poolbench.calibration import message_parameters
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import JOB_KINDS, JobKind, parse_parameters, rough_job_s
from poolbench.keys import check_name
from poolbench.pools import POOLS, available_pools
from poolbench.records import TrialPlan
from producer.arrivals import ARRIVALS, MAX_COUNT, Schedule, check, schedule
from producer.ways import ShapeParameter, option_of

#: The word for every pool, one after the other.
ALL = "all"

#: Jobs where nothing tells how many.
DEFAULT_COUNT = 100

#: Longest span that a person may set, seconds: a week.
MAX_SPAN_S = 604_800.0

_SHAPE_PARAMETERS: dict[str, ShapeParameter] = {
    parameter.name: parameter for way in ARRIVALS.values() for parameter in way.parameters
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The options as they were written; an empty one was left out."""

    pool: str = ""
    job: str = ""
    count: str = ""
    rate: str = "0"
    arrivals: str = ""
    #: What the arrivals take besides, by the parameter's name.
    shape: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[str] = ()
    seed: str = "1"
    run: str = ""
    timeout: str = ""
    stall: str = ""
    waits: bool = False
    is_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A run as it was asked for: the same jobs to each of its pools."""

    run: str
    #: In the order in which they get their jobs.
    pools: tuple[str, ...]
    #: Whether pools are compared, one after the other.
    is_comparison: bool
    kind: JobKind
    #: As a person gives them.
    parameters: Mapping[str, int | float]
    #: How many jobs, and how they arrive.
    schedule: Schedule
    seed: int
    #: Whether to follow the run until its ledger closes.
    waits: bool
    #: Whether to send even if no worker listens.
    is_forced: bool
    #: How long to follow a run after its jobs were sent, seconds; None: until it ends or stalls.
    timeout_s: float | None
    #: How long nothing may end until the run counts as stalled, seconds; None: by the job's length.
    stall_s: float | None

    @property
    def count(self) -> int:
        """Return the number of jobs for each pool."""
        return self.schedule.count

    @property
    def job_s(self) -> float:
        """Return about how long one job takes alone, seconds."""
        return rough_job_s(self.kind, self.parameters)

    def offsets_s(self) -> Sequence[float]:
        """Draw when the jobs are due: the same for each pool."""
        return self.schedule.draw(self.seed)

    def plans(
        self, slots: Mapping[str, int], *, calibration: Mapping[str, float]
    ) -> list[TrialPlan]:
        """Return a trial for each pool; ``slots`` by pool, as its workers tell.

        Raises:
            StackError: if the calibration lacks a kind whose work is given as a time.
        """
        parameters = message_parameters(self.kind, self.parameters, calibration=calibration)
        moves = self._moves()
        return [
            TrialPlan(
                trial=index,
                contender=pool,
                pool=pool,
                slots=slots[pool],
                kind=self.kind.name,
                parameters=parameters,
                arrivals=self.schedule.arrivals,
                rate_per_s=self.schedule.mean_per_s,
                count=self.count,
                **moves,
            )
            for index, pool in enumerate(self.pools)
        ]

    def _moves(self) -> dict[str, Any]:
        """Return what a plan says where the rate moves."""
        if not self.schedule.shape:
            return {}
        table = self.schedule.as_table()
        shape = {name: table[name] for name in table if name not in {"how", "count"}}
        gaps_s = (after - before for before, after in itertools.pairwise(self.offsets_s()))
        return {"shape": shape, "longest_gap_s": max(gaps_s, default=0.0)}


def read_submission(words: Words) -> Submission:
    """Return the submission that the options mean.

    Raises:
        UsageError: with every fault of every option.
    """
    reading = _Reading()
    pools = reading.pools(words.pool)
    kind, parameters = reading.job(words)
    schedule = reading.schedule(words)
    seed = reading.whole("--seed", words.seed, low=0, high=2**63 - 1)
    submission = Submission(
        run=reading.run(words.run),
        pools=tuple(random.Random(seed).sample(pools, k=len(pools))),
        is_comparison=words.pool == ALL,
        kind=kind,
        parameters=parameters,
        schedule=schedule,
        seed=seed,
        waits=words.waits or words.pool == ALL,
        is_forced=words.is_forced,
        timeout_s=reading.span_s("--timeout", words.timeout),
        stall_s=reading.span_s("--stall", words.stall),
    )
    if reading.faults:
        raise UsageError(*reading.faults)
    return submission


def new_run_name() -> str:
    """Return a run id that sorts by time and doesn't repeat."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _arrivals_meant(rate_per_s: float, shape: Mapping[str, str]) -> str:
    """Return the arrivals of options that don't name them."""
    for way in ARRIVALS.values():
        if any(parameter.name in shape for parameter in way.parameters):
            return way.name
    return "constant" if rate_per_s else "burst"


class _Reading:
    """Reads options one by one; a fault is kept and a stand-in returned, so that all are found."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def pools(self, word: str) -> tuple[str, ...]:
        names = tuple(pool.name for pool in available_pools())
        if word == ALL:
            return names
        if not word:
            self._missing("--pool", among=[*names, ALL])
        elif word not in POOLS:
            remedy = nearest(word, among=[*names, ALL])
            self._add(Fault(problem="unknown pool", seen=word, remedy=remedy), where="--pool")
        elif word not in names:
            remedy = f"use one of {', '.join([*names, ALL])}"
            self._add(Fault(problem="pool not built yet", seen=word, remedy=remedy), where="--pool")
        return (word,)

    def job(self, words: Words) -> tuple[JobKind, Mapping[str, int | float]]:
        stand_in = next(iter(JOB_KINDS.values()))
        if not words.job:
            self._missing("--job", among=JOB_KINDS)
            return stand_in, {}
        given = self._pairs(words.parameters)
        if words.job not in JOB_KINDS:
            remedy = nearest(words.job, among=JOB_KINDS)
            self._add(
                Fault(problem="unknown job kind", seen=words.job, remedy=remedy), where="--job"
            )
            return stand_in, {}
        kind = JOB_KINDS[words.job]
        try:
            return kind, parse_parameters(kind, given)
        except UsageError as error:
            self._add(*error.faults, where="--param")
            return kind, {}

    def schedule(self, words: Words) -> Schedule:
        stand_in = Schedule(arrivals="burst", count=1, rate_per_s=0.0, shape={})
        count = self._count(words)
        before = len(self.faults)
        rate_per_s = self._number("--rate", words.rate, unit="jobs per second")
        shape = {name: self._shape_value(name, word) for name, word in words.shape.items()}
        is_read = len(self.faults) == before
        name = words.arrivals or _arrivals_meant(rate_per_s, words.shape)
        faults = check(name, count=count, rate_per_s=rate_per_s, shape=shape)
        for fault in faults:
            # a fault of what stands in for a number is no news
            if is_read or fault.where in {"arrivals", "count"}:
                self._add(fault, where=option_of(fault.where))
        if faults or not is_read:
            return stand_in
        return schedule(name, count=count, rate_per_s=rate_per_s, shape=shape)

    def _count(self, words: Words) -> int | None:
        """Return the count, or None where a shape's span tells it."""
        spans = {way.span for way in ARRIVALS.values() if way.span}
        if not words.count:
            return None if spans & set(words.shape) else DEFAULT_COUNT
        return self.whole("--count", words.count, low=1, high=MAX_COUNT)

    def _shape_value(self, name: str, word: str) -> float | list[float]:
        unit = _SHAPE_PARAMETERS[name].help
        if not _SHAPE_PARAMETERS[name].is_list:
            return self._number(option_of(name), word, unit=unit)
        return [self._number(option_of(name), part, unit=unit) for part in word.split(",")]

    def run(self, word: str) -> str:
        try:
            return check_name(word, what="name of a run") if word else new_run_name()
        except UsageError as error:
            self._add(*error.faults, where="--run")
            return ""

    def span_s(self, option: str, word: str) -> float | None:
        if not word:
            return None
        span_s = self._number(option, word, unit="seconds", stand_in=1.0)
        if not 0 < span_s <= MAX_SPAN_S:
            remedy = f"it takes seconds above 0, {MAX_SPAN_S:.0f} at most"
            self._add(Fault(problem="out of bounds", seen=word, remedy=remedy), where=option)
        return span_s

    def whole(self, option: str, word: str, *, low: int, high: int) -> int:
        remedy = f"it takes a whole number from {low} to {high}"
        try:
            value = int(word)
        except ValueError:
            self._add(
                Fault(problem="no whole number", seen=repr(word), remedy=remedy), where=option
            )
            return low
        if not low <= value <= high:
            self._add(Fault(problem="out of bounds", seen=word, remedy=remedy), where=option)
            return low
        return value

    def _number(self, option: str, word: str, *, unit: str, stand_in: float = 0.0) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            fault = Fault(problem="no number", seen=repr(word), remedy=f"it takes {unit}")
            self._add(fault, where=option)
            return stand_in
        return value

    def _pairs(self, words: Sequence[str]) -> dict[str, str]:
        given: dict[str, str] = {}
        for word in words:
            name, sign, value = word.partition("=")
            if not (sign and name and value):
                fault = Fault(problem="no pair", seen=repr(word), remedy="write name=value")
                self._add(fault, where="--param")
            elif name in given:
                fault = Fault(problem="given twice", seen=name, remedy="give each name once")
                self._add(fault, where="--param")
            else:
                given[name] = value
        return given

    def _missing(self, option: str, *, among: Sequence[str] | Mapping[str, object]) -> None:
        self._add(Fault(problem="missing", remedy=f"use one of {', '.join(among)}"), where=option)

    def _add(self, *faults: Fault, where: str = "") -> None:
        self.faults += [replace(fault, where=where or fault.where) for fault in faults]
