"""A job's header, and the job kinds as data, with checked parameters."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from poolbench.errors import Fault, UsageError, nearest, unknown
from poolbench.str_enum import StrEnum

#: Name of a job's unused argument: text of a size that the sender chooses.
PAYLOAD = "payload"

#: Name of a job's argument for how it ends after its work, a mapping: ``fails``, whether
#: it raises; ``retry_s``, the countdown of its retry after the first attempt, seconds;
#: ``result_bytes``, the size of its result.
ENDING = "ending"

#: Name of the message header with a job's identity, a mapping of `JobHeader`'s fields.
HEADER = "poolbench"

#: Name of the job kind that does what a recorded job did (`poolbench.stand_in`).
STAND_IN = "replay.stand-in"

#: Its parameters, in the order of the values of an attempt.
SEGMENTS = ("held_ms", "released_ms", "wait_ms", "blocking_ms", "memory_bytes")

#: Name of its argument with what its later attempts do, a list: for each, the countdown before it,
#: seconds, and then the values of `SEGMENTS`.
RETRIES = "retries"

_TYPE_NAMES = {int: "a whole number", float: "a number"}

#: Rough duration of one of each, for parameters without a known time, milliseconds.
_ROUGH_COSTS_MS = {"units": 1.0, "commands": 0.2, "size_bytes": 1e-4}

#: Longest wait and longest work of a job, milliseconds: an hour, and a hundred seconds.
MAX_WAIT_MS = 3_600_000.0
MAX_WORK_MS = 100_000.0

#: Most units of work of a job: `MAX_WORK_MS` if a unit takes a hundredth of a millisecond.
MAX_UNITS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHeader:
    """The identity of a job, sent in the message header `HEADER`.

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
    #: When the job should have been sent, Unix nanoseconds; latencies start at this time.
    due_ns: int
    #: When its batch was flushed, Unix nanoseconds.
    sent_ns: int
    #: Name of its part in a mix; None without a mix.
    part: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping for the message; it has a key ``part`` only if there is a part."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class WorkClass(StrEnum):
    """How a job kind uses its slot."""

    HOLDS_GIL = "holds the GIL"
    RELEASES_GIL = "releases the GIL"
    WAITS = "waits"
    WAITS_SOME_CPU = "waits, some CPU"
    WAITS_CHATTY = "waits, chatty"
    BLOCKS_LOOP = "blocks a gevent or asyncio loop"
    BOTH = "waits and holds the GIL"
    #: A task of a user's app.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One typed and bounded parameter of a job kind."""

    name: str = field(kw_only=False)
    #: Default value; all values have its type.
    default: int | float
    #: Bounds, both allowed.
    low: float
    high: float
    #: Unit, as it is written after a number; empty for a share or a plain number.
    unit: str = ""
    #: Meaning, as a phrase.
    help: str
    #: Whether messages omit it if it isn't given.
    is_optional: bool = False

    @property
    def type(self) -> type[int | float]:
        """Return the type of its values."""
        return type(self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """A kind of job: a plain function in `worker.jobs` with one Celery task name."""

    name: str = field(kw_only=False)
    work_class: WorkClass
    #: One sentence for tables and help.
    summary: str
    #: Parameters that users set.
    parameters: tuple[Parameter, ...]
    #: Parameters in messages, if they are computed from `parameters` by a calibration; else empty.
    calibrated: tuple[Parameter, ...] = ()

    @property
    def message_parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters of the kind's function, which messages contain."""
        return self.calibrated or self.parameters

    @property
    def is_cpu_bound(self) -> bool:
        """Return whether the job only computes, so that cores bound its throughput."""
        return self.work_class in {WorkClass.HOLDS_GIL, WorkClass.RELEASES_GIL}

    @property
    def computes(self) -> bool:
        """Return whether computing is a relevant part of the job, alone or with a wait."""
        return self.is_cpu_bound or self.work_class is WorkClass.BOTH

    @property
    def has_async_form(self) -> bool:
        """Return whether the asyncio pool runs it as a coroutine: it waits without blocking."""
        return not self.is_cpu_bound and self.work_class is not WorkClass.BLOCKS_LOOP


_DELAY_MS = partial(Parameter, "delay_ms", default=50.0, low=0.0, high=MAX_WAIT_MS, unit="ms")
_SIZE_BYTES = partial(Parameter, "size_bytes", low=0, high=10_000_000, unit="bytes")
_UNITS = partial(Parameter, "units", default=8, low=1, high=MAX_UNITS, unit="units")
_DRAW = partial(Parameter, low=0.0, is_optional=True)
_WORK_MS = partial(Parameter, default=8.0, low=0.1, high=MAX_WORK_MS, unit="ms")

_SEGMENT_MS = partial(Parameter, default=0.0, low=0.0, high=MAX_WAIT_MS, unit="ms")

_cpu = partial(
    JobKind,
    parameters=(_WORK_MS("work_ms", help="work, in CPU time of one thread that is alone"),),
)

JOB_KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        _cpu(
            "cpu.primes",
            work_class=WorkClass.HOLDS_GIL,
            summary="Counts primes by trial division in pure Python.",
            calibrated=(_UNITS(help="each about a millisecond of work"),),
        ),
        _cpu(
            "cpu.json",
            work_class=WorkClass.HOLDS_GIL,
            summary="Parses a JSON document with the standard library.",
            calibrated=(_UNITS(help="each a document of 80 kB parsed"),),
        ),
        _cpu(
            "cpu.sha256",
            work_class=WorkClass.RELEASES_GIL,
            summary="Hashes a buffer with SHA-256 in C.",
            calibrated=(_UNITS(help="each 1 MiB hashed"),),
        ),
        _cpu(
            "cpu.zlib",
            work_class=WorkClass.RELEASES_GIL,
            summary="Compresses a buffer with zlib in C.",
            calibrated=(_UNITS(help="each 32 KiB compressed"),),
        ),
        JobKind(
            "io.sleep",
            work_class=WorkClass.WAITS,
            summary="Waits for a timer: the ideal wait.",
            parameters=(_DELAY_MS(help="how long it waits"),),
        ),
        JobKind(
            "io.http",
            work_class=WorkClass.WAITS_SOME_CPU,
            summary="Asks the upstream service over a real socket and reads the answer.",
            parameters=(
                _DELAY_MS(help="how long upstream waits"),
                _SIZE_BYTES(default=1_024, help="length of the answer"),
                _DRAW(
                    "tail_sigma",
                    default=0.0,
                    high=3.0,
                    help="lognormal tail of the wait, whose median is delay_ms: "
                    "standard deviation of its logarithm, 0 for none",
                ),
                _DRAW(
                    "failure_share",
                    default=0.0,
                    high=1.0,
                    help="share of answers that are failures (503)",
                ),
                _DRAW("seed", default=0, high=2**31 - 1, help="of the tail and the failures"),
            ),
        ),
        JobKind(
            "io.redis",
            work_class=WorkClass.WAITS_CHATTY,
            summary="Sends Redis one small command after the other on a kept connection.",
            parameters=(
                Parameter(
                    "commands",
                    default=20,
                    low=1,
                    high=100_000,
                    unit="commands",
                    help="round trips, by turns a SET and a GET",
                ),
            ),
        ),
        JobKind(
            "io.file",
            work_class=WorkClass.BLOCKS_LOOP,
            summary="Writes a file, syncs it to the disk, reads it back and deletes it.",
            parameters=(_SIZE_BYTES(default=65_536, help="length of the file"),),
        ),
        JobKind(
            "mixed.fetch",
            work_class=WorkClass.BOTH,
            summary="Asks upstream for a JSON document, parses it and hashes it.",
            parameters=(
                _DELAY_MS(help="how long upstream waits"),
                _SIZE_BYTES(default=65_536, low=64, high=1_000_000, help="length of the document"),
            ),
        ),
        JobKind(
            "mixed.share",
            work_class=WorkClass.BOTH,
            summary="Waits, then computes in Python, split at will: the axis of the crossover.",
            parameters=(
                _WORK_MS("total_ms", default=50.0, low=1.0, help="wait and work together"),
                Parameter(
                    "cpu_share",
                    default=0.5,
                    low=0.0,
                    high=1.0,
                    help="which part of it is work: 0 only waits, 1 only computes",
                ),
            ),
            calibrated=(
                _UNITS(low=0, help="each about a tenth of a millisecond of work"),
                _DELAY_MS(help="how long it waits"),
            ),
        ),
        JobKind(
            STAND_IN,
            work_class=WorkClass.BOTH,
            summary="Computes and waits as long as a recorded job did, without its side effects.",
            parameters=(
                _SEGMENT_MS("held_ms", help="CPU time that holds the GIL"),
                _SEGMENT_MS("released_ms", help="CPU time without the GIL"),
                _SEGMENT_MS("wait_ms", help="wait that yields to other jobs where the pool can"),
                _SEGMENT_MS("blocking_ms", help="wait that blocks a gevent or asyncio loop"),
                Parameter(
                    "memory_bytes",
                    default=0,
                    low=0,
                    high=10_000_000_000,
                    unit="bytes",
                    help="memory that it uses while it runs",
                ),
            ),
        ),
    )
}


def find_kind(name: str) -> JobKind:
    """Return the job kind of that name.

    Raises:
        UsageError: if there is none; names the nearest.
    """
    if name not in JOB_KINDS:
        raise UsageError(unknown("job kind", field="--job", seen=name, among=JOB_KINDS))
    return JOB_KINDS[name]


def kind_of(name: str) -> JobKind:
    """Return the job kind of that name; a task of a user's app is a kind without parameters."""
    return JOB_KINDS.get(name) or JobKind(
        name, work_class=WorkClass.UNKNOWN, summary="A task of the app.", parameters=()
    )


def complete_parameters(kind: JobKind, given: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the given parameters, checked, with defaults for all others that aren't optional.

    A calibrated kind takes either the parameters that users set (``work_ms``) or those of its
    messages (``units``), and the result has the same ones.

    Raises:
        UsageError: with every unknown name, wrong type and value out of bounds, and for a mixture.
    """
    own, sent = ({one.name: one for one in group} for group in (kind.parameters, kind.calibrated))
    # users' parameters, messages' parameters, or both
    used = [sort for sort in (own, sent) if sort.keys() & given.keys()]
    meant = used[-1] if used else own
    free = [name for sort in used or (own, sent) for name in sort if name not in given]
    faults = [
        Fault(
            field=name,
            seen=repr(given[name])[:40],
            problem=f"unknown parameter of {kind.name}",
            remedy=nearest(name, among=free),
        )
        for name in given
        if name not in own | sent
    ]
    if len(used) > 1:
        mixture = Fault(
            problem=f"these parameters of {kind.name} can't be combined",
            seen=" with ".join(" and ".join(filter(given.__contains__, sort)) for sort in used),
            remedy=f"give {' and '.join(own)}, or instead {' and '.join(sent)}",
        )
        faults.append(mixture)
    values: dict[str, int | float] = {}
    for name, parameter in (own | sent).items():
        if name in given or (name in meant and not parameter.is_optional):
            value = given.get(name, parameter.default)
            if fault := _parameter_fault(parameter, value):
                faults.append(fault)
            else:
                values[name] = parameter.type(value)
    if faults:
        raise UsageError(*faults)
    return values


def parse_parameters(kind: JobKind, words: Mapping[str, str]) -> dict[str, int | float]:
    """Return parameters written as text (``delay_ms=50``), checked like `complete_parameters`."""
    given: dict[str, Any] = dict(words)
    for name, word in words.items():
        for convert in (float, int):
            with contextlib.suppress(ValueError):
                given[name] = convert(word)
    return complete_parameters(kind, given)


def ideal_wait_s(kind: JobKind, parameters: Mapping[str, int | float]) -> float | None:
    """Return the shortest time that a job of this kind waits, seconds.

    Accepts users' or messages' parameters. None for a kind that only computes, and for one whose
    wait depends on a disk or Redis. With a lognormal tail it is the mean: the median times
    exp(sigma² / 2).
    """
    if kind.is_cpu_bound:
        return None
    if "delay_ms" in parameters:
        tail_sigma = float(parameters.get("tail_sigma", 0.0))
        return float(parameters["delay_ms"]) / 1_000 * math.exp(tail_sigma**2 / 2)
    if "total_ms" in parameters:
        return float(parameters["total_ms"]) / 1_000 * (1 - float(parameters.get("cpu_share", 0)))
    if kind.name == STAND_IN:
        return sum(float(parameters.get(name, 0)) for name in ("wait_ms", "blocking_ms")) / 1_000
    return None


def rough_job_s(kind: JobKind, parameters: Mapping[str, int | float]) -> float:
    """Return the approximate duration of one job without concurrency, seconds, for timeouts."""
    work_ms = sum(parameters.get(name, 0.0) for name in ("work_ms", "held_ms", "released_ms"))
    total_ms = parameters.get("total_ms", 0.0) * parameters.get("cpu_share", 0.0)
    others_ms = sum(parameters.get(name, 0) * cost_ms for name, cost_ms in _ROUGH_COSTS_MS.items())
    return (work_ms + total_ms + others_ms) / 1_000 + (ideal_wait_s(kind, parameters) or 0.0)


def _parameter_fault(parameter: Parameter, value: object) -> Fault | None:
    allowed = (int,) if parameter.type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        constraint = _TYPE_NAMES[parameter.type]
    elif not parameter.low <= value <= parameter.high:
        unit = f" {parameter.unit}" if parameter.unit else ""
        constraint = f"{parameter.low:,g} to {parameter.high:,.0f}{unit} ({parameter.help})"
    else:
        return None
    return Fault(
        field=parameter.name,
        seen=repr(value)[:40],
        problem=f"must be {constraint}",
    )
