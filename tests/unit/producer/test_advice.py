"""What the producer recommends for arrivals is accepted beside what is given with them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from poolbench.errors import UsageError
from producer.arrivals import ARRIVALS
from producer.submission import read_schedule

#: Values of the parameters that arrivals take, by name.
SHAPE: dict[str, Any] = {
    "to_rate_per_s": 200,
    "over_s": 30,
    "rates_per_s": [5, 9],
    "step_s": 2,
    "swing": 0.5,
    "period_s": 20,
}

#: Parameters that are given together.
SHAPES = [
    {name: SHAPE[name] for name in names}
    for names in ((), *((one,) for one in SHAPE), *itertools.combinations(SHAPE, 2))
]


def faults_of(**given: Any) -> list[str]:
    """Return the faults of what is given, as a person reads them."""
    try:
        read_schedule(count=None, **{"shape": {}, **given})
    except UsageError as error:
        return [str(fault) for fault in error.faults]
    return []


def refusals(**given: Any) -> list[str]:
    """Return the faults that refuse what is given; what is missing is asked for."""
    return [fault for fault in faults_of(**given) if "missing" not in fault]


@pytest.mark.parametrize("rate_per_s", [0, 50])
@pytest.mark.parametrize("shape", SHAPES, ids=",".join)
def test_recommended_arrivals_suit_what_is_given(rate_per_s: float, shape: dict[str, Any]) -> None:
    """Each of those named for wrong ones refuses neither the rate nor a parameter."""
    given = {"rate_per_s": rate_per_s, "shape": shape}
    (fault,) = [one for one in faults_of(**given, arrivals="xyzzy") if "xyzzy" in one]

    found = re.search("use one of (.+)$", fault)

    for name in found[1].split(", ") if found else ():
        assert refusals(**given, arrivals=name) == []


@pytest.mark.parametrize("name", ARRIVALS)
@pytest.mark.parametrize("rate_per_s", [0, 50])
@pytest.mark.parametrize("shape", SHAPES, ids=",".join)
def test_arrivals_to_take_instead_suit_what_is_given(
    name: str, rate_per_s: float, shape: dict[str, Any]
) -> None:
    """As above, where arrivals refuse a parameter or a rate."""
    given = {"rate_per_s": rate_per_s, "shape": shape}

    found = [re.search("or take (.+)$", fault) for fault in faults_of(**given, arrivals=name)]

    for other in [one for match in found if match for one in match[1].split(" or ")]:
        assert refusals(**given, arrivals=other) == []


@pytest.mark.parametrize("name", ARRIVALS)
def test_a_rate_out_of_bounds_is_told_what_these_arrivals_take(name: str) -> None:
    """0 is recommended only where it is a rate."""
    (fault,) = [one for one in faults_of(arrivals=name, rate_per_s=-1) if "--rate:" in one]

    is_zero_fine = not [one for one in faults_of(arrivals=name, rate_per_s=0) if "--rate:" in one]

    assert ("from 0" in fault or "leave it out" in fault) == is_zero_fine


def test_a_close_word_says_what_it_refuses() -> None:
    """A burst has no rate, so the word alone would be refused."""
    (fault,) = faults_of(rate_per_s=50, arrivals="brst")

    assert fault == "--arrivals: unknown: brst; did you mean burst? (it takes no rate)"
