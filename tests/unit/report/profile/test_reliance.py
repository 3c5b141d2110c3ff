"""What an app relies on is read from its configuration and its jobs, and judged by the survey."""

from __future__ import annotations

import pytest

from lab.conformance.kept import kept_verdicts
from report.profile.measure import measure_profile
from report.profile.model import Profile
from tests.recordings import RecordedApp, RecordedJob, jobs_of
from tests.unit.report.profile.conftest import Record

JOBS = jobs_of("shop.mail", [0.0, 1.0, 2.0], {"io_wait": 0.1})


def profile_of(record: Record, app: RecordedApp, *jobs: RecordedJob) -> Profile:
    """Return the profile of an app's recording with the verdicts of docs/pools.json."""
    return measure_profile(record(jobs or JOBS, app=app), verdicts=kept_verdicts())


def test_a_tasks_option_is_judged_for_each_pool(record: Record) -> None:
    """A hard time limit works on prefork, and threads ignore it."""
    app = RecordedApp(tasks={"shop.mail": {"time_limit": 30}, "shop.idle": {"time_limit": 5}})
    [hard] = profile_of(record, app).relied_on

    assert hard.feature == "hard time limit"
    assert hard.shown_by == ("shop.idle: time_limit = 5", "shop.mail: time_limit = 30")
    assert hard.executions == 3
    assert hard.pools["prefork"].outcome == "works"
    assert hard.pools["threads"].outcome == "ignored"


def test_a_setting_that_tasks_have_is_named_once(record: Record) -> None:
    """Celery gives each task the app's time limit; only those with another one are named."""
    limits = {"shop.mail": 60, "a": 5, "b": 5, "c": 5, "d": 5}
    app = RecordedApp(
        pool="threads",
        tasks={name: {"time_limit": limit_s} for name, limit_s in limits.items()},
        worker={"settings": {"task_time_limit": 60}},
    )
    profile = profile_of(record, app)

    assert [one.asked for one in profile.unmet] == [
        "task_time_limit = 60",
        "time_limit of a, b, c and 1 more",
    ]


@pytest.mark.parametrize(
    ("worker", "feature", "shown"),
    [
        (
            {"options": {"max_tasks_per_child": 100}},
            "max tasks per child",
            "--max-tasks-per-child 100",
        ),
        ({"options": {"autoscale": "8,2"}}, "autoscale", "--autoscale 8,2"),
        ({"options": {"disable_prefetch": True}}, "no prefetching", "--disable-prefetch"),
        ({"settings": {"task_time_limit": 60}}, "hard time limit", "task_time_limit = 60"),
        (
            {"settings": {"worker_soft_shutdown_timeout": 5.0}},
            "soft shutdown",
            "worker_soft_shutdown_timeout = 5",
        ),
    ],
    ids=["child", "autoscale", "prefetch", "setting", "shutdown"],
)
def test_options_and_settings_of_the_worker_show_features(
    record: Record, worker: dict[str, object], feature: str, shown: str
) -> None:
    """What concerns the whole worker concerns every execution."""
    [found] = profile_of(record, RecordedApp(worker=worker)).relied_on

    assert (found.feature, found.shown_by, found.executions) == (feature, (shown,), 3)
    assert found.pools


def test_jobs_show_what_no_configuration_does(record: Record) -> None:
    """Priorities, countdowns and chains are seen in the jobs alone."""
    wait = {"io_wait": 0.1}
    profile = profile_of(
        record,
        RecordedApp(),
        RecordedJob(task="a", at_s=0.0, states=wait, priority=0),
        RecordedJob(task="a", at_s=0.0, states=wait, priority=6),
        RecordedJob(task="a", at_s=0.0, states=wait, countdown_s=1.0),
        RecordedJob(task="b", at_s=1.0, states=wait, parent_id="f" * 16, root_id="f" * 16),
    )
    found = {one.feature: one.executions for one in profile.relied_on}

    assert found == {"countdowns and retries": 1, "priorities": 1, "chains, groups and chords": 1}


def test_a_survey_of_another_celery_says_so(record: Record) -> None:
    """Verdicts of Celery 5.7 may not hold for 5.3."""
    app = RecordedApp(recording={"celery": "5.3.6"}, tasks={"shop.mail": {"time_limit": 5}})
    [one] = profile_of(record, app).unknown

    assert one.what == "what each pool does on Celery 5.3.6"
    assert one.why == "the survey is of Celery 5.7.0"


def test_celerys_own_tasks_and_defaults_show_nothing(record: Record) -> None:
    """An app without options relies on nothing of these."""
    app = RecordedApp(tasks={"celery.chord_unlock": {"rate_limit": "1/s"}})

    assert profile_of(record, app).relied_on == ()
    assert profile_of(record, app).unmet == ()


def test_what_the_own_pool_ignores_is_not_in_effect(record: Record) -> None:
    """A limit of tasks per child and a time limit have no effect in threads."""
    app = RecordedApp(
        pool="threads",
        worker={"options": {"max_tasks_per_child": 100}},
        tasks={"shop.mail": {"soft_time_limit": 3}},
    )
    unmet = profile_of(record, app).unmet

    assert [one.asked for one in unmet] == [
        "soft_time_limit of shop.mail",
        "--max-tasks-per-child 100",
    ]
    assert all("ignored by threads" in one.effect for one in unmet)


def test_a_setting_that_the_command_line_overrides_is_not_in_effect(record: Record) -> None:
    """The worker says what it made of the settings and its command line."""
    worker = {
        "options": {"prefetch_multiplier": 4, "concurrency": 4},
        "settings": {"worker_prefetch_multiplier": 1, "task_time_limit": 9},
        "effective": {"prefetch_multiplier": 4, "concurrency": 4, "time_limit": 9},
    }
    [one] = profile_of(record, RecordedApp(worker=worker)).unmet

    assert one.asked == "worker_prefetch_multiplier = 1"
    assert one.effect == "4 is in effect, by the command line"


def test_slots_and_prefetch_are_compared_with_what_was_asked(record: Record) -> None:
    """More processes than cores, another number of slots, another prefetch count."""
    app = RecordedApp(
        slots=8,
        prefetch_multiplier=2,
        recording={"cores": 2.0},
        worker={"options": {"concurrency": 10, "prefetch_multiplier": 1}},
    )
    unmet = {one.asked: one.effect for one in profile_of(record, app).unmet}

    assert unmet["-c 10"] == "it has 8 slots"
    assert unmet["-c 8"].startswith("8 processes share 2 cores")
    assert unmet["prefetch count 8 (multiplier × slots)"] == "the worker began with 16"
