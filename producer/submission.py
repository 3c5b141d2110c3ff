"""What a person asks for on the command line, read and checked as a whole."""

from __future__ import annotations

import math
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poolbench.calibration import message_parameters
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import JOB_KINDS, JobKind, parse_parameters, rough_job_s
from poolbench.keys import check_name
from poolbench.pools import POOLS, available_pools
from poolbench.records import TrialPlan
from producer.arrivals import MAX_COUNT, check, draw

#: The word for every pool, one after the other.
ALL = "all"

#: Longest span that a person may set, seconds: a week.
MAX_SPAN_S = 604_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The options as they were written; an empty one was left out."""

    pool: str = ""
    job: str = ""
    count: str = "100"
    rate: str = "0"
    arrivals: str = ""
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
    count: int
    arrivals: str
    rate_per_s: float
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
    def job_s(self) -> float:
        """Return about how long one job takes alone, seconds."""
        return rough_job_s(self.kind, self.parameters)

    def offsets_s(self) -> Sequence[float]:
        """Draw when the jobs are due: the same for each pool."""
        return draw(self.arrivals, count=self.count, rate_per_s=self.rate_per_s, seed=self.seed)

    def plans(
        self, slots: Mapping[str, int], *, calibration: Mapping[str, float]
    ) -> list[TrialPlan]:
        """Return a trial for each pool; ``slots`` by pool, as its workers tell.

        Raises:
            StackError: if the calibration lacks a kind whose work is given as a time.
        """
        parameters = message_parameters(self.kind, self.parameters, calibration=calibration)
        return [
            TrialPlan(
                trial=index,
                contender=pool,
                pool=pool,
                slots=slots[pool],
                kind=self.kind.name,
                parameters=parameters,
                arrivals=self.arrivals,
                rate_per_s=self.rate_per_s,
                count=self.count,
            )
            for index, pool in enumerate(self.pools)
        ]


def read_submission(words: Words) -> Submission:
    """Return the submission that the options mean.

    Raises:
        UsageError: with every fault of every option.
    """
    reading = _Reading()
    pools = reading.pools(words.pool)
    kind, parameters = reading.job(words)
    arrivals, count, rate_per_s = reading.arrivals(words)
    seed = reading.whole("--seed", words.seed, low=0, high=2**63 - 1)
    submission = Submission(
        run=reading.run(words.run),
        pools=tuple(random.Random(seed).sample(pools, k=len(pools))),
        is_comparison=words.pool == ALL,
        kind=kind,
        parameters=parameters,
        count=count,
        arrivals=arrivals,
        rate_per_s=rate_per_s,
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

    def arrivals(self, words: Words) -> tuple[str, int, float]:
        count = self.whole("--count", words.count, low=1, high=MAX_COUNT)
        before = len(self.faults)
        rate_per_s = self._number("--rate", words.rate, unit="jobs per second")
        is_rate_read = len(self.faults) == before
        name = words.arrivals or ("constant" if rate_per_s else "burst")
        for fault in check(name, count=count, rate_per_s=rate_per_s):
            # a fault of the stand-in is no news
            if is_rate_read or fault.where != "rate":
                self._add(fault, where=f"--{fault.where}")
        return name, count, rate_per_s

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
