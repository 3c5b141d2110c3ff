"""What `--until` and `--budget` may say, and what is said of every fault in them."""

from __future__ import annotations

import re

import pytest

from collector.run_manifest import Until
from lab.experiment.stopping_rule import DEFAULT_BUDGET_S, read_until
from poolbench.errors import ExitCode, UsageError


def faults_of(
    *, until: str | None = None, budget: str | None = None, repetitions: int | None = None
) -> list[str]:
    """Return the faults as a person reads them."""
    with pytest.raises(UsageError) as caught:
        read_until(until=until, budget=budget, repetitions=repetitions)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(fault) for fault in caught.value.faults]


def test_nothing_asked_is_nothing() -> None:
    """A run of counted blocks."""
    assert read_until(until=None, budget=None, repetitions=7) is None


@pytest.mark.parametrize(
    ("until", "budget", "half_width", "at_most_s"),
    [
        ("3%", None, 0.03, DEFAULT_BUDGET_S),
        ("0.5 %", "15m", 0.005, 900),
        (" 10% ", "90s", 0.1, 90),
        ("2.5%", "900", 0.025, 900),
        ("3%", "1h30m", 0.03, 5_400),
        ("3%", "2 h", 0.03, 7_200),
        ("3%", "1m30s", 0.03, 90),
    ],
)
def test_precision_and_time_are_read_as_people_write_them(
    until: str, budget: str | None, half_width: float, at_most_s: float
) -> None:
    """Spaces are forgiven; hours, minutes, seconds, seconds alone, or the default."""
    found = read_until(until=until, budget=budget, repetitions=None)

    assert found is not None
    assert found.half_width == pytest.approx(half_width)
    assert found.at_most_s == at_most_s


@pytest.mark.parametrize("until", ["3", "0.03", "three", "", "0%", "80%", "-3%", "3%%"])
def test_an_impossible_precision_is_refused(until: str) -> None:
    """A bare number might be a share or a percentage: it is asked back, with an example."""
    (fault,) = faults_of(until=until)

    assert "is invalid: must be a percentage from 0.2% to 50%. " in fault
    assert "such as 3%" in fault


@pytest.mark.parametrize("budget", ["soon", "", "5s", "-5m", "15 minutes", "m", "30d", "999h"])
def test_an_impossible_time_is_refused(budget: str) -> None:
    """Also one that is too short for a block, or longer than a week."""
    (fault,) = faults_of(until="3%", budget=budget)

    assert "is invalid: must be a time from 10s to 168h. " in fault
    assert "such as 15m" in fault


def test_a_time_alone_is_a_budget() -> None:
    """It asks for no width."""
    found = read_until(until=None, budget="5m", repetitions=None)

    assert found == Until(half_width=None, at_most_s=300)


def test_a_budget_and_a_number_of_repetitions_are_refused() -> None:
    """On one line, with what to leave out."""
    (fault,) = faults_of(budget="5m", repetitions=3)

    assert fault == (
        "--budget = 5m is invalid: can't be combined with --repetitions. Leave out one of them."
    )


@pytest.mark.parametrize(("until", "budget"), [("3", None), ("3%", "soon")])
def test_every_value_that_a_fault_names_is_accepted(until: str, budget: str | None) -> None:
    """Both ends of the span, and the examples."""
    (fault,) = faults_of(until=until, budget=budget)
    values = re.findall(r"\d[\w.]*[%hms\d]", fault.partition("must be")[2])

    assert len(values) >= 3
    for value in values:
        asked = {"until": "3%", "budget": value} if budget else {"until": value, "budget": None}
        assert read_until(**asked, repetitions=None)


def test_all_faults_are_said_at_once() -> None:
    """Two ways to end a run, a bare number and no time."""
    assert len(faults_of(until="3", budget="soon", repetitions=9)) == 3
