"""The catalogue: what may be asked of a job kind, and what is said of every fault."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.errors import UsageError
from poolbench.jobs import (
    JOB_KINDS,
    JobKind,
    Parameter,
    WorkClass,
    complete_parameters,
    find_kind,
    ideal_wait_s,
    parse_parameters,
    rough_job_s,
)

KINDS = list(JOB_KINDS.values())


def faults_of(kind: str, given: dict[str, Any]) -> list[str]:
    """Return what is said of these parameters."""
    with pytest.raises(UsageError) as caught:
        complete_parameters(find_kind(kind), given)
    return [str(fault) for fault in caught.value.faults]


def values_of(parameter: Parameter) -> st.SearchStrategy[float]:
    """Return values within a parameter's bounds."""
    if parameter.type is int:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high)


@st.composite
def kinds_with_parameters(draw: st.DrawFn) -> tuple[JobKind, dict[str, float]]:
    """Return a kind and parameters that it takes, of one sort, some left out."""
    kind = draw(st.sampled_from(KINDS))
    group = draw(st.sampled_from([kind.parameters, kind.message_parameters]))
    chosen = [parameter for parameter in group if draw(st.booleans())]
    return kind, {parameter.name: draw(values_of(parameter)) for parameter in chosen}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_described_for_people(kind: JobKind) -> None:
    """A sentence, phrases for its parameters, defaults within their bounds, names of its own."""
    parameters = [*kind.parameters, *kind.calibrated]

    assert kind.summary.endswith(".")
    assert len({parameter.name for parameter in parameters}) == len(parameters) > 0
    for parameter in parameters:
        assert parameter.low <= parameter.default <= parameter.high
        assert parameter.help
        assert not parameter.help.endswith(".")


def test_the_kinds_are_there() -> None:
    """Names are the Celery task names and stand in people's files: none may change."""
    cpu_bound = ["cpu.primes", "cpu.json", "cpu.sha256", "cpu.zlib"]
    waiting = ["io.sleep", "io.http", "io.redis", "io.file", "mixed.fetch", "mixed.share"]

    assert list(JOB_KINDS) == [*cpu_bound, *waiting, "replay.stand-in"]
    assert [kind.name for kind in KINDS if kind.is_cpu_bound] == cpu_bound
    assert [kind for kind in KINDS if kind.computes and not kind.is_cpu_bound] == [
        kind for kind in KINDS if kind.work_class is WorkClass.BOTH
    ]


@given(kinds_with_parameters())
def test_what_is_within_bounds_is_taken(case: tuple[JobKind, dict[str, float]]) -> None:
    """Given values stay, the rest have defaults, twice changes nothing, and text means the same."""
    kind, parameters = case
    words = {name: repr(value) for name, value in parameters.items()}

    complete = complete_parameters(kind, parameters)

    assert parameters.items() <= complete.items()
    assert complete_parameters(kind, complete) == complete
    assert parse_parameters(kind, words) == complete


@given(kinds_with_parameters())
def test_times_are_told_of_whatever_is_taken(case: tuple[JobKind, dict[str, float]]) -> None:
    """A wait and a rough length are finite, and no job is shorter than its wait."""
    kind, parameters = case
    complete = complete_parameters(kind, parameters)

    wait_s = ideal_wait_s(kind, complete)

    assert (wait_s is None) == (kind.is_cpu_bound or kind.name in {"io.redis", "io.file"})
    assert math.isfinite(rough_job_s(kind, complete))
    assert rough_job_s(kind, complete) >= (wait_s or 0.0)


@pytest.mark.parametrize(
    ("kind", "parameters", "wait_s", "rough_s"),
    [
        ("cpu.zlib", {"work_ms": 40}, None, 0.04),
        ("cpu.zlib", {"units": 40}, None, 0.04),
        ("io.sleep", {"delay_ms": 40}, 0.04, 0.04),
        ("io.http", {"delay_ms": 40, "tail_sigma": 1, "size_bytes": 0}, 0.04 * math.e**0.5, 0.066),
        ("io.redis", {"commands": 100}, None, 0.02),
        ("io.file", {"size_bytes": 10_000_000}, None, 1.0),
        ("mixed.share", {"total_ms": 40, "cpu_share": 0}, 0.04, 0.04),
        ("mixed.share", {"total_ms": 40, "cpu_share": 0.25}, 0.03, 0.04),
        ("mixed.share", {"total_ms": 40, "cpu_share": 1}, 0.0, 0.04),
        ("mixed.share", {"units": 40, "delay_ms": 7}, 0.007, 0.047),
    ],
)
def test_the_wait_and_the_length_of_a_job(
    kind: str, parameters: dict[str, float], wait_s: float | None, rough_s: float
) -> None:
    """Waits are exact, lengths are rough: they only decide when patience ends."""
    known = find_kind(kind)
    complete = complete_parameters(known, parameters)

    assert ideal_wait_s(known, complete) == (None if wait_s is None else pytest.approx(wait_s))
    assert rough_job_s(known, complete) == pytest.approx(rough_s, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "name", "value", "constraint"),
    [
        ("cpu.primes", "work_ms", 0, "0.1 to 100,000 ms (work, in CPU"),
        ("cpu.primes", "units", 0, "1 to 10,000,000 units"),
        ("cpu.primes", "units", 1.5, "a whole number"),
        ("cpu.primes", "work_ms", "8", "a number"),
        ("cpu.primes", "work_ms", math.nan, "0.1 to"),
        ("cpu.primes", "work_ms", True, "a number"),
        ("mixed.share", "cpu_share", 1.01, "0 to 1 (which part"),
        ("mixed.share", "total_ms", 0.5, "1 to 100,000 ms"),
        ("io.redis", "commands", 0, "1 to 100,000 commands"),
    ],
)
def test_a_fault_says_what_would_be_right(
    kind: str, name: str, value: object, constraint: str
) -> None:
    """The bounds with their unit and meaning, or the type."""
    (fault,) = faults_of(kind, {name: value})

    assert fault.startswith(f"{name} = {value!r} is invalid: must be {constraint}")


@pytest.mark.parametrize(
    ("kind", "given", "mixed", "remedy"),
    [
        ("cpu.json", {"work_ms": 8, "units": 8}, "work_ms with units", "work_ms, or instead units"),
        (
            "mixed.share",
            {"total_ms": 50, "delay_ms": 10, "units": 4},
            "total_ms with units and delay_ms",
            "total_ms and cpu_share, or instead units and delay_ms",
        ),
    ],
)
def test_two_ways_to_say_it_are_one_fault(
    kind: str, given: dict[str, Any], mixed: str, remedy: str
) -> None:
    """A time and units at once contradict each other, and only the person knows which is meant."""
    said = f"these parameters of {kind} can't be combined: {mixed}. Give {remedy}."
    assert faults_of(kind, given) == [said]


def test_all_faults_are_said_at_once() -> None:
    """Three mistakes are three lines."""
    assert len(faults_of("io.http", {"delay_ms": -1, "size_bytes": 0.5, "dealy": 1})) == 3


def test_an_unknown_name_names_the_nearest() -> None:
    """A typing error costs one line, in a kind as in a parameter."""
    said = "work = 5 is invalid: unknown parameter of cpu.primes. Did you mean work_ms?"
    assert faults_of("cpu.primes", {"work": 5}) == [said]
    with pytest.raises(
        UsageError,
        match=r"unknown job kind. Did you mean mixed.share\?",
    ):
        find_kind("mixed.shares")
