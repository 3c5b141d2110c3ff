"""Slots, prefetch count and memory over time are those that the workers reported."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from report.profile.levels import level, prefetch_use, slot_use, spans, used
from report.profile.measure import measure_profile
from tests.recordings import BEGIN_NS, RecordedApp, RecordedJob, jobs_of
from tests.unit.report.profile.conftest import Record

#: One slot of two is busy for 5 of 11 seconds.
HALF = [RecordedJob(task="call", at_s=5.0, states={"io_wait": 5.0})]


def test_busy_slots_are_the_mean_over_time(record: Record) -> None:
    """One of two slots is busy for half of the time."""
    use = slot_use(record(HALF, app=RecordedApp(slots=2)))

    assert use.available == pytest.approx(2.0)
    assert use.mean == pytest.approx(5 / 11, rel=0.01)
    assert (use.p95, use.most) == (1.0, 1.0)
    assert sum(one.busy * one.width_s for one in use.points) == pytest.approx(5.0, rel=0.01)
    assert {round(one.slots, 6) for one in use.points} == {2.0}


def test_workers_add_up(record: Record) -> None:
    """Two workers at once have the slots, the connections and the memory of both."""
    record(HALF, app=RecordedApp(slots=2))
    recording = record(HALF, app=RecordedApp(slots=3, name="shop@web2"))
    profile = measure_profile(recording)

    assert profile.slots.available == pytest.approx(5.0)
    assert profile.slots.most == 2.0
    assert profile.connections is not None
    assert profile.connections.most == 20
    assert len(profile.workers) == 2


def test_a_worker_is_away_between_its_sessions(record: Record) -> None:
    """The time without a worker doesn't count: neither as idle slots nor in rates."""
    recording = record(HALF, app=RecordedApp(slots=2))
    [first] = recording.sessions
    later = replace(first, begin_ns=first.end_ns + 10**10, end_ns=first.end_ns + 2 * 10**10)
    both = replace(recording, sessions=(first, later))

    assert [end - begin for begin, end in spans(both.sessions)] == [
        first.end_ns - BEGIN_NS,
        10**10,
    ]
    assert slot_use(both).available == pytest.approx(2.0)


def test_prefetch_count_is_compared_with_what_was_asked(record: Record) -> None:
    """The multiplier of the command line goes before that of the settings."""
    app = RecordedApp(
        slots=2,
        prefetch_multiplier=10,
        worker={
            "options": {"prefetch_multiplier": 1},
            "settings": {"worker_prefetch_multiplier": 7},
        },
    )
    [use] = prefetch_use(record(HALF, app=app))

    assert (use.start, use.most, use.end, use.asked) == (20, 20, 20, 2)


def test_waiting_countdowns_are_no_drift(record: Record) -> None:
    """Each of them raises the count by one; what counts is the last one without any."""
    recording = record(HALF, app=RecordedApp(slots=2))
    late = pl.col("t_ns") > BEGIN_NS + 8 * 10**9
    beats = recording.heartbeats.with_columns(
        countdown_jobs=pl.when(late).then(5).otherwise(0),
        prefetch_count=pl.when(late).then(13).otherwise(8),
    )
    [use] = prefetch_use(replace(recording, heartbeats=beats))

    assert (use.start, use.most, use.end) == (8, 13, 8)


def test_a_short_recording_has_no_slope(record: Record) -> None:
    """Less than ten minutes after the first third say nothing of an hour."""
    jobs = jobs_of(
        "leak", [float(second) for second in range(600)], {"core": 0.1}, grown_bytes=10**6
    )
    pss = level(record(jobs), name="pss_bytes")

    assert pss is not None
    assert pss.per_hour is None


def test_memory_has_a_slope_after_the_first_third(record: Record) -> None:
    """A worker that keeps 1 MB a second grows by 3.6 GB an hour."""
    jobs = jobs_of(
        "leak", [float(second) for second in range(1000)], {"core": 0.1}, grown_bytes=10**6
    )
    recording = record(jobs, app=RecordedApp(pss_bytes=50 * 10**6))
    pss = level(recording, name="pss_bytes")

    assert pss is not None
    assert pss.per_hour == pytest.approx(3.6e9)
    assert pss.most == 1_050 * 10**6
    assert used(recording, name="cpu_s") == pytest.approx(0.1, rel=0.05)
