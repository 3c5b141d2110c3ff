"""What the producer recommends for arrivals is accepted beside what is given with them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from poolbench.errors import UsageError
from producer.arrivals import ARRIVALS
from producer.submission import schedule_of

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


def faults_of(arrivals: str, **options: Any) -> list[str]:
    """Return the faults of what is given, as a person reads them."""
    try:
        schedule_of(options, arrivals=arrivals)
    except UsageError as error:
        return [str(fault) for fault in error.faults]
    return []


def refusals(arrivals: str, **options: Any) -> list[str]:
    """Return the faults that refuse what is given; what is missing is asked for."""
    return [fault for fault in faults_of(arrivals, **options) if "need it" not in fault]


@pytest.mark.parametrize("name", ["xyzzy", *ARRIVALS])
@pytest.mark.parametrize("rate", [{}, {"rate_per_s": 50}], ids=",".join)
@pytest.mark.parametrize("shape", SHAPES, ids=",".join)
def test_recommended_arrivals_suit_what_is_given(
    name: str, rate: dict[str, Any], shape: dict[str, Any]
) -> None:
    """Each of those named for a wrong word, or instead of others, refuses no parameter or rate."""
    faults = faults_of(name, **rate, **shape)
    assert name in ARRIVALS or len(faults) == 1

    advice = r"or take (.+)\.$" if name in ARRIVALS else r"Use one of (.+)\.$"

    for match in [found for fault in faults if (found := re.search(advice, fault))]:
        for other in re.split(", | or ", match[1]):
            assert refusals(other, **rate, **shape) == []


def test_a_close_word_says_what_it_refuses() -> None:
    """A burst has no rate, so the word alone would be refused."""
    (fault,) = faults_of("brst", rate_per_s=50)

    assert (
        fault
        == "--arrivals = brst is invalid: unknown arrivals. Did you mean burst (it takes count)?"
    )
