"""How long a greenlet ran."""

from __future__ import annotations

import time
from collections.abc import Iterator

import greenlet
import pytest

from poolbench.recording.lanes import PAUSES, RUNS, read_steps
from poolbench.recording.running_time import RunningTime

MS = 1_000_000


@pytest.fixture
def running_time() -> Iterator[RunningTime]:
    """One that traces this thread, and stops."""
    before = greenlet.gettrace()
    yield RunningTime()
    greenlet.settrace(before)


def _spend(ms: float) -> None:
    ends_ns = time.perf_counter_ns() + ms * MS
    while time.perf_counter_ns() < ends_ns:
        pass


def test_only_its_own_turns_count(running_time: RunningTime) -> None:
    """While it is switched out, others run."""

    def job() -> tuple[int, int] | None:
        running_time.begin()
        _spend(5)
        greenlet.getcurrent().parent.switch()
        _spend(60)
        return running_time.end()

    slot = greenlet.greenlet(job)
    slot.switch()
    _spend(200)
    found = slot.switch()
    assert 65 * MS <= found[0] < 200 * MS
    # its first turn is too short to block the loop
    assert 60 * MS <= found[1] < found[0]


def test_a_greenlet_that_did_not_begin_has_none(running_time: RunningTime) -> None:
    """The probe was loaded while it ran."""
    assert running_time.end() is None
    running_time.begin()
    assert running_time.end() is not None
    assert running_time.end() is None


def test_a_function_that_was_set_before_is_still_called(running_time: RunningTime) -> None:
    """The app may watch its own switches."""
    seen: list[str] = []
    greenlet.settrace(lambda event, _: seen.append(event))
    running_time.begin()
    greenlet.greenlet(lambda: None).switch()
    assert seen == ["switch", "switch"]


def test_lanes_have_each_turn_and_each_pause() -> None:
    """From the begin of the job to its end; without lanes, nothing is kept."""
    before = greenlet.gettrace()
    running_time = RunningTime(has_lanes=True)

    def job() -> None:
        running_time.begin()
        _spend(3)
        greenlet.getcurrent().parent.switch()
        _spend(2)
        running_time.end()

    began_ns = time.time_ns()
    slot = greenlet.greenlet(job)
    slot.switch()
    _spend(10)
    slot.switch()
    greenlet.settrace(before)

    ((first_ns, text),) = running_time.steps()
    steps = [*read_steps({"t_ns": first_ns, "steps": text})]
    assert [letter for letter, _, _ in steps] == [RUNS, PAUSES, RUNS]
    durations_ms = [(end_ns - begin_ns) / MS for _, begin_ns, end_ns in steps]
    assert all(found >= least - 0.01 for found, least in zip(durations_ms, (3, 10, 2), strict=True))
    assert began_ns - 50 * MS < first_ns < time.time_ns()
    assert RunningTime().steps() == []
