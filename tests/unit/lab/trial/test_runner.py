"""A trial's size and rate, from the figures of a pilot."""

from __future__ import annotations

import pytest

from lab.experiment.arrivals import MAX_JOBS
from lab.instruments.stream_follower import TrialView
from lab.trial.runner import backlog_size, busy_slots, measured_rate_per_s


def view_of(spans_ns: list[tuple[int, int]]) -> TrialView:
    """Return a view in which jobs started and finished at the given moments."""
    view = TrialView()
    view.started_ns = {str(index): start_ns for index, (start_ns, _) in enumerate(spans_ns)}
    view.finished_ns = {str(index): end_ns for index, (_, end_ns) in enumerate(spans_ns)}
    return view


def test_a_steady_pilot_gives_its_rate() -> None:
    """A job each 10 ms is 100 jobs a second."""
    view = view_of([(index * 10_000_000, (index + 1) * 10_000_000) for index in range(20)])

    assert measured_rate_per_s(view) == pytest.approx(100)


def test_waits_that_end_in_waves_give_slots_over_wait() -> None:
    """Four slots and 100 ms are 40 jobs a second, though four finish at one instant."""
    waves = [(wave * 100_000_000, (wave + 1) * 100_000_000) for wave in range(2)]

    assert measured_rate_per_s(view_of(waves * 4)) == pytest.approx(40)


@pytest.mark.parametrize("spans_ns", [[], [(5, 5)]])
def test_no_span_gives_no_rate(spans_ns: list[tuple[int, int]]) -> None:
    """Without a span there is no rate, and no division by zero."""
    assert measured_rate_per_s(view_of(spans_ns)) == 0


@pytest.mark.parametrize(
    ("rate_per_s", "slots", "jobs"),
    [(100.0, 4, 152), (0.0, 4, 20), (1.0, 100, 500), (1e9, 1, MAX_JOBS), (1e9, 3, 199_998)],
)
def test_a_backlog_lasts_about_a_trial(rate_per_s: float, slots: int, jobs: int) -> None:
    """Rate times duration, with a minimum of jobs for each slot and a maximum in all."""
    assert backlog_size(rate_per_s, slots=slots, trial_s=1.5) == jobs


@pytest.mark.parametrize(
    ("peak", "jobs", "slots", "busy"),
    [
        pytest.param(1, 16, 100, 4, id="one-at-a-time"),
        pytest.param(16, 16, 50, 50, id="as-many-as-the-pilot-had"),
        pytest.param(4, 16, 50, 50, id="near-that"),
        pytest.param(4, 8, 4, 4, id="all-slots"),
        pytest.param(20, 200, 100, 80, id="some-of-many"),
        pytest.param(31, 200, 100, 100, id="a-third-of-many"),
        pytest.param(0, 16, 100, 4, id="none-seen"),
    ],
)
def test_slots_that_were_idle_in_the_pilot_need_no_backlog(
    peak: int, jobs: int, slots: int, busy: int
) -> None:
    """All slots if the peak was near its maximum, else a multiple of the peak."""
    assert busy_slots(peak, jobs=jobs, slots=slots) == busy
