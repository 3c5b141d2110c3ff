"""Sweeps: which contenders come of one."""

from __future__ import annotations

from pathlib import Path

from poolbench.keys import NAME
from tests.unit.lab.experiment_file.test_loader import load

SWEPT = """\
title = "How many?"
contender = [
    { name = "threads", pool = "threads", slots = 4, note = "swept" },
    { name = "solo", pool = "solo", slots = 1, settings = { acks_late = true } },
    { name = "other", pool = "gevent", slots = 4 },
]
workload = [{ kind = "io.sleep", parameters = { delay_ms = 10 } }]
[sweep]
of = "threads"
setting = "slots"
values = [1, 8, 2]
[profile]
demo = { repetitions = 2, trial_s = 0.5, contenders = ["threads", "solo"] }
"""


def test_a_profile_names_all_points_by_their_base(tmp_path: Path) -> None:
    """Values ascend, and what the profile names beside them stays where it is."""
    found = load(tmp_path, SWEPT).contenders

    assert [one.name for one in found] == [
        "threads.slots-1", "threads.slots-2", "threads.slots-8", "solo"
    ]  # fmt: skip
    assert [one.slots for one in found] == [1, 2, 8, 1]
    assert all(NAME.fullmatch(one.name) for one in found)


def test_points_differ_in_the_setting_alone(tmp_path: Path) -> None:
    """Pool, note and all other settings are the base's; a profile may name single points."""
    text = SWEPT.replace('["threads", "solo"]', '["threads.slots-1", "threads.slots-8"]')

    first, point = load(tmp_path, text).contenders

    assert (first.name, point.name) == ("threads.slots-1", "threads.slots-8")
    assert (point.pool, point.note, point.settings) == ("threads", "swept", {})
    assert point.sweep is not None
    assert (point.sweep.of, point.sweep.setting, point.sweep.value) == ("threads", "slots", 8)


def test_any_setting_may_be_swept(tmp_path: Path) -> None:
    """Beside what the base is set to; a switch is on and off, a fraction keeps its point."""
    for setting, values, names in (
        ("events", "[true, false]", {"solo.events-off", "solo.events-on"}),
        ("redis_delay_ms", "[0, 0.5]", {"solo.redis_delay_ms-0", "solo.redis_delay_ms-0.5"}),
    ):
        text = SWEPT.replace('of = "threads"', 'of = "solo"').replace("[1, 8, 2]", values)
        experiment = load(tmp_path, text.replace('"slots"\nv', f'"{setting}"\nv'))
        found = {one.name: one for one in experiment.contenders}

        assert found.keys() == names | {"threads"}
        for name in names:
            assert found[name].settings["acks_late"] is True
            assert setting in found[name].settings


def test_several_contenders_may_be_swept_alike(tmp_path: Path) -> None:
    """Each at every value."""
    text = SWEPT.replace('of = "threads"', 'of = ["threads", "other"]')

    assert len(load(tmp_path, text.replace(', "solo"]', ', "other"]')).contenders) == 6
