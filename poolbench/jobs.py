"""What a job is: its header, and its kind with parameters, checked. The kinds: `catalogue`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from poolbench.catalogue import JOB_KINDS, JobKind, Parameter, WorkClass
from poolbench.errors import Fault, UsageError, nearest

__all__ = [
    "HEADER",
    "JOB_KINDS",
    "PAYLOAD",
    "JobHeader",
    "JobKind",
    "Parameter",
    "WorkClass",
    "complete_parameters",
    "find_kind",
    "ideal_wait_s",
    "parse_parameters",
    "rough_job_s",
]

#: A job's argument that nobody reads: text of a size that the sender chose.
PAYLOAD = "payload"

#: The message header that holds a job's identity, a mapping of `JobHeader`'s fields.
HEADER = "poolbench"

_TYPE_NAMES = {int: "a whole number", float: "a number"}

#: Rough duration of one of each, where nothing else is known, milliseconds.
_ROUGH_COSTS_MS = {"units": 1.0, "commands": 0.2, "size_bytes": 1e-4}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHeader:
    """Which job this is. Travels as the message header `HEADER`.

    `poolbench.lines.job_members` checks the header of a message that was received.
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
    #: Which part of a mix it is, by name; None for a job of no mix.
    part: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping that travels in the message; without a part there is no such key."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
    """Return the given parameters, checked, with defaults for the rest but the optional.

    A kind that is calibrated takes what a person gives (``work_ms``), or instead what its messages
    carry (``units``); what is returned is of the same sort.

    Raises:
        UsageError: with every unknown name, wrong type and value out of bounds, and for a mixture.
    """
    known = {parameter.name: parameter for parameter in (*kind.parameters, *kind.calibrated)}
    own, sent = ([one.name for one in sort] for sort in (kind.parameters, kind.calibrated))
    # the sorts of which a name is given: a person's, the messages', or wrongly both
    meant = [sort for sort in (own, sent) if not given.keys().isdisjoint(sort)]
    free = [name for sort in meant or (own, sent) for name in sort if name not in given]
    problem = f"unknown parameter of {kind.name}"
    faults = [
        Fault(problem=problem, seen=name, remedy=nearest(name, among=free))
        for name in given
        if name not in known
    ]
    if len(meant) > 1:
        mixed = (" and ".join(name for name in sort if name in given) for sort in meant)
        remedy = f"give {' and '.join(own)}, or instead {' and '.join(sent)}"
        problem = f"parameters of {kind.name} that can't be combined"
        faults.append(Fault(problem=problem, seen=" with ".join(mixed), remedy=remedy))
    wanted = sent if sent in meant else own
    values: dict[str, int | float] = {}
    for name, parameter in known.items():
        if name not in given and (parameter.is_optional or name not in wanted):
            continue
        value = given.get(name, parameter.default)
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
    return complete_parameters(kind, {name: _number(word) for name, word in words.items()})


def ideal_wait_s(kind: JobKind, parameters: Mapping[str, int | float]) -> float | None:
    """Return how long a job of this kind waits at the least, seconds.

    Takes what a person gives or what messages carry. None for a kind that only computes, and for
    one whose wait is as long as a disk or Redis makes it. With a lognormal tail it is the mean: the
    median times exp(sigma² / 2).
    """
    if kind.is_cpu_bound:
        return None
    if "delay_ms" in parameters:
        tail_sigma = float(parameters.get("tail_sigma", 0.0))
        return float(parameters["delay_ms"]) / 1_000 * math.exp(tail_sigma**2 / 2)
    if "total_ms" in parameters:
        return float(parameters["total_ms"]) / 1_000 * (1 - float(parameters.get("cpu_share", 0)))
    return None


def rough_job_s(kind: JobKind, parameters: Mapping[str, int | float]) -> float:
    """Return about how long one job takes alone, seconds: to set a timeout."""
    work_ms = parameters.get("work_ms", 0.0)
    total_ms = parameters.get("total_ms", 0.0) * parameters.get("cpu_share", 0.0)
    others_ms = sum(parameters.get(name, 0) * cost_ms for name, cost_ms in _ROUGH_COSTS_MS.items())
    return (work_ms + total_ms + others_ms) / 1_000 + (ideal_wait_s(kind, parameters) or 0.0)


def _number(word: str) -> int | float | str:
    """Return the number that a word is, or the word."""
    for type_ in (int, float):
        with contextlib.suppress(ValueError):
            return type_(word)
    return word


def _parameter_fault(kind: JobKind, parameter: Parameter, value: object) -> Fault | None:
    allowed = (int,) if parameter.type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        constraint = _TYPE_NAMES[parameter.type]
    elif not parameter.low <= value <= parameter.high:
        unit = f" {parameter.unit}" if parameter.unit else ""
        constraint = f"{parameter.low:,g} to {parameter.high:,.0f}{unit} ({parameter.help})"
    else:
        return None
    return Fault(
        field=f"{kind.name} {parameter.name}",
        seen=repr(value)[:40],
        problem=f"must be {constraint}",
    )
