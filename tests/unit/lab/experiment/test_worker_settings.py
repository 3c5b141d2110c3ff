"""A contender's settings: what a worker is started with, and what a report compares."""

from __future__ import annotations

from collector.run_manifest import Contender, WorkerGroup
from lab.experiment.worker_settings import (
    Tuning,
    celery_settings,
    instances,
    launch_options,
    limits_overlap,
)
from report.analyses.setting_effects import DEFAULTS
from worker.cli import _parser


def test_what_is_not_said_is_what_a_report_assumes() -> None:
    """Their names are those that a report compares, with the same defaults."""
    assert Tuning().model_dump() == DEFAULTS


def test_shorthands_are_settings_of_celery() -> None:
    """Prefetch and acknowledgement are left to the environment where they are not said."""
    group = WorkerGroup(
        pool="solo",
        slots=1,
        settings={"prefetch_multiplier": 2, "acks_late": False, "result_backend": True},
        celery={"task_time_limit": 3},
    )

    assert celery_settings(group) == {
        "worker_prefetch_multiplier": 2,
        "task_acks_late": False,
        "task_ignore_result": False,
        "task_time_limit": 3,
    }
    assert celery_settings(WorkerGroup(pool="solo", slots=1)) == {"task_ignore_result": True}


def test_a_worker_is_told_by_options_that_it_has() -> None:
    """The lab never imports the worker, so its command line is tried here."""
    group = WorkerGroup(
        pool="solo",
        slots=1,
        queues=("cpu", "io"),
        settings={"events": True, "gossip": True, "mingle": True, "heartbeat": True},
        arguments=("--autoscale", "8,1"),
    )

    *words, _, _, _ = launch_options(group)
    found = _parser().parse_args(["--pool", "solo", *words])

    assert launch_options(group)[-3:] == ["--", "--autoscale", "8,1"]
    assert (found.slots, found.queues) == (1, ["cpu", "io"])
    assert (found.has_events, found.has_gossip) == (True, True)
    assert (found.has_mingle, found.has_heartbeat) == (True, True)
    assert launch_options(WorkerGroup(pool="solo", slots=1)) == ["--slots", "1"]


def test_workers_of_one_contender_have_different_names() -> None:
    """A single worker needs none."""
    alone = Contender(name="one", pool="solo", slots=1)
    several = Contender(name="two", pool="solo", slots=2, workers=2)
    groups = tuple(
        WorkerGroup(name=name, pool="solo", slots=1, workers=workers)
        for name, workers in {"web": 1, "mail": 2}.items()
    )
    grouped = Contender(name="three", pool="solo", slots=3, groups=groups)

    assert [instance for _, instance in instances(alone)] == [""]
    assert [(group.slots, instance) for group, instance in instances(several)] == [
        (1, "1"),
        (1, "2"),
    ]
    assert [instance for _, instance in instances(grouped)] == ["web:1", "mail:1", "mail:2"]


def test_only_some_settings_may_limit_the_overlap() -> None:
    """Others must prove all their slots, as a contender without settings must."""
    free = {"events": True, "result_backend": True}
    assert not limits_overlap(WorkerGroup(pool="gevent", slots=4, settings=free))
    for limited in (
        {"settings": {"acks_late": True}},
        {"celery": {"task_acks_late": True}},
        {"arguments": ("--disable-prefetch",)},
    ):
        assert limits_overlap(WorkerGroup(pool="gevent", slots=4, **limited))
