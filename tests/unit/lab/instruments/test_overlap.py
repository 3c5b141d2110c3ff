"""How many jobs were in flight at once, and since when."""

from __future__ import annotations

from lab.instruments.overlap import first_in_flight, peak_in_flight

#: Two overlap from 30 to 40; the third starts as the second ends.
STARTS, ENDS = [10, 30, 50], [40, 50, 60]


def test_the_first_instant_at_which_so_many_were_in_flight_is_found() -> None:
    """The start of the job that made them so many; an end precedes a start at the same time."""
    assert peak_in_flight(STARTS, ENDS) == 2
    assert first_in_flight(STARTS, ENDS, jobs=1) == 10
    assert first_in_flight(STARTS, ENDS, jobs=2) == 30


def test_there_is_none_if_they_never_were_so_many() -> None:
    """Nor without any job; one that still runs counts."""
    assert first_in_flight(STARTS, ENDS, jobs=3) is None
    assert first_in_flight([], [], jobs=1) is None
    assert first_in_flight([10, 20], [], jobs=2) == 20
