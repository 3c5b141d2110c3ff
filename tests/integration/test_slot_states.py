"""What a recording states of its slots, for jobs that do one known thing."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.states import Control, Found, measure
from poolbench.evidence import is_gil_enabled
from poolbench.recording.lanes import LANES_HZ

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="states are read on Linux only")

#: Bounds are wide, since other programs may use the cores meanwhile.
SECONDS = 1.0

_CORE = ("core_held_ns", "core_released_ns", "core_ns")

#: What a thread waits for other than a core, which other programs may use.
_WAITS = ("io_wait_ns", "lock_wait_ns", "gil_wait_ns")


def _measure(control: Control) -> Found:
    found = measure(control, seconds=SECONDS)
    assert found.opening["gil"] == "address", found.opening
    # samples stand for all of the time
    assert 0.8 <= sum(found.states_s.values()) / found.wall_s <= 1.2
    return found


def test_sleeping_threads_wait_for_no_lock() -> None:
    """They wait for a timer, and not for the GIL."""
    found = _measure(Control(job="sleep", slots=4, expected=""))
    waits = found.share(*_WAITS)
    assert waits > 0.5
    assert found.share("io_wait_ns") / waits > 0.9
    assert found.share("gil_wait_ns") / waits < 0.05


def test_computing_threads_wait_for_the_gil_in_turns() -> None:
    """Of four, three wait at any time, and the one on a core holds it."""
    control = Control(job="compute", slots=4, expected="")
    found = _measure(control)
    on_core, waits = found.share(*_CORE), found.share("gil_wait_ns")
    assert on_core == pytest.approx(found.jobs * control.job_s / found.wall_s, abs=0.15)
    # where other programs use the cores, some of both becomes runnable
    assert waits / (waits + on_core) == pytest.approx(0.75, abs=0.15)
    assert found.share("core_held_ns") > found.share("core_released_ns")


@pytest.mark.skipif(os.cpu_count() == 1, reason="on one core nothing runs beside the GIL's holder")
def test_hashing_threads_release_the_gil() -> None:
    """They run at once, so that one of two has no GIL, and neither waits for it.

    Where other programs use the cores, one that holds it between two hashes may have no core.
    """
    found = _measure(Control(job="hash", slots=2, expected=""))
    assert found.share("gil_wait_ns") < 0.3
    assert found.share("core_held_ns") < 0.3
    assert found.share(*_CORE, "runnable_ns") > 0.6


@pytest.mark.parametrize("job", ["lock", "event"])
def test_a_wait_for_another_lock_is_no_wait_for_the_gil(job: str) -> None:
    """Python's own locks sleep in a futex too, at another address."""
    found = _measure(Control(job=job, slots=4, job_s=0.02, expected=""))
    waits = found.share(*_WAITS)
    assert waits > 0.5
    assert found.share("lock_wait_ns") / waits > 0.6
    assert found.share("gil_wait_ns") / waits < 0.1


def test_processes_never_wait_for_each_others_gil() -> None:
    """In one with a single busy thread, nobody can see whether it holds the GIL."""
    found = _measure(Control(job="compute", slots=2, has_processes=True, expected=""))
    assert found.share("gil_wait_ns") == 0
    assert found.share("core_ns", "runnable_ns") > 0.9


def test_a_job_without_a_free_core_is_runnable() -> None:
    """Many computing neighbours leave it less than the whole core."""
    neighbours = 4 * (os.cpu_count() or 1)
    found = _measure(Control(job="compute", neighbours=neighbours, expected=""))
    assert found.share("runnable_ns") > 0.4


def test_short_jobs_are_right_together() -> None:
    """Most jobs of 3 ms meet no sample, and those that do stand for them."""
    control = Control(job="sleep+compute", job_s=0.003, slots=2, expected="")
    found = _measure(control)
    assert found.sampled_jobs < found.jobs / 2
    part_s = found.jobs * control.job_s / 3
    assert found.share("io_wait_ns") == pytest.approx(2 * part_s / found.wall_s, abs=0.2)
    assert found.share(*_CORE) == pytest.approx(part_s / found.wall_s, abs=0.2)


@pytest.mark.parametrize(
    ("job", "opposite"), [("compute", "core_released_ns"), ("hash", "core_held_ns")]
)
def test_the_helper_of_a_lone_job_does_not_find_the_opposite(job: str, opposite: str) -> None:
    """The busier the cores, the more stays unknown."""
    found = _measure(Control(job=job, has_processes=True, gil_probe=True, expected=""))
    assert found.share(opposite) < 0.2


def _measure_lanes(control: Control) -> Found:
    """Measure as lanes do; the steps cover the jobs' time, and cost no more than is allowed."""
    found = measure(control, seconds=SECONDS, has_lanes=True)
    assert found.opening["sample_hz"] == LANES_HZ
    assert sum(found.steps_s.values()) == pytest.approx(found.wall_s, rel=0.2)
    # to start sampling costs a part of so short a time
    assert found.sampler_share < 0.1
    return found


@pytest.mark.parametrize(
    ("job", "state"),
    [("sleep", "io_wait_ns"), ("event", "lock_wait_ns"), ("lock", "lock_wait_ns")],
)
def test_steps_of_a_waiting_thread_are_no_wait_for_the_gil(job: str, state: str) -> None:
    """The same states that its jobs are charged with."""
    found = _measure_lanes(Control(job=job, slots=4, job_s=0.02, expected=""))
    assert found.step_share("gil_wait_ns") < 0.05
    assert found.step_share(state) == pytest.approx(found.share(state), abs=0.15)
    assert found.step_share(state) > 0.4


@pytest.mark.skipif(not is_gil_enabled(), reason="this Python has no GIL")
@pytest.mark.parametrize("slots", [2, 4])
def test_steps_of_computing_threads_are_waits_for_the_gil_in_turns(slots: int) -> None:
    """All but one wait at any time; where other programs use the cores, some are runnable."""
    found = _measure_lanes(Control(job="compute", slots=slots, expected=""))
    waits, on_core = found.step_share("gil_wait_ns"), found.step_share("core_ns")
    assert waits / (waits + on_core) == pytest.approx(1 - 1 / slots, abs=0.15)
    assert waits == pytest.approx(found.share("gil_wait_ns"), abs=0.2)


@pytest.mark.skipif(os.cpu_count() == 1, reason="on one core nothing runs beside the GIL's holder")
def test_steps_of_hashing_threads_are_on_cores_at_once() -> None:
    """Neither waits for the GIL."""
    found = _measure_lanes(Control(job="hash", slots=2, expected=""))
    assert found.step_share("gil_wait_ns") < 0.3
    assert found.step_share("core_ns", "runnable_ns") > 0.6


def test_steps_of_processes_are_no_waits_for_the_gil() -> None:
    """Each has its own."""
    found = _measure_lanes(Control(job="compute", slots=2, has_processes=True, expected=""))
    assert found.step_share("gil_wait_ns") == 0
    assert found.step_share("core_ns", "runnable_ns") > 0.9
