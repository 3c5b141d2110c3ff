"""The calibration: milliseconds of work become units, the same for every contender."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.calibration import message_parameters, needs_calibration, read_calibration
from poolbench.errors import StackError, UsageError
from poolbench.jobs import JOB_KINDS, complete_parameters, find_kind

#: A millisecond a unit, a tenth of one for the mixed kind.
CALIBRATION = dict.fromkeys(JOB_KINDS, 0.001) | {"mixed.share": 1e-4}


def sent(kind: str, given: dict[str, Any], *, cost_s: float | None = None) -> dict[str, float]:
    """Return what a message of that kind carries."""
    known = find_kind(kind)
    calibration = CALIBRATION if cost_s is None else {kind: cost_s}
    return message_parameters(known, complete_parameters(known, given), calibration=calibration)


@pytest.mark.parametrize("kind", JOB_KINDS.values(), ids=lambda kind: kind.name)
def test_a_message_carries_what_the_function_takes(kind: Any) -> None:
    """With defaults alone, too; the optional stays away."""
    wanted = {parameter.name for parameter in kind.message_parameters if not parameter.is_optional}

    assert set(sent(kind.name, {})) == wanted


@given(
    work_ms=st.floats(0.1, 100_000),
    cost_s=st.floats(1e-5, 1e-2),
    kind=st.sampled_from([kind.name for kind in JOB_KINDS.values() if kind.is_cpu_bound]),
)
def test_units_come_as_near_to_the_time_as_whole_numbers_do(
    work_ms: float, cost_s: float, kind: str
) -> None:
    """At least one, and else not half a unit away."""
    units = sent(kind, {"work_ms": work_ms}, cost_s=cost_s)["units"]

    assert isinstance(units, int)
    assert units >= 1
    assert units == 1 or abs(units * cost_s - work_ms / 1_000) <= 0.5001 * cost_s


@given(total_ms=st.floats(1, 100_000), cpu_share=st.floats(0, 1))
def test_a_share_splits_the_whole(total_ms: float, cpu_share: float) -> None:
    """Work and wait make up the total, but for half a unit, or for the one unit at the least."""
    found = sent("mixed.share", {"total_ms": total_ms, "cpu_share": cpu_share})

    assert found["delay_ms"] == pytest.approx(total_ms * (1 - cpu_share))
    assert abs(found["delay_ms"] + found["units"] * 0.1 - total_ms) <= 0.1001
    assert (found["units"] == 0) == (cpu_share == 0)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("cpu.primes", {"units": 3}),
        ("mixed.share", {"units": 0, "delay_ms": 2.0}),
        ("mixed.share", {"total_ms": 5, "cpu_share": 0}),
        ("io.http", {"delay_ms": 1.0, "tail_sigma": 0.5}),
        ("mixed.fetch", {}),
    ],
)
def test_what_is_no_time_of_work_needs_no_calibration(kind: str, given: dict[str, Any]) -> None:
    """Units are taken as they are, and a wait is a wait."""
    known = find_kind(kind)
    complete = complete_parameters(known, given)

    found = message_parameters(known, complete, calibration={})

    assert not needs_calibration(complete)
    assert complete_parameters(known, found) == found


@pytest.mark.parametrize("kind", ["cpu.primes", "mixed.share"])
def test_a_missing_calibration_names_the_command(kind: str) -> None:
    """One line: what is missing, what makes it, and what does without."""
    known = find_kind(kind)
    complete = complete_parameters(known, {})

    assert needs_calibration(complete)
    with pytest.raises(StackError, match=r"Run `python -m worker calibrate --publish`, or give un"):
        message_parameters(known, complete, calibration={"cpu.sha256": 1e-3})


def test_more_work_than_a_message_may_ask_for_is_refused() -> None:
    """A calibration that can't be true doesn't become a job without end."""
    with pytest.raises(UsageError, match="must be 1 to 10,000,000 units"):
        sent("cpu.primes", {"work_ms": 100_000}, cost_s=1e-9)


@given(st.dictionaries(st.text(), st.floats(1e-9, 1e3)))
def test_a_calibration_reads_back(calibration: dict[str, float]) -> None:
    """What is published is what is read; where Redis holds none, not every job needs one."""
    assert read_calibration(json.dumps(calibration)) == calibration
    assert read_calibration(None) == {}


@pytest.mark.parametrize(
    "text",
    ["no JSON", "[1]", '{"a": 0}', '{"a": -1}', '{"a": "1"}', '{"a": true}', '{"a": Infinity}'],
)
def test_a_garbled_calibration_is_told(text: str) -> None:
    """A cost that is no positive number can't divide anything."""
    with pytest.raises(StackError, match="can't be read"):
        read_calibration(text)
