"""The job kinds as data, and the header by which a job is known everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from poolbench.errors import Fault, UsageError, nearest

#: The message header that holds a job's identity, a mapping of `JobHeader`'s fields.
HEADER = "poolbench"

_TYPE_NAMES = {int: "a whole number", float: "a number"}


class WorkClass(StrEnum):
    """What a job kind does to its slot."""

    HOLDS_GIL = "holds the GIL"
    RELEASES_GIL = "releases the GIL"
    WAITS = "waits"
    WAITS_SOME_CPU = "waits, some CPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One typed and bounded parameter of a job kind."""

    name: str
    type: type[int | float]
    default: float
    #: Bounds, both allowed.
    low: float
    high: float
    #: Unit and meaning.
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """What a job does: a plain function in `worker.jobs`, under one Celery task name."""

    name: str
    work_class: WorkClass
    #: One sentence for tables and help.
    summary: str
    parameters: tuple[Parameter, ...]

    @property
    def is_cpu_bound(self) -> bool:
        """Whether the job's time is computing, so that cores bound its throughput."""
        return self.work_class in {WorkClass.HOLDS_GIL, WorkClass.RELEASES_GIL}


def _units(help_text: str) -> Parameter:
    return Parameter(name="units", type=int, default=8, low=1, high=100_000, help=help_text)


_DELAY_MS = Parameter(
    name="delay_ms", type=float, default=50.0, low=0.0, high=3_600_000.0, help="wait, milliseconds"
)

#: How answers of upstream differ from one to the next; `upstream.draws`.
_UPSTREAM_DRAWS = (
    Parameter(
        name="tail_sigma",
        type=float,
        default=0.0,
        low=0.0,
        high=3.0,
        help="lognormal tail of the wait, whose median is delay_ms: "
        "standard deviation of its logarithm, 0 for none",
    ),
    Parameter(
        name="failure_share",
        type=float,
        default=0.0,
        low=0.0,
        high=1.0,
        help="share of answers that are failures (503)",
    ),
    Parameter(
        name="seed", type=int, default=0, low=0, high=2**31 - 1, help="of the tail and the failures"
    ),
)

JOB_KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind(
            name="cpu.primes",
            work_class=WorkClass.HOLDS_GIL,
            summary="Counts primes by trial division in pure Python.",
            parameters=(_units("units of work, about a millisecond each"),),
        ),
        JobKind(
            name="cpu.sha256",
            work_class=WorkClass.RELEASES_GIL,
            summary="Hashes a buffer with SHA-256 in C.",
            parameters=(_units("units of work, 1 MiB hashed each"),),
        ),
        JobKind(
            name="io.sleep",
            work_class=WorkClass.WAITS,
            summary="Waits for a timer: the ideal wait.",
            parameters=(_DELAY_MS,),
        ),
        JobKind(
            name="io.http",
            work_class=WorkClass.WAITS_SOME_CPU,
            summary="Asks the upstream service over a real socket and reads the answer.",
            parameters=(
                _DELAY_MS,
                Parameter(
                    name="size_bytes",
                    type=int,
                    default=1_024,
                    low=0,
                    high=10_000_000,
                    help="length of the answer, bytes",
                ),
                *_UPSTREAM_DRAWS,
            ),
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHeader:
    """Which job this is. Travels as the message header `HEADER`.

    Raises:
        ValueError: when built from values of the wrong type.
    """

    #: The run's id.
    run: str
    #: Index of the trial within its run, from 0.
    trial: int
    #: Index of the job within its trial, dense from 0.
    seq: int
    #: Name of the contender the job was sent to.
    contender: str
    #: When the job should have been sent, Unix nanoseconds; latency counts from here.
    due_ns: int
    #: When its batch was flushed, Unix nanoseconds.
    sent_ns: int

    def __post_init__(self) -> None:
        for name in ("run", "contender"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is no string: {getattr(self, name)!r}")  # noqa: TRY004 -- one type
        for name in ("trial", "seq", "due_ns", "sent_ns"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} is no whole number from 0: {value!r}")

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping that travels in the message."""
        return asdict(self)


def find_kind(name: str) -> JobKind:
    """Return the job kind of that name.

    Raises:
        UsageError: if there is none; names the nearest.
    """
    if name not in JOB_KINDS:
        remedy = nearest(name, among=JOB_KINDS)
        raise UsageError(Fault(problem="unknown job kind", seen=name, remedy=remedy))
    return JOB_KINDS[name]


def complete_parameters(kind: JobKind, given: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the given parameters, checked, with defaults for the rest.

    Raises:
        UsageError: with every unknown name, wrong type and value out of bounds.
    """
    known = {parameter.name: parameter for parameter in kind.parameters}
    faults = [
        Fault(
            problem=f"unknown parameter of {kind.name}",
            seen=name,
            remedy=nearest(name, among=known),
        )
        for name in given
        if name not in known
    ]
    values: dict[str, int | float] = {}
    for name, parameter in known.items():
        value = given.get(name, parameter.type(parameter.default))
        fault = _parameter_fault(kind, parameter, value)
        if fault is None:
            values[name] = parameter.type(value)
        else:
            faults.append(fault)
    if faults:
        raise UsageError(*faults)
    return values


def parse_parameters(kind: JobKind, words: Mapping[str, str]) -> dict[str, int | float]:
    """Return parameters written as text (``delay_ms=50``), checked like `complete_parameters`."""
    given: dict[str, Any] = {}
    for name, word in words.items():
        try:
            given[name] = int(word)
        except ValueError:
            try:
                given[name] = float(word)
            except ValueError:
                given[name] = word
    return complete_parameters(kind, given)


def ideal_wait_s(kind: JobKind, parameters: Mapping[str, int | float]) -> float | None:
    """Return how long a job of this kind waits at the least, seconds; None for CPU-bound kinds.

    With a lognormal tail it is the mean: the median times exp(sigma² / 2).
    """
    if kind.is_cpu_bound:
        return None
    tail_sigma = float(parameters.get("tail_sigma", 0.0))
    return float(parameters["delay_ms"]) / 1_000 * math.exp(tail_sigma**2 / 2)


def _parameter_fault(kind: JobKind, parameter: Parameter, value: object) -> Fault | None:
    allowed = (int,) if parameter.type is int else (int, float)
    where = f"{kind.name} {parameter.name}"
    if isinstance(value, bool) or not isinstance(value, allowed):
        return Fault(
            problem=where, seen=repr(value), remedy=f"it takes {_TYPE_NAMES[parameter.type]}"
        )
    if not parameter.low <= value <= parameter.high:
        remedy = f"it takes {parameter.low:,g} to {parameter.high:,.0f} ({parameter.help})"
        return Fault(problem=where, seen=str(value)[:40], remedy=remedy)
    return None
