"""The job kinds as data: what each does to its slot, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: The longest that a job may wait or work, milliseconds: an hour, and a hundred seconds.
MAX_WAIT_MS = 3_600_000.0
MAX_WORK_MS = 100_000.0

#: The most units of work of a job: `MAX_WORK_MS` where a unit takes a hundredth of a millisecond.
MAX_UNITS = 10_000_000


class WorkClass(StrEnum):
    """What a job kind does to its slot."""

    HOLDS_GIL = "holds the GIL"
    RELEASES_GIL = "releases the GIL"
    WAITS = "waits"
    WAITS_SOME_CPU = "waits, some CPU"
    WAITS_CHATTY = "waits, chatty"
    BLOCKS_LOOP = "blocks a gevent or asyncio loop"
    BOTH = "waits and holds the GIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One typed and bounded parameter of a job kind."""

    name: str
    #: Its type is that of all values.
    default: int | float
    #: Bounds, both allowed.
    low: float
    high: float
    #: Unit, as short as it is written behind a number; empty for a share or a mere number.
    unit: str = ""
    #: Meaning, as a phrase.
    help: str
    #: Whether a message leaves it out where it isn't given.
    is_optional: bool = False

    @property
    def type(self) -> type[int | float]:
        """The type of its values."""
        return type(self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """What a job does: a plain function in `worker.jobs`, under one Celery task name."""

    name: str
    work_class: WorkClass
    #: One sentence for tables and help.
    summary: str
    #: What a person gives.
    parameters: tuple[Parameter, ...]
    #: What messages carry, where a run's calibration makes it of `parameters`; else empty.
    calibrated: tuple[Parameter, ...] = ()
    #: Whether it is a coroutine where the asyncio pool runs it.
    has_async_form: bool = False

    @property
    def message_parameters(self) -> tuple[Parameter, ...]:
        """What the kind's function takes, by name."""
        return self.calibrated or self.parameters

    @property
    def is_cpu_bound(self) -> bool:
        """Whether the job's time is computing, so that cores bound its throughput."""
        return self.work_class in {WorkClass.HOLDS_GIL, WorkClass.RELEASES_GIL}

    @property
    def computes(self) -> bool:
        """Whether computing is a part of the job that counts, alone or in addition to a wait."""
        return self.is_cpu_bound or self.work_class is WorkClass.BOTH


def _delay_ms(help_text: str) -> Parameter:
    return Parameter(
        name="delay_ms",
        default=50.0,
        low=0.0,
        high=MAX_WAIT_MS,
        unit="ms",
        help=help_text,
    )


def _size_bytes(help_text: str, *, default: int, low: int = 0, high: int = 10_000_000) -> Parameter:
    return Parameter(
        name="size_bytes",
        default=default,
        low=low,
        high=high,
        unit="bytes",
        help=help_text,
    )


def _units(help_text: str, *, low: int = 1) -> Parameter:
    return Parameter(name="units", default=8, low=low, high=MAX_UNITS, unit="units", help=help_text)


_UPSTREAM_DRAWS = (
    Parameter(
        name="tail_sigma",
        default=0.0,
        low=0.0,
        high=3.0,
        help="lognormal tail of the wait, whose median is delay_ms: "
        "standard deviation of its logarithm, 0 for none",
        is_optional=True,
    ),
    Parameter(
        name="failure_share",
        default=0.0,
        low=0.0,
        high=1.0,
        help="share of answers that are failures (503)",
        is_optional=True,
    ),
    Parameter(
        name="seed",
        default=0,
        low=0,
        high=2**31 - 1,
        help="of the tail and the failures",
        is_optional=True,
    ),
)

_WORK_MS = Parameter(
    name="work_ms",
    default=8.0,
    low=0.1,
    high=MAX_WORK_MS,
    unit="ms",
    help="work, in CPU time of one thread that is alone",
)


def _cpu(name: str, work_class: WorkClass, *, summary: str, unit: str) -> JobKind:
    return JobKind(
        name=name,
        work_class=work_class,
        summary=summary,
        parameters=(_WORK_MS,),
        calibrated=(_units(unit),),
    )


JOB_KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        _cpu(
            "cpu.primes",
            WorkClass.HOLDS_GIL,
            summary="Counts primes by trial division in pure Python.",
            unit="each about a millisecond of work",
        ),
        _cpu(
            "cpu.json",
            WorkClass.HOLDS_GIL,
            summary="Parses a JSON document with the standard library.",
            unit="each a document of 80 kB parsed",
        ),
        _cpu(
            "cpu.sha256",
            WorkClass.RELEASES_GIL,
            summary="Hashes a buffer with SHA-256 in C.",
            unit="each 1 MiB hashed",
        ),
        _cpu(
            "cpu.zlib",
            WorkClass.RELEASES_GIL,
            summary="Compresses a buffer with zlib in C.",
            unit="each 32 KiB compressed",
        ),
        JobKind(
            name="io.sleep",
            work_class=WorkClass.WAITS,
            summary="Waits for a timer: the ideal wait.",
            parameters=(_delay_ms("how long it waits"),),
            has_async_form=True,
        ),
        JobKind(
            name="io.http",
            work_class=WorkClass.WAITS_SOME_CPU,
            summary="Asks the upstream service over a real socket and reads the answer.",
            parameters=(
                _delay_ms("how long upstream waits"),
                _size_bytes("length of the answer", default=1_024),
                *_UPSTREAM_DRAWS,
            ),
            has_async_form=True,
        ),
        JobKind(
            name="io.redis",
            work_class=WorkClass.WAITS_CHATTY,
            summary="Sends Redis one small command after the other on a kept connection.",
            parameters=(
                Parameter(
                    name="commands",
                    default=20,
                    low=1,
                    high=100_000,
                    unit="commands",
                    help="round trips, by turns a SET and a GET",
                ),
            ),
            has_async_form=True,
        ),
        JobKind(
            name="io.file",
            work_class=WorkClass.BLOCKS_LOOP,
            summary="Writes a file, syncs it to the disk, reads it back and deletes it.",
            parameters=(_size_bytes("length of the file", default=65_536),),
        ),
        JobKind(
            name="mixed.fetch",
            work_class=WorkClass.BOTH,
            summary="Asks upstream for a JSON document, parses it and hashes it.",
            parameters=(
                _delay_ms("how long upstream waits"),
                _size_bytes("length of the document", default=65_536, low=64, high=1_000_000),
            ),
            has_async_form=True,
        ),
        JobKind(
            name="mixed.share",
            work_class=WorkClass.BOTH,
            summary="Waits, then computes in Python, split at will: the axis of the crossover.",
            parameters=(
                Parameter(
                    name="total_ms",
                    default=50.0,
                    low=1.0,
                    high=MAX_WORK_MS,
                    unit="ms",
                    help="wait and work together",
                ),
                Parameter(
                    name="cpu_share",
                    default=0.5,
                    low=0.0,
                    high=1.0,
                    help="which part of it is work: 0 only waits, 1 only computes",
                ),
            ),
            calibrated=(
                _units("each about a tenth of a millisecond of work", low=0),
                _delay_ms("how long it waits"),
            ),
            has_async_form=True,
        ),
    )
}
