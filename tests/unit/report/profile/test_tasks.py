"""Each task's figures are those of its executions, and unknown ones stay unknown."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.recording import Recording, read_recording
from report.profile.measure import measure_profile
from report.profile.model import STATES, TaskProfile
from tests.recordings import RecordedApp, RecordedJob, jobs_of, poisson, write_recording
from tests.unit.report.profile.conftest import Record


def tasks_of(recording: Recording) -> dict[str, TaskProfile]:
    """Return the tasks of a recording's profile by name."""
    return {task.name: task for task in measure_profile(recording).tasks}


def every(interval_s: float, *, count: int) -> list[float]:
    """Return regular arrivals."""
    return [interval_s * number for number in range(count)]


def test_a_task_is_a_row_with_count_rate_and_durations(record: Record) -> None:
    """Sixty waits of 50 ms in a minute are 1 a second."""
    recording = record(jobs_of("mail", every(1.0, count=60), {"io_wait": 0.05}))
    mail = tasks_of(recording)["mail"]

    assert mail.executions == 60
    assert mail.jobs_per_s == pytest.approx(1.0, rel=0.02)
    assert (mail.wall_s.p50, mail.wall_s.p95, mail.wall_max_s) == (0.05, 0.05, 0.05)
    assert mail.wall_s.p99 is None
    assert mail.queues == ("celery",)


def test_shares_of_busy_time_are_by_duration_not_by_count(record: Record) -> None:
    """One long job weighs as much as many short ones."""
    short = jobs_of("short", every(0.5, count=100), {"io_wait": 0.01})
    long = jobs_of("long", [1.0], {"core": 1.0})
    tasks = tasks_of(record([*short, *long]))

    assert {name: task.busy_share for name, task in tasks.items()} == pytest.approx(
        {"long": 0.5, "short": 0.5}
    )


def test_states_are_shares_of_the_duration(record: Record) -> None:
    """What was sampled adds up to the sampled share, and names the states."""
    states = {"core_held": 0.02, "gil_wait": 0.06, "io_wait": 0.12}
    app = RecordedApp(pool="threads")
    task = tasks_of(record(jobs_of("mixed", every(1.0, count=5), states), app=app))["mixed"]

    assert task.states == pytest.approx({"core_held": 0.1, "gil_wait": 0.3, "io_wait": 0.6})
    assert task.sampled_share == pytest.approx(1.0)
    assert task.core_share == pytest.approx(0.1)
    assert task.is_gil_known


def test_prefork_does_not_show_who_holds_the_gil(record: Record) -> None:
    """Time on a core of which nothing is known leaves the task's GIL unknown."""
    task = tasks_of(record(jobs_of("hash", [0.0], {"core": 0.1})))["hash"]

    assert task.states == {"core": 1.0}
    assert not task.is_gil_known


def test_without_samples_nothing_is_said_about_states(record: Record) -> None:
    """A greenlet's job has the share that it ran, and the stretches that blocked the loop."""
    jobs = jobs_of("mail", every(1.0, count=4), {"core": 0.1, "io_wait": 0.1}, blocked_s=0.1)
    task = tasks_of(record(jobs, app=RecordedApp(pool="gevent")))["mail"]

    assert (task.states, task.sampled_share, task.is_gil_known) == ({}, 0.0, False)
    assert (task.running_share, task.blocked_share) == pytest.approx((0.5, 0.5))
    assert task.blocked_executions == 4
    assert (task.cpu_s, task.child_cpu_s, task.growth_bytes) == (None, None, None)


def test_states_are_of_the_slots_that_can_be_sampled(record: Record) -> None:
    """The same task in prefork and gevent has the shares of the former, and ran in the latter."""
    jobs = jobs_of("mail", every(1.0, count=4), {"core": 0.02, "io_wait": 0.08})
    record(jobs)
    task = tasks_of(record(jobs, app=RecordedApp(pool="gevent", name="shop@web2")))["mail"]

    assert task.states == pytest.approx({"core": 0.2, "io_wait": 0.8})
    assert task.running_share == pytest.approx(0.2)


def test_outcomes_are_counted_by_kind(record: Record) -> None:
    """Retries, failures and time-outs are counted apart."""
    jobs = [
        RecordedJob(task="call", at_s=float(number), states={"io_wait": 0.1}, outcome=outcome)
        for number, outcome in enumerate(("done", "retried", "retried", "failed", "timed-out"))
    ]
    task = tasks_of(record(jobs))["call"]

    assert (task.retries, task.failures, task.timeouts, task.lost) == (2, 1, 1, 0)
    assert task.executions == 5


def test_an_execution_without_an_end_has_no_duration(record: Record) -> None:
    """It is counted, and kept out of all figures of durations."""
    jobs = jobs_of("call", every(1.0, count=3), {"io_wait": 0.1})
    endless = RecordedJob(task="call", at_s=0.5, states={"io_wait": 9.0}, outcome="")
    task = tasks_of(record([*jobs, endless]))["call"]

    assert (task.executions, task.unfinished, task.wall_max_s) == (3, 1, 0.1)


def test_memory_growth_has_an_interval(record: Record) -> None:
    """A leak of 4 kB a job is found where each slot has a process."""
    jobs = jobs_of("leak", every(0.5, count=90), {"core": 0.01}, grown_bytes=4_096)
    growth = tasks_of(record(jobs))["leak"].growth_bytes

    assert growth is not None
    assert growth.low <= growth.value == 4_096 <= growth.high
    assert 50 <= growth.count <= 60


def test_memory_that_is_freed_after_the_end_is_no_growth(record: Record) -> None:
    """A connection that a job opens, and that is closed after it, doesn't count."""
    recording = record(jobs_of("query", every(0.5, count=90), {"core": 0.01}))
    opened = recording.jobs.with_columns(rss_after_bytes=pl.col("rss_before_bytes") + 32_768)
    growth = tasks_of(replace(recording, jobs=opened))["query"].growth_bytes

    assert growth is not None
    assert (growth.low, growth.value, growth.high) == (0, 0, 0)


def test_random_arrivals_are_no_bursts(record: Record) -> None:
    """The index of dispersion is about 1 for a Poisson process, and large for bursts."""
    random = jobs_of("random", poisson(per_s=20, duration_s=60), {"io_wait": 0.001})
    bursts = [second + 0.001 * one for second in every(6.0, count=10) for one in range(40)]
    tasks = tasks_of(record([*random, *jobs_of("burst", bursts, {"io_wait": 0.001})]))

    random_task, burst_task = tasks["random"], tasks["burst"]
    assert random_task.dispersion is not None
    assert random_task.dispersion_limit is not None
    assert 0.6 < random_task.dispersion < 1.5
    assert random_task.dispersion_limit < 1.5
    assert burst_task.dispersion is not None
    assert burst_task.dispersion > 10


def test_few_arrivals_have_no_dispersion(record: Record) -> None:
    """Fewer than 100 arrivals say nothing about bursts."""
    task = tasks_of(record(jobs_of("rare", every(0.5, count=99), {"io_wait": 0.001})))["rare"]

    assert (task.dispersion, task.dispersion_limit) == (None, None)


_SEGMENTS = st.dictionaries(st.sampled_from(STATES), st.floats(0, 0.5), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(jobs=st.lists(_SEGMENTS, min_size=1, max_size=12), pool=st.sampled_from(["prefork", "solo"]))
def test_states_add_up_to_at_most_the_duration(jobs: list[dict[str, float]], pool: str) -> None:
    """Whatever the jobs do, shares of states, of tasks and of causes add up."""
    described = [
        RecordedJob(task=f"task{number % 3}", at_s=0.1 * number, states=states)
        for number, states in enumerate(jobs)
    ]
    with TemporaryDirectory() as folder:
        app = RecordedApp(pool=pool, slots=1 if pool == "solo" else 2)
        file = write_recording(Path(folder) / "any.pbrec", described, app=app)
        profile = measure_profile(read_recording(file))

    for task in profile.tasks:
        assert task.sampled_share <= 1 + 1e-9
        assert math.isclose(sum(task.states.values()), task.sampled_share)
        assert task.waits is not None
        assert sum(one.mean_s for one in task.waits.causes.values()) == pytest.approx(
            task.waits.mean_s
        )
    busy = sum(task.busy_share for task in profile.tasks)
    assert busy == pytest.approx(1.0 if any(task.wall_mean_s for task in profile.tasks) else 0.0)
