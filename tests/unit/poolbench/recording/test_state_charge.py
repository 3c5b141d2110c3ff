"""What samples of a thread add up to."""

from __future__ import annotations

import pytest

from poolbench.recording.state_charge import Charge, Sample, core_shares
from poolbench.records import STATE_COLUMNS

MS = 1_000_000

_UNKNOWN = (0.0, 0.0, 1.0)


def _sample(state: str, *, run_ms: float = 0.0, wait_ms: float = 0.0) -> Sample:
    times = (int(run_ms * MS), int(wait_ms * MS))
    run_share = run_ms / (run_ms + wait_ms) if run_ms else 1.0
    return Sample(t_ns=0, gap_ns=20 * MS, state=state, times=times, run_share=run_share)


def test_a_sample_stands_for_the_time_since_the_one_before() -> None:
    """A job shorter than the interval is charged all of it, for those that no sample met."""
    charge = Charge()
    charge.add(_sample("io_wait_ns"), _UNKNOWN)
    assert charge.states(3 * MS)["io_wait_ns"] == 20 * MS
    assert set(charge.states(3 * MS)) == set(STATE_COLUMNS)


def test_a_running_thread_divides_by_the_kernels_counts() -> None:
    """Running is being on a core, or waiting for one."""
    charge = Charge()
    charge.add(_sample("running", run_ms=5, wait_ms=15), (0.5, 0.25, 0.25))
    found = charge.states(20 * MS)
    assert found["runnable_ns"] == 15 * MS
    assert found["core_held_ns"] == 2.5 * MS
    assert found["core_released_ns"] == found["core_ns"] == 1.25 * MS


def test_many_samples_are_exact_on_the_core() -> None:
    """Ten looks at a job that slept at each of them still find the quarter that it computed."""
    charge = Charge()
    for _ in range(20):
        charge.add(_sample("lock_wait_ns", run_ms=5), _UNKNOWN)
    found = charge.states(400 * MS)
    assert found["core_ns"] == 100 * MS
    assert found["lock_wait_ns"] == 300 * MS
    assert sum(found.values()) == 400 * MS


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([_sample("running", run_ms=20)], (0.0, 0.0, 1.0), id="alone"),
        pytest.param(
            [_sample("running", run_ms=20), _sample("gil_wait_ns")], (1.0, 0.0, 0.0), id="holder"
        ),
        pytest.param(
            [_sample("running", run_ms=20), _sample("running", run_ms=20)],
            (0.0, 0.5, 0.5),
            id="two on cores",
        ),
        pytest.param(
            [_sample("running", run_ms=10), _sample("running", run_ms=10)],
            (0.0, 0.0, 1.0),
            id="two on one core",
        ),
        pytest.param([_sample("io_wait_ns"), _sample("gil_wait_ns")], (0.0, 0.0, 1.0), id="none"),
    ],
)
def test_only_one_thread_holds_the_gil(
    samples: list[Sample], expected: tuple[float, float, float]
) -> None:
    """What is not proven is unknown."""
    assert core_shares(samples, has_gil=True) == expected


def test_without_a_gil_nothing_holds_it() -> None:
    """A free-threaded interpreter computes with it released."""
    assert core_shares([_sample("running", run_ms=20)], has_gil=False) == (0.0, 1.0, 0.0)
