"""The segments of an execution add up to its duration without the recorded machine's contention."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.recording import Recording, read_recording
from lab.replay.segments import (
    SEGMENT_COLUMNS,
    _loop_waits,
    loop_durations,
    unknown_share,
    with_segments,
)
from tests.recordings import RecordedApp, RecordedJob, write_recording

_STATES = (
    "core_held",
    "core_released",
    "core",
    "runnable",
    "gil_wait",
    "lock_wait",
    "any_lock",
    "io_wait",
)


def _recorded(*jobs: RecordedJob, app: RecordedApp | None = None) -> Recording:
    with tempfile.TemporaryDirectory() as folder:
        return read_recording(write_recording(Path(folder) / "a.pbrec", jobs, app=app))


def _segments(*jobs: RecordedJob, app: RecordedApp | None = None) -> pl.DataFrame:
    return with_segments(_recorded(*jobs, app=app))


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(_STATES), st.floats(0, 5), min_size=1),
            st.floats(0, 2),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["prefork", "threads", "gevent"]),
)
def test_segments_are_the_duration_without_contention(
    described: list[tuple[dict[str, float], float, str]], pool: str
) -> None:
    """None is negative, whatever was sampled."""
    jobs = [
        RecordedJob(task=task, at_s=float(number), states=states, child_cpu_s=child_s)
        for number, (states, child_s, task) in enumerate(described)
    ]

    found = _segments(*jobs, app=RecordedApp(pool=pool))

    times = found.select(*SEGMENT_COLUMNS[:-1], "contention_ns")
    assert all(time_ns >= 0 for row in times.rows() for time_ns in row)
    assert [sum(row) for row in times.rows()] == found["wall_ns"].to_list()


def test_waits_for_a_core_or_the_gil_are_not_repeated() -> None:
    """They are the recorded machine's; the measured pool makes its own."""
    states = {"core_held": 1.0, "runnable": 0.5, "gil_wait": 1.5, "io_wait": 2.0, "lock_wait": 1.0}

    (row,) = _segments(RecordedJob(task="a", at_s=0, states=states)).iter_rows(named=True)

    assert row["contention_ns"] == 2e9
    assert row["held_ns"] == 1e9
    assert row["wait_ns"] == 3e9


def test_a_short_job_has_the_shares_of_its_task() -> None:
    """A job of few samples may have met none of its states; the sums of a task are right."""
    short = {"core_held": 0.001, "io_wait": 0.003}
    jobs = [
        RecordedJob(task="a", at_s=0, states=short),
        RecordedJob(task="a", at_s=1, states={"core_released": 0.003, "runnable": 0.001}),
    ]

    found = _segments(*jobs)

    assert found["held_ns"].to_list() == [250_000, 750_000]
    assert found["contention_ns"].to_list() == pytest.approx([750_000, 250_000])


def test_on_a_loop_computing_is_the_time_that_the_job_ran() -> None:
    """Whether it would hold the GIL in a thread is unknown."""
    job = RecordedJob(task="a", at_s=0, states={"core": 0.5, "io_wait": 1.5})

    found = _segments(job, app=RecordedApp(pool="gevent"))

    assert found["unknown_ns"].to_list() == [500_000_000]
    assert found["wait_ns"].to_list() == [1_500_000_000]
    assert unknown_share(found) == 0.25


def test_a_childs_computing_uses_a_core_without_the_gil() -> None:
    """Its job waited for it."""
    job = RecordedJob(task="a", at_s=0, states={"core": 0.1, "io_wait": 1.0}, child_cpu_s=0.8)

    (row,) = _segments(job).iter_rows(named=True)

    assert row["released_ns"] == 800_000_000
    assert row["wait_ns"] == 200_000_000


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0.1, 10), st.floats(0, 100)), min_size=1, max_size=8
    )
)
def test_waits_on_the_loop_fit_between_the_turns(
    described: list[tuple[float, float, float]],
) -> None:
    """A wait is never negative, and never longer than what its job's own turns leave."""
    starts, turns, waits = (np.array(column) for column in zip(*described, strict=True))
    walls = loop_durations(starts, turns=turns, waits=waits)

    found = _loop_waits(starts, walls=walls, turns=turns)

    assert found.min() >= 0
    assert (found <= walls - turns + 1e-9).all()


def test_turns_of_other_jobs_on_the_loop_are_not_waits() -> None:
    """With the waits that were found, jobs take as long as they took in 95 of 100 loops.

    Where two jobs are ready at the same instant, a small change of a wait changes their order.
    """
    chance, exact = np.random.default_rng(1), 0
    for _ in range(100):
        starts, turns, waits = (chance.uniform(0, most, size=8) for most in (50, 10, 100))
        walls = loop_durations(starts, turns=turns, waits=waits)
        found = _loop_waits(starts, walls=walls, turns=turns)
        again = loop_durations(starts, turns=turns, waits=found)
        exact += again.sum() == pytest.approx(walls.sum(), rel=0.05)

    assert exact >= 95


def test_a_job_alone_on_its_loop_keeps_its_wait() -> None:
    """Others that ran before or after it change nothing."""
    starts, turns, walls = np.array([0.0, 1e9]), np.full(2, 1e6), np.full(2, 51e6)

    assert _loop_waits(starts, walls=walls, turns=turns) == pytest.approx(50e6)


def test_a_job_that_stops_its_loop_without_computing_blocks() -> None:
    """The worker used less CPU time than its jobs ran."""
    job = RecordedJob(task="a", at_s=0, states={"core": 0.5}, blocked_s=0.4)
    recording = _recorded(job, app=RecordedApp(pool="gevent"))

    found = with_segments(replace(recording, levels=recording.levels.with_columns(cpu_s=0.0)))

    assert found["blocking_ns"].to_list() == [400_000_000]
    assert found["unknown_ns"].to_list() == [100_000_000]
