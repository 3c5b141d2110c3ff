"""Arrival patterns of a trial's jobs; the same seed gives the same due times. Pure.

Each class is one arrival pattern: its parameters with their bounds, and the time by which a number
of jobs is due. To add a pattern, add its class to `ARRIVALS`.

Arrivals at a changing rate are drawn by rescaling time. Let Λ(t) be the mean number of jobs due by
t, and s₁ < s₂ < … a Poisson process of rate 1; then the times Λ⁻¹(sᵢ) are a Poisson process whose
rate is the slope of Λ (E. Çinlar, Introduction to Stochastic Processes, 1975, chapter 4, on
non-stationary Poisson processes; the "time-rescaling theorem" of E. N. Brown et al., Neural
Computation 14(2), 2002). `Schedule.moment_s` is Λ⁻¹.
"""

from __future__ import annotations

import itertools
import math
import random
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from poolbench.constraints import CONSTRAINTS, constraint
from poolbench.errors import Fault, UsageError, nearest

#: Most jobs of one trial; their due times alone take 80 MB.
MAX_COUNT = 10_000_000

#: Highest rate, jobs per second: beyond what one broker accepts.
MAX_RATE_PER_S = 1_000_000.0

#: Lowest rate that may continue without end, jobs per second: one job in 17 minutes.
MIN_RATE_PER_S = 0.001

#: Longest span of due times, seconds: a day.
MAX_SPAN_S = 86_400.0

#: Shortest span that a parameter may set, seconds: the resolution of a producer.
MIN_SPAN_S = 0.001

#: Most rates of `Steps`.
MAX_STEPS = 1_000

#: Precision of a due time of `Ebb`, as a share of its period: far finer than a job can be sent.
_EBB_PRECISION = 1e-12

_LIST = f"must be a list of 1 to {MAX_STEPS} numbers"

#: Constraint that a value breaks, by pydantic's error type; a template for the error's context.
_CONSTRAINTS = {
    **CONSTRAINTS,
    **dict.fromkeys(("list_type", "too_short", "too_long"), _LIST),
    "value_error": "must be without a pause at the edge",
}

_Rate = Annotated[float, Field(le=MAX_RATE_PER_S)]
_MeanRate = Annotated[float, Field(gt=0, le=MAX_RATE_PER_S, description="jobs per second")]
_Span = Annotated[float, Field(ge=MIN_SPAN_S, le=MAX_SPAN_S)]


class Schedule(BaseModel):
    """The number of jobs and their arrival pattern; create it by `read_schedule`.

    The default 0 of the count or the span means that it is computed from the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    #: Name in files and on the command line.
    how: ClassVar[str]
    #: One clause for help and tables.
    help: ClassVar[str]
    #: Text that shows a schedule; a template for its parameters.
    text: ClassVar[str]
    #: Whether due times are random; else they are exactly `moment_s`.
    is_random: ClassVar[bool] = True
    #: Parameter with the duration of the shape; empty if the rate is constant.
    span_key: ClassVar[str] = ""

    count: int = Field(default=0, ge=1, le=MAX_COUNT, description="a number of jobs")

    def moment_s(self, jobs: float) -> float:
        """Return the time by which this number of jobs is due on average, seconds."""
        raise NotImplementedError

    @property
    def jobs_per_span_s(self) -> float:
        """Return the mean number of jobs for each second of `span_key`, or else per second."""
        return self.mean_per_s

    @property
    def span_s(self) -> float:
        """Return the time by which all jobs are due on average, seconds; 0 for a burst."""
        return self.moment_s(self.count)

    @property
    def mean_per_s(self) -> float:
        """Return the jobs per second over the whole span; 0 for a burst."""
        return self.count / self.span_s if self.span_s else 0.0

    def draw(self, seed: int) -> array[float]:
        """Return the due time of each job, seconds from the start, sorted; the first is 0."""
        if not self.is_random:
            return array("d", map(self.moment_s, range(self.count)))
        source = random.Random(seed)
        offsets_s, jobs, latest_s = array("d", [0.0]), 0.0, 0.0
        for _ in range(self.count - 1):
            jobs += source.expovariate(1.0)
            # rounding must not put a job before the one that precedes it
            latest_s = max(latest_s, self.moment_s(jobs))
            offsets_s.append(latest_s)
        return offsets_s

    def as_table(self) -> dict[str, Any]:
        """Return the table that `read_schedule` reads; its values are valid in TOML and JSON."""
        return {"how": self.how, **self.model_dump()}

    @property
    def shape(self) -> dict[str, Any]:
        """Return the parameters of the rate's change, as JSON values; empty if it is constant."""
        return self.model_dump(exclude={"count"}) if self.span_key else {}

    def lasting(self, span_s: float) -> Self:
        """Return this schedule, which has no count, with the count for about ``span_s``."""
        return self.model_copy(update={"count": max(1, round(self.jobs_per_span_s * span_s))})

    def complete(self) -> Self:
        """Return the schedule with its count computed from its span, or its span from the count."""
        if not self.span_key:
            return self
        given_s = getattr(self, self.span_key)
        if not given_s:
            span_s = max(MIN_SPAN_S, self.count / self.jobs_per_span_s)
            return self.model_copy(update={self.span_key: span_s})
        count = self.count or max(1, round(given_s * self.jobs_per_span_s))
        return self.model_copy(update={"count": count})

    def __str__(self) -> str:
        values = {
            name: ", ".join(
                f"{number:,g}" for number in (value if isinstance(value, list) else [value])
            )
            for name, value in self.model_dump().items()
        }
        return self.text.format(**values)


class Burst(Schedule):
    """All jobs at once."""

    how = "burst"
    help = "all at once"
    text = "all at once"
    is_random = False

    def moment_s(self, jobs: float) -> float:  # noqa: ARG002 -- for all the same
        """Return 0."""
        return 0.0


class Constant(Schedule):
    """A constant rate, evenly spaced."""

    how = "constant"
    help = "evenly spaced"
    text = "{rate_per_s}/s, constant"
    is_random = False

    rate_per_s: _MeanRate

    def moment_s(self, jobs: float) -> float:
        """Return the time at which this number of jobs is due, seconds."""
        return jobs / self.rate_per_s

    @property
    def mean_per_s(self) -> float:
        """Return the rate, jobs per second."""
        return self.rate_per_s


class Poisson(Constant):
    """A constant rate, at random times."""

    how = "poisson"
    help = "at random, each independent of the others"
    text = "{rate_per_s}/s, poisson"
    is_random = True


class Ramp(Schedule):
    """A rate that changes linearly to a second rate, which then continues."""

    how = "ramp"
    help = "at random, from one rate to another in a straight line"
    text = "{rate_per_s}/s to {to_rate_per_s}/s over {over_s} s, ramp"
    span_key = "over_s"

    rate_per_s: _Rate = Field(default=0.0, ge=0, description="jobs per second at the start")
    to_rate_per_s: _Rate = Field(
        ge=MIN_RATE_PER_S, description="jobs per second at the end, and after it"
    )
    over_s: _Span = Field(default=0.0, description="seconds from the first rate to the last")

    def moment_s(self, jobs: float) -> float:
        """Return by when so many jobs are due in the mean, seconds."""
        slope = (self.to_rate_per_s - self.rate_per_s) / self.over_s
        whole = self.over_s * (self.rate_per_s + slope * self.over_s / 2)
        if jobs >= whole:
            return self.over_s + (jobs - whole) / self.to_rate_per_s
        if jobs <= 0:
            return 0.0
        # the root of rate·t + slope·t²/2 = jobs, in the form without a subtraction
        end_per_s = math.sqrt(max(0.0, self.rate_per_s**2 + 2 * slope * jobs))
        sum_per_s = self.rate_per_s + end_per_s
        # from rate 0, the root of the smallest floats is 0
        return 2 * jobs / sum_per_s if sum_per_s else 0.0

    def lasting(self, span_s: float) -> Self:
        """Return a schedule that changes its rate during ``span_s``, unless its span is set."""
        return self if self.over_s else self.model_copy(update={"over_s": span_s})

    @property
    def jobs_per_span_s(self) -> float:
        """Return the mean of the two rates, jobs per second."""
        return (self.rate_per_s + self.to_rate_per_s) / 2


class Steps(Schedule):
    """A sequence of rates, each for the same time; the last continues. 0 is a pause."""

    how = "steps"
    help = "at random, at one rate after the other"
    text = "{rates_per_s}/s for {step_s} s each, steps"
    span_key = "step_s"

    rates_per_s: list[Annotated[_Rate, Field(ge=0)]] = Field(
        min_length=1,
        max_length=MAX_STEPS,
        description="jobs per second of each step; 0 is a pause, the last continues",
    )
    step_s: _Span = Field(default=0.0, description="seconds of each step")

    @field_validator("rates_per_s")
    @classmethod
    def _begins_and_ends_with_jobs(cls, rates_per_s: list[float]) -> list[float]:
        if not (rates_per_s[0] and rates_per_s[-1]):
            raise ValueError("a pause is between two steps")
        return rates_per_s

    def moment_s(self, jobs: float) -> float:
        """Return the time by which this number of jobs is due on average; never within a pause."""
        step = bisect_right(self._before, max(0.0, jobs)) - 1
        return step * self.step_s + (jobs - self._before[step]) / self.rates_per_s[step]

    def lasting(self, span_s: float) -> Self:
        """Return a schedule whose steps share ``span_s``, unless their duration is set."""
        step_s = self.step_s or span_s / len(self.rates_per_s)
        return self.model_copy(update={"step_s": step_s})

    @property
    def jobs_per_span_s(self) -> float:
        """Return the sum of the rates, jobs per second."""
        return sum(self.rates_per_s)

    @cached_property
    def _before(self) -> Sequence[float]:
        """Return the mean number of jobs due before each step begins."""
        due = (rate_per_s * self.step_s for rate_per_s in self.rates_per_s[:-1])
        return tuple(itertools.accumulate(due, initial=0.0))


class Ebb(Schedule):
    """A rate that oscillates around its mean as a sine wave, rising first."""

    how = "ebb"
    help = "at random, at a rate that swings around its mean like a tide"
    text = "{rate_per_s}/s, swinging by {swing} of it in {period_s} s, ebb"
    span_key = "period_s"

    rate_per_s: _MeanRate
    swing: float = Field(
        default=0.5, ge=0, le=1, description="how far the rate swings, as a share of its mean"
    )
    period_s: _Span = Field(default=0.0, description="seconds from one high to the next")

    def moment_s(self, jobs: float) -> float:
        """Return the time by which this number of jobs is due on average, seconds.

        Newton's method within a bracket, which is halved if a step would leave it: near a rate of
        0, Newton's method alone diverges.
        """
        whole, wanted = divmod(jobs / (self.rate_per_s * self.period_s), 1.0)
        low, high, phase = 0.0, 1.0, wanted
        while high - low > _EBB_PRECISION:
            # in units of the jobs of one period
            due = phase + self.swing / math.tau * (1 - math.cos(math.tau * phase))
            missing = wanted - due
            low, high = (phase, high) if missing > 0 else (low, phase)
            slope = 1 + self.swing * math.sin(math.tau * phase)
            step = missing / slope if slope > 0 else math.inf
            if abs(step) < _EBB_PRECISION:
                break
            phase = phase + step if low < phase + step < high else (low + high) / 2
        return (whole + phase) * self.period_s

    def lasting(self, span_s: float) -> Self:
        """Return a schedule that lasts for ``span_s``, but at least for one whole period."""
        return super().lasting(max(span_s, self.period_s))

    @property
    def jobs_per_span_s(self) -> float:
        """Return the mean rate, jobs per second."""
        return self.rate_per_s


class Recorded(Constant):
    """As recorded, at this mean rate; the due times themselves are in the recording."""

    how = "recorded"
    help = "as recorded"
    text = "{rate_per_s}/s, as recorded"


#: The arrivals that a user may choose.
ARRIVALS: dict[str, type[Schedule]] = {
    kind.how: kind for kind in (Burst, Constant, Poisson, Ramp, Steps, Ebb)
}

_SCHEDULES: dict[str, type[Schedule]] = {**ARRIVALS, Recorded.how: Recorded}


def read_schedule(table: Mapping[str, Any], *, span_s: float = 0.0) -> Schedule:
    """Return the complete schedule of a TOML table.

    For example ``{ how = "ramp", rate_per_s = 50, to_rate_per_s = 200, over_s = 30 }``. If only the
    duration of the shape is given, the count is the mean number of jobs in one pass. If only the
    count is given, the shape lasts until the last job. If both are given, jobs after the shape
    arrive at its last rate, or in further periods of `Ebb`. If neither is given, the schedule lasts
    for about ``span_s``; if that is 0, one of them is missing.

    Raises:
        UsageError: with every fault of the table; ``field`` is its key.
    """
    given = {key: value for key, value in table.items() if key != "how"}
    how = str(table.get("how", ""))
    if how not in _SCHEDULES:
        refused = {
            kind.how: f"it takes {', '.join(kind.model_fields)}"
            for kind in ARRIVALS.values()
            if not given.keys() <= kind.model_fields.keys()
        }
        remedy = nearest(how, among=ARRIVALS, refused=refused)
        raise UsageError(Fault(field="how", seen=how, problem="unknown arrivals", remedy=remedy))
    kind = _SCHEDULES[how]
    try:
        found = kind.model_validate(given)
    except ValidationError as error:
        raise UsageError(*(_fault(kind, one, given=given) for one in error.errors())) from error
    if span_s and not found.count:
        found = found.lasting(span_s)
    found = found.complete()
    if fault := _size_fault(found):
        raise UsageError(fault)
    return found


def _fault(kind: type[Schedule], error: Any, *, given: Mapping[str, Any]) -> Fault:
    """Return pydantic's error as a `Fault`."""
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        owners = [
            other.how for other in ARRIVALS.values() if given.keys() <= other.model_fields.keys()
        ]
        remedy = "leave it out"
        if owners:
            remedy += f", or take {' or '.join(owners)}"
        elif not any(key in other.model_fields for other in ARRIVALS.values()):
            remedy = nearest(key, among=kind.model_fields.keys() - given.keys())
        return Fault(field=key, problem=f"{kind.how} arrivals have none", remedy=remedy)
    meaning = kind.model_fields[key].description
    if error["type"] == "missing":
        problem = f"{kind.how} arrivals need it"
        return Fault(field=key, problem=problem, remedy=f"give {meaning}")
    problem = f"{constraint(error, constraints=_CONSTRAINTS)} ({meaning})"
    return Fault(field=key, problem=problem, seen=_shown(error["input"]))


def _size_fault(found: Schedule) -> Fault | None:
    """Return the fault of a missing count, of too many jobs or of too long a span; else None."""
    how, count = found.how, found.count
    if not count:
        problem = f"{how} arrivals need it"
        remedy = f"give it, or {found.span_key}" if found.span_key else "give the number of jobs"
        return Fault(field="count", problem=problem, remedy=remedy)
    if count > MAX_COUNT:
        problem, remedy = f"must be at most {MAX_COUNT:,}", "lower the rate or the span"
        return Fault(field="count", problem=problem, seen=str(count), remedy=remedy)
    # the span at the lowest rates is not finite
    if not found.span_s <= MAX_SPAN_S:
        problem = f"{how} arrivals must be due within a day"
        return Fault(field="count", problem=problem, seen=str(count))
    return None


def _shown(value: object) -> str:
    if isinstance(value, list):
        text = ", ".join(map(_shown, value))
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
