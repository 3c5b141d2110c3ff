"""The ways in which jobs arrive, as data: what each is called, takes and draws.

A new one is an entry of `ARRIVALS`, with a curve of its own where its rate moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from producer.rates import Curve, Ebb, Flat, Ramp, Steps

#: Highest rate, jobs per second: beyond what one broker takes in.
MAX_RATE_PER_S = 1_000_000.0

#: Lowest rate that may go on without end, jobs per second: a job in 17 minutes.
MIN_RATE_PER_S = 0.001

#: Longest span of due times, seconds: a day.
MAX_SPAN_S = 86_400.0

#: Shortest span that a parameter may set, seconds: a producer sends no finer.
MIN_SPAN_S = 0.001

#: Parameters of arrivals beside their rate, by name; a list of rates is a tuple.
Shape = Mapping[str, float | tuple[float, ...]]


class RateUse(Enum):
    """What a rate means to arrivals."""

    #: There is none: it must be 0.
    NONE = "none"
    #: The mean rate, above 0.
    MEAN = "mean"
    #: Where the rate begins; 0 is from nothing.
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeParameter:
    """What arrivals take beside a count and a rate."""

    #: Its name, with its unit: ``over_s``. On the command line it is `option_of` that.
    name: str
    #: Unit and meaning, one clause.
    help: str
    #: Bounds, both allowed.
    low: float
    high: float
    #: None where it must be given, or follows from the count.
    default: float | None = None
    #: Whether it holds one number after the other.
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One way in which jobs arrive."""

    name: str
    #: One clause for help and tables.
    help: str
    #: How a schedule of these is told; filled with the rate and the shape.
    told: str
    rate: RateUse
    #: From the rate and the complete shape to the rate over time; None if all is due at once.
    curve: Callable[[float, Shape], Curve] | None = None
    #: Whether jobs come at random; else exactly when the curve says.
    is_random: bool = True
    parameters: tuple[ShapeParameter, ...] = ()
    #: The parameter that says how long the shape takes; it and the count follow from each other.
    span: str = ""
    #: From the rate and the shape to the jobs for each second of that parameter.
    jobs_per_span_s: Callable[[float, Shape], float] | None = None

    @property
    def has_rate(self) -> bool:
        """Whether it takes a rate."""
        return self.rate is not RateUse.NONE


def option_of(parameter: str) -> str:
    """Return the command line's word for a parameter: ``--to-rate`` for ``to_rate_per_s``."""
    return f"--{parameter.removesuffix('_per_s').removesuffix('_s').replace('_', '-')}"


def numbers(shape: Shape, name: str) -> tuple[float, ...]:
    """Return what a parameter holds, as a row of numbers."""
    value = shape[name]
    return value if isinstance(value, tuple) else (value,)


def _one(shape: Shape, name: str) -> float:
    (value,) = numbers(shape, name)
    return value


def _flat(rate_per_s: float, _shape: Shape) -> Curve:
    return Flat(mean_per_s=rate_per_s)


def _ramp(rate_per_s: float, shape: Shape) -> Curve:
    ends_per_s, over_s = _one(shape, "to_rate_per_s"), _one(shape, "over_s")
    return Ramp(from_per_s=rate_per_s, to_per_s=ends_per_s, over_s=over_s)


def _steps(_rate_per_s: float, shape: Shape) -> Curve:
    return Steps(rates_per_s=numbers(shape, "rates_per_s"), step_s=_one(shape, "step_s"))


def _ebb(rate_per_s: float, shape: Shape) -> Curve:
    swing, period_s = _one(shape, "swing"), _one(shape, "period_s")
    return Ebb(mean_per_s=rate_per_s, swing=swing, period_s=period_s)


def _span(name: str, *, help_text: str) -> ShapeParameter:
    return ShapeParameter(name=name, help=help_text, low=MIN_SPAN_S, high=MAX_SPAN_S)


ARRIVALS: dict[str, Arrivals] = {
    arrivals.name: arrivals
    for arrivals in (
        Arrivals(
            name="burst",
            help="all at once",
            told="all at once",
            rate=RateUse.NONE,
            is_random=False,
        ),
        Arrivals(
            name="constant",
            help="evenly spaced",
            told="{rate_per_s}/s, constant",
            rate=RateUse.MEAN,
            curve=_flat,
            is_random=False,
        ),
        Arrivals(
            name="poisson",
            help="at random, each independent of the others",
            told="{rate_per_s}/s, poisson",
            rate=RateUse.MEAN,
            curve=_flat,
        ),
        Arrivals(
            name="ramp",
            help="at random, from one rate to another in a straight line",
            told="{rate_per_s}/s to {to_rate_per_s}/s over {over_s} s, ramp",
            rate=RateUse.START,
            curve=_ramp,
            parameters=(
                ShapeParameter(
                    name="to_rate_per_s",
                    help="jobs per second at the end, and after it",
                    low=MIN_RATE_PER_S,
                    high=MAX_RATE_PER_S,
                ),
                _span("over_s", help_text="seconds from the first rate to the last"),
            ),
            span="over_s",
            jobs_per_span_s=lambda rate_per_s, shape: (
                (rate_per_s + _one(shape, "to_rate_per_s")) / 2
            ),
        ),
        Arrivals(
            name="steps",
            help="at random, at one rate after the other",
            told="{rates_per_s}/s for {step_s} s each, steps",
            rate=RateUse.NONE,
            curve=_steps,
            parameters=(
                ShapeParameter(
                    name="rates_per_s",
                    help="jobs per second of each step; 0 is a pause, the last goes on",
                    low=0.0,
                    high=MAX_RATE_PER_S,
                    is_list=True,
                ),
                _span("step_s", help_text="seconds of each step"),
            ),
            span="step_s",
            jobs_per_span_s=lambda _rate_per_s, shape: sum(numbers(shape, "rates_per_s")),
        ),
        Arrivals(
            name="ebb",
            help="at random, at a rate that swings around its mean like a tide",
            told="{rate_per_s}/s, swinging by {swing} of it in {period_s} s, ebb",
            rate=RateUse.MEAN,
            curve=_ebb,
            parameters=(
                ShapeParameter(
                    name="swing",
                    help="how far the rate swings, as a share of its mean",
                    low=0.0,
                    high=1.0,
                    default=0.5,
                ),
                _span("period_s", help_text="seconds from one high to the next"),
            ),
            span="period_s",
            jobs_per_span_s=lambda rate_per_s, _shape: rate_per_s,
        ),
    )
}
