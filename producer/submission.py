"""The submission that the command line describes."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from poolbench.calibration import message_parameters
from poolbench.errors import UsageError
from poolbench.jobs import JobKind
from poolbench.pools import available_pools
from poolbench.records import TrialPlan
from producer.arrivals import ARRIVALS, Schedule, read_schedule

#: Word for all pools, one after the other.
ALL = "all"

#: Number of jobs if no option determines it.
DEFAULT_COUNT = 100

#: Parameters that several arrival patterns have.
_COMMON = {"count", "rate_per_s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A requested run: the same jobs for each of its pools."""

    run: str
    #: In the order in which they get their jobs.
    pools: tuple[str, ...]
    kind: JobKind
    #: Job parameters as given on the command line.
    parameters: Mapping[str, int | float]
    #: Number of jobs and their arrival pattern.
    schedule: Schedule
    seed: int = 1
    #: Whether to follow the run until its ledger closes.
    waits: bool = False
    #: Whether to send even if no worker listens.
    is_forced: bool = False
    #: Timeout for following a run after its jobs were sent, seconds.
    timeout_s: float = math.inf
    #: Time without the end of a job after which the run counts as stalled, seconds; None: from the
    #: duration of a job.
    stall_s: float | None = None

    def plans(
        self, slots: Mapping[str, int], *, calibration: Mapping[str, float]
    ) -> list[TrialPlan]:
        """Return a trial for each pool; ``slots`` by pool, as its workers report.

        Raises:
            StackError: if the calibration lacks a kind whose work is given as a time.
        """
        parameters = message_parameters(self.kind, self.parameters, calibration=calibration)
        schedule, longest_gap_s = self.schedule, 0.0
        if schedule.shape:
            dues_s = itertools.pairwise(schedule.draw(self.seed))
            longest_gap_s = max((after - before for before, after in dues_s), default=0.0)
        return [
            TrialPlan(
                trial=index,
                contender=pool,
                pool=pool,
                slots=slots[pool],
                kind=self.kind.name,
                parameters=parameters,
                arrivals=schedule.how,
                rate_per_s=schedule.mean_per_s,
                shape=schedule.shape,
                longest_gap_s=longest_gap_s,
                count=schedule.count,
            )
            for index, pool in enumerate(self.pools)
        ]


def ordered_pools(pool: str, *, seed: int) -> tuple[str, ...]:
    """Return the pools in the order in which they get jobs; `ALL` is every pool, shuffled."""
    names = [each.name for each in available_pools()]
    return tuple(random.Random(seed).sample(names, k=len(names))) if pool == ALL else (pool,)


def schedule_of(options: Mapping[str, Any], *, arrivals: str | None = None) -> Schedule:
    """Return the schedule that the options describe.

    Args:
        options: parameters of the arrivals, and the count; those not given are absent or None.
        arrivals: one of `ARRIVALS`, or None to choose it from the options.

    Raises:
        UsageError: with every fault of the options; ``field`` is the option.
    """
    given = {key: value for key, value in options.items() if value is not None}
    shaped = [kind for kind in ARRIVALS.values() if kind.span_key]
    has_span = any(kind.span_key in given for kind in shaped)
    count = {} if has_span else {"count": DEFAULT_COUNT}
    # a parameter that only one arrival pattern has determines the pattern
    own = [kind.how for kind in shaped if given.keys() & kind.model_fields.keys() - _COMMON]
    how = arrivals or next(iter(own), "constant" if "rate_per_s" in given else "burst")
    try:
        return read_schedule({**count, **given, "how": how})
    except UsageError as error:
        faults = [replace(fault, field=option_of(fault.field)) for fault in error.faults]
        raise UsageError(*faults) from error


def option_of(key: str) -> str:
    """Return the option for a key of a schedule's table: ``--to-rate`` for ``to_rate_per_s``."""
    if key == "how":
        return "--arrivals"
    return f"--{key.removesuffix('_per_s').removesuffix('_s').replace('_', '-')}"
