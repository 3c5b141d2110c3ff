"""The segments of an execution add up to its duration without the recorded machine's contention."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.recording import read_recording
from lab.replay.segments import SEGMENT_COLUMNS, unknown_share, with_segments
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


def _segments(*jobs: RecordedJob, app: RecordedApp | None = None) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        file = write_recording(Path(folder) / "a.pbrec", jobs, app=app)
        recording = read_recording(file)
    return with_segments(recording.jobs, sample_hz=[one.sample_hz for one in recording.sessions])


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
