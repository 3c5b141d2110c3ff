"""What each slot did when: from the lines of a recording to lanes with segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.recording import Recording, read_recording
from report.analyses import slot_lanes
from report.analyses.slot_lanes import SlotLanes, State, lanes_of
from tests.recordings import BEGIN_NS, RecordedApp, RecordedJob, jobs_of, write_recording

Record = Callable[..., Recording]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Return what writes a recording with lanes, and reads it."""

    def write(jobs: Sequence[RecordedJob], **app: Any) -> Recording:
        path = tmp_path / f"{len([*tmp_path.iterdir()])}.pbrec"
        known = RecordedApp(**{"has_lanes": True, **app})
        return read_recording(write_recording(path, jobs, app=known))

    return write


def drawn(recording: Recording, **window: int) -> SlotLanes:
    """Return the lanes of a recording, which has some."""
    found = lanes_of(recording, name="worker", **window)
    assert found is not None
    return found


def test_each_slot_has_a_lane_with_the_states_of_its_thread(record: Record) -> None:
    """In the order of their first jobs; a job's own states add up to its duration."""
    jobs = jobs_of("app.job", [0.0, 0.0], {"core": 0.02, "gil_wait": 0.01, "io_wait": 0.03})
    found = drawn(record(jobs, pool="threads", slots=2))

    assert [lane.name for lane in found.slots] == ["slot 1", "slot 2"]
    for lane, job in zip(found.slots, found.jobs, strict=True):
        states = [one.state for one in lane.segments]
        assert states == [State.CORE, State.GIL_WAIT, State.WAITS]
        assert lane.segments[-1].end_s == pytest.approx(job.end_s, abs=1e-5)
        assert sum(job.states_s.values()) == pytest.approx(0.06)
    assert found.share(State.GIL_WAIT) == pytest.approx(1 / 6)
    assert found.threads == ()


def test_greenlets_share_lanes_and_only_run_or_do_not(record: Record) -> None:
    """A greenlet is new for each job: it gets the first free lane."""
    jobs = jobs_of("app.job", [0.0, 0.0, 0.5], {"core": 0.01, "io_wait": 0.1})
    found = drawn(record(jobs, pool="gevent", slots=10))

    assert [job.lane for job in found.jobs] == [0, 1, 0]
    states = {one.state for lane in found.slots for one in lane.segments}
    assert states == {State.RUNS, State.PAUSES}
    assert [lane.name for lane in found.threads] == ["the thread"]


def test_a_pause_is_blocked_while_another_job_has_the_thread_for_long(record: Record) -> None:
    """From 50 ms on, and exactly for that time; a shorter turn blocks no other slot."""
    waits = RecordedJob(task="app.wait", at_s=0.0, states={"io_wait": 0.3})
    long = RecordedJob(task="app.long", at_s=0.1, states={"core": 0.08})
    short = RecordedJob(task="app.short", at_s=0.2, states={"core": 0.04})
    found = drawn(record([waits, long, short], pool="gevent", slots=10))

    assert found.jobs[0].states_s[State.BLOCKED] == pytest.approx(0.08, abs=1e-5)
    segments = found.slots[0].segments
    assert [one.state for one in segments] == [State.PAUSES, State.BLOCKED, State.PAUSES]
    assert State.BLOCKED not in found.jobs[2].states_s


@pytest.mark.parametrize("late_ns", [2_000_000, -2_000_000])
def test_turns_are_cut_to_their_job(record: Record, late_ns: int) -> None:
    """Their clock is another one than that of the job, and may be ahead of it or behind."""
    recording = record(jobs_of("app.job", [0.0], {"core": 0.01, "io_wait": 0.1}), pool="gevent")
    moved = tuple(
        replace(
            line,
            steps=tuple(
                (letter, begin_ns + late_ns, end_ns + late_ns)
                for letter, begin_ns, end_ns in line.steps
            ),
        )
        for line in recording.steps
    )
    found = drawn(replace(recording, steps=moved))

    (job,) = found.jobs
    segments = found.slots[0].segments
    assert (segments[0].begin_s, segments[-1].end_s) == (job.begin_s, job.end_s)
    assert sum(job.states_s.values()) == pytest.approx(job.end_s - job.begin_s)


def test_what_no_sample_covers_is_not_seen(record: Record) -> None:
    """A job without lanes is drawn, and nothing is said about it."""
    recording = record(jobs_of("app.job", [0.0], {"core": 0.02}), has_lanes=False, has_states=False)
    found = drawn(recording)
    assert [one.state for one in found.slots[0].segments] == [State.UNSEEN]
    assert found.share(State.UNSEEN) == 1.0


def test_where_threads_cannot_be_sampled_there_are_jobs(record: Record) -> None:
    """As on macOS: a job runs, and what it does isn't known."""
    recording = record(
        jobs_of("app.job", [0.0], {"core": 0.02}),
        has_lanes=False,
        has_states=False,
        recording={"sample_hz": 0, "gil_reason": "threads are read on Linux only"},
    )
    found = drawn(recording)
    assert found.share(State.BUSY) == 1.0
    assert found.gil_reason == "threads are read on Linux only"


def test_the_queue_has_the_jobs_that_no_slot_has_started(record: Record) -> None:
    """Each waits from when it was published."""
    found = drawn(record(jobs_of("app.job", [0.0, 0.0, 0.0], {"core": 0.1}), slots=1))
    assert [count for _, count in found.waiting] == [3, 2, 1, 0]
    assert found.jobs[2].waited_s == pytest.approx(0.2, abs=0.01)


def test_a_window_has_the_jobs_that_were_received_in_it(record: Record) -> None:
    """The first jobs of a worker are not those of its lanes."""
    recording = record(jobs_of("app.job", [0.0, 1.0, 2.0], {"core": 0.1}))
    window = {"from_ns": BEGIN_NS + 500_000_000, "to_ns": BEGIN_NS + 1_500_000_000}
    assert len(drawn(recording, **window).jobs) == 1
    assert lanes_of(recording, name="worker", from_ns=BEGIN_NS + 3_000_000_000) is None


def test_a_picture_has_as_many_jobs_as_it_can_show(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted."""
    monkeypatch.setattr(slot_lanes, "MOST_SEGMENTS", 20)
    jobs = jobs_of("app.job", [0.1 * at for at in range(30)], {"core": 0.01, "io_wait": 0.01})
    found = drawn(record(jobs))
    assert 0 < len(found.jobs) < 30
    assert found.left_out == 30 - len(found.jobs)


def test_the_queue_of_a_cut_picture_has_the_jobs_that_are_left_out(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait while the others run; and the queue ends with the picture."""
    monkeypatch.setattr(slot_lanes, "MOST_SEGMENTS", 20)
    jobs = jobs_of("app.job", [0.0] * 30, {"core": 0.01, "io_wait": 0.01})
    found = drawn(record(jobs, slots=1, prefetch_multiplier=0))

    assert found.left_out > 0
    assert found.waiting[0] == (0.0, 30)
    assert found.waiting[-1][1] == found.left_out
    assert found.waiting[-1][0] <= found.span_s


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1), st.lists(st.sampled_from([0.0, 0.01, 0.06]), min_size=3, max_size=3)
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["threads", "gevent", "prefork"]),
)
def test_segments_lie_within_their_jobs_and_never_overlap(
    record: Record, described: list[tuple[float, list[float]]], pool: str
) -> None:
    """Whatever the jobs do."""
    jobs = [
        RecordedJob(
            task="app.job",
            at_s=at_s,
            states={"core": core + 0.001, "gil_wait": gil, "io_wait": wait},
        )
        for at_s, (core, gil, wait) in described
    ]
    found = drawn(record(jobs, pool=pool, slots=3))
    assert len(found.jobs) == len(jobs)
    for index, lane in enumerate(found.slots):
        own = [job for job in found.jobs if job.lane == index]
        for before, after in pairwise(lane.segments):
            assert before.end_s <= after.begin_s + 1e-9
        for one in lane.segments:
            assert any(
                job.begin_s - 1e-6 <= one.begin_s and one.end_s <= job.end_s + 1e-6 for job in own
            )
    for job in found.jobs:
        assert sum(job.states_s.values()) == pytest.approx(job.end_s - job.begin_s, abs=1e-5)
