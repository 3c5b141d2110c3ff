"""What needs attention is one line each, and unknown things name their remedy."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from lab.conformance.kept import kept_verdicts
from report.profile.measure import measure_profile
from report.profile.model import Profile
from tests.recordings import RecordedApp, RecordedJob, jobs_of
from tests.unit.report.profile.conftest import Record

SECONDS = [float(second) for second in range(30)]


def texts_of(profile: Profile) -> str:
    """Return all findings, one on each line."""
    return "\n".join(f"{one.task} {one.text}" for one in profile.findings)


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ({"core": 0.008, "io_wait": 0.092}, "job waits 92 % of its time for network"),
        ({"gil_wait": 0.035, "core_held": 0.065}, "job waits 35 % of its time for the GIL"),
        ({"gil_wait": 0.035, "core_held": 0.065}, "computes for 65 % of its time (65 % with"),
        ({"runnable": 0.02, "io_wait": 0.08}, "job waits 20 % of its time for a core"),
        ({"lock_wait": 0.06, "io_wait": 0.04}, "job waits 60 % of its time for a lock"),
        ({"core": 0.1}, "job computes for 100 % of its time (unknown whether with the GIL)"),
    ],
)
def test_what_a_task_mostly_does_is_a_line(
    record: Record, states: dict[str, float], text: str
) -> None:
    """A task's main states are said, and what is unknown of them."""
    profile = measure_profile(record(jobs_of("job", SECONDS, states)))

    assert text in texts_of(profile)


def test_small_tasks_are_not_worth_a_line(record: Record) -> None:
    """What takes less than 5 % of the busy time is left to the table."""
    small = jobs_of("small", SECONDS[:2], {"io_wait": 0.1})
    profile = measure_profile(record([*jobs_of("large", SECONDS, {"io_wait": 0.5}), *small]))

    assert "large" in texts_of(profile)
    assert "small" not in texts_of(profile)


def test_bad_ends_tails_and_growth_are_lines(record: Record) -> None:
    """Failures, long tails and memory that stays are found."""
    jobs = jobs_of("call", [0.1 * one for one in range(100)], {"io_wait": 0.01}, grown_bytes=10**5)
    slow = [replace(job, states={"io_wait": 0.5}) for job in jobs[:8]]
    failed = [replace(job, outcome="failed") for job in jobs[8:12]]
    found = texts_of(measure_profile(record([*slow, *failed, *jobs[12:]])))

    assert "call fails in 4 % of its executions (4 of 100)" in found
    assert "call has a long tail: p50 10.0 ms, p95 500 ms" in found
    assert "call leaves 100 kB [100 kB–100 kB] of memory in each execution" in found


def test_a_little_growth_is_no_finding(record: Record) -> None:
    """100 jobs that left 10 kB each may have filled a cache, whatever that would be in a day."""
    jobs = jobs_of("call", [0.1 * one for one in range(100)], {"io_wait": 0.01}, grown_bytes=10_000)
    profile = measure_profile(record(jobs))

    assert profile.tasks[0].growth_bytes is not None
    assert "of memory" not in texts_of(profile)


def test_tasks_that_are_alike_share_a_line(record: Record) -> None:
    """Two tasks that wait for the supplier are one line, the busier first."""
    slow = jobs_of("slow", SECONDS, {"io_wait": 0.3, "core": 0.1})
    fast = jobs_of("fast", SECONDS, {"io_wait": 0.18, "core": 0.02})
    found = texts_of(measure_profile(record([*fast, *slow])))

    line = "time spent waiting for network, disk or a timer: slow 75 % and fast 90 %"
    assert line in found


@pytest.mark.parametrize(("slots", "grows"), [(1, True), (4, False)])
def test_a_wait_that_grows_is_a_line(record: Record, *, slots: int, grows: bool) -> None:
    """One slot for jobs that arrive twice as fast as it ends them falls behind; four don't."""
    jobs = jobs_of("call", [0.05 * one for one in range(120)], {"io_wait": 0.1})
    found = texts_of(measure_profile(record(jobs, app=RecordedApp(slots=slots))))

    assert ("the mean wait grew from 978 ms to 4.99 s" in found) == grows


def test_waits_and_full_slots_are_lines(record: Record) -> None:
    """One slot with too many jobs: why they wait, and that it is always busy."""
    jobs = jobs_of("call", [0.01 * one for one in range(40)], {"io_wait": 0.5})
    found = texts_of(
        measure_profile(record(jobs, app=RecordedApp(slots=1, prefetch_multiplier=100)))
    )

    assert "all slots are busy" in found
    assert "there is little headroom" in found


def test_a_worker_with_other_settings_after_a_restart_is_named(record: Record) -> None:
    """Figures of two settings are one profile, which says so."""
    jobs = jobs_of("call", SECONDS, {"io_wait": 0.1})
    record(jobs)
    found = texts_of(measure_profile(record(jobs, app=RecordedApp(pool="threads", slots=1))))

    assert "shop@web1 ran as prefork with 4 slots and threads with 1 slot: the figures mix" in found


def test_drivers_that_do_not_yield_are_named(record: Record) -> None:
    """psycopg2 in a gevent worker blocks every slot."""
    app = RecordedApp(pool="gevent", worker={"packages": {"gevent": "26.9", "psycopg2": "2.9"}})
    profile = measure_profile(
        record([RecordedJob(task="a", at_s=0, states={"core": 0.1})], app=app)
    )

    assert "psycopg2 may block gevent's loop" in texts_of(profile)
    assert any("gevent share one thread" in one.why for one in profile.unknown)


@pytest.mark.parametrize(("pool", "breaks"), [("gevent", True), ("prefork", False)])
def test_what_the_own_pool_breaks_is_a_line(record: Record, *, pool: str, breaks: bool) -> None:
    """Late acknowledgement on gevent loses jobs; on prefork there is nothing to say."""
    job = RecordedJob(task="a", at_s=0, states={"core": 0.1})
    recording = record([job], app=RecordedApp(pool=pool, tasks={"a": {"acks_late": True}}))
    found = texts_of(measure_profile(recording, verdicts=kept_verdicts()))

    assert ("breaks late acknowledgement, which the app relies on: " in found) == breaks


def test_clocks_that_differ_are_named(record: Record) -> None:
    """A message that was received before its publication has no wait that could be known."""
    recording = record(jobs_of("call", SECONDS, {"io_wait": 0.1}))
    later = recording.jobs.with_columns(pl.col("published_ns") + 5_000_000)
    profile = measure_profile(replace(recording, jobs=later))

    assert profile.unknown[0].why.startswith("30 executions were received before their publication")
    assert profile.wait_s.p50 == 0


def test_a_recording_that_ended_early_is_named(record: Record) -> None:
    """A full disk ends the recording, and not the worker."""
    app = RecordedApp(end_reason="disk full")
    profile = measure_profile(record(jobs_of("call", SECONDS, {"io_wait": 0.1}), app=app))

    [one] = profile.unknown
    assert one.what.startswith("what came after 2026-09-21")
    assert one.why == "the recording ended early: disk full"


def test_what_is_unknown_has_a_reason_and_a_remedy(record: Record) -> None:
    """Foreign publishers, a GIL that can't be seen, and missing ends."""
    jobs = [
        *jobs_of("hash", SECONDS, {"core": 0.1}),
        RecordedJob(task="hash", at_s=1.0, states={"core": 0.1}, outcome=""),
    ]
    profile = measure_profile(record(jobs, app=RecordedApp(has_published=False)))
    found = {one.what: one.remedy for one in profile.unknown}

    assert found["the wait in the broker, and the arrivals, of 100 % of the executions"].startswith(
        "Import poolbench"
    )
    assert "--gil-probe" in found["whether hash holds the GIL while computing"]
    assert found["the end of 1 execution"] == "Record for longer."


def test_executions_without_an_end_count_among_those_that_started(record: Record) -> None:
    """Two jobs whose children were killed are 2 of 2, though only one of them has an end."""
    recording = record(jobs_of("crash", SECONDS[:2], {"io_wait": 0.01}))
    is_killed = pl.col("started_ns") == pl.col("started_ns").max()
    killed = recording.jobs.with_columns(
        outcome=pl.lit("lost-worker"),
        finished_ns=pl.when(~is_killed).then("finished_ns"),
    )
    found = texts_of(measure_profile(replace(recording, jobs=killed)))

    assert "crash loses its worker or child process in 100 % of its executions (2 of 2)" in found
