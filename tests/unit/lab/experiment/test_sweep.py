"""Sweeps: which contenders come of one, and what is said of every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.run_manifest import Contender
from lab.experiment.model import Experiment
from lab.experiment_file.loader import load_experiment
from poolbench.errors import UsageError
from poolbench.keys import NAME

SWEPT = """\
# How many?
title = "How many?"

[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["threads", "solo"]

[sweep]
of = "threads"
setting = "slots"
values = [1, 8, 2]

[[contender]]
name = "threads"
pool = "threads"
slots = 4
note = "swept"

[[contender]]
name = "solo"
pool = "solo"
slots = 1
settings = { acks_late = true }

[[workload]]
kind = "io.sleep"
parameters = { delay_ms = 10 }
"""


def load(folder: Path, text: str) -> Experiment:
    """Write a text to a file and load it as a machine with two cores would."""
    file = folder / "some.toml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, profile="demo", cores=2)


def faults_of(folder: Path, text: str) -> list[str]:
    """Return the faults found in a text, as a person reads them."""
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    return [str(fault) for fault in caught.value.faults]


def by_name(experiment: Experiment) -> dict[str, Contender]:
    """Return an experiment's contenders by name."""
    return {contender.name: contender for contender in experiment.contenders}


def test_a_profile_names_all_points_by_their_base(tmp_path: Path) -> None:
    """Values ascend, and what the profile names beside them stays where it is."""
    found = load(tmp_path, SWEPT).contenders

    assert [one.name for one in found] == [
        "threads.slots-1", "threads.slots-2", "threads.slots-8", "solo"
    ]  # fmt: skip
    assert [one.slots for one in found] == [1, 2, 8, 1]
    assert all(NAME.fullmatch(one.name) for one in found)


def test_points_differ_in_the_setting_alone(tmp_path: Path) -> None:
    """Pool, note and all other settings are the base's."""
    point = by_name(load(tmp_path, SWEPT))["threads.slots-8"]

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
        found = by_name(load(tmp_path, text.replace('"slots"\nv', f'"{setting}"\nv')))

        assert found.keys() == names | {"threads"}
        for name in names:
            assert found[name].settings["acks_late"] is True
            assert setting in found[name].settings


def test_several_contenders_may_be_swept_alike(tmp_path: Path) -> None:
    """Each at every value."""
    text = SWEPT.replace('of = "threads"', 'of = ["threads", "other"]').replace(
        '["threads", "solo"]', '["threads", "other"]'
    )
    text += '\n[[contender]]\nname = "other"\npool = "gevent"\nslots = 4\n'

    assert len(load(tmp_path, text).contenders) == 6


def test_a_profile_may_name_single_points(tmp_path: Path) -> None:
    """A first picture takes fewer."""
    text = SWEPT.replace('["threads", "solo"]', '["threads.slots-1", "threads.slots-8"]')

    assert list(by_name(load(tmp_path, text))) == ["threads.slots-1", "threads.slots-8"]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('of = "threads"', 'of = "thread"', 10, "unknown contender: thread; did you mean threads?"),
        ('of = "threads"', 'of = ["solo", "solo"]', 10, "contender swept twice"),
        ('"slots"\nv', '"slot"\nv', 11, "unknown setting: slot; did you mean slots?"),
        ("[1, 8, 2]", "[1]", 12, "too few values: 1; give 2 at least"),
        ("[1, 8, 2]", "[1, 1]", 12, "value given twice: 1"),
        ("[1, 8, 2]", "[0, 1]", 12, "impossible slots: 0; pool threads takes 1 to"),
        ("[1, 8, 2]", '[1, "8"]', 12, "slots: '8'; it takes whole numbers"),
        ("[1, 8, 2]", "[true, 4]", 12, "slots: True; it takes whole numbers"),
        ('of = "threads"', 'of = "solo"', 12, "impossible slots: 8; solo always has 1"),
        ("[sweep]", "[sweep]\nvalue = 3", 10, "unknown key: sweep.value; leave it out"),
        ('name = "solo"', 'name = "threads.slots-8"', 12, "contender named twice"),
        ('"slots"\nv', '"flower"\nv', 12, "flower: 1; it takes true or false"),
        ('["threads"', '["threads.slots-9"', 7, "did you mean threads.slots-"),
    ],
)
def test_a_fault_names_its_line_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """Each fault says where it stands."""
    faults = faults_of(tmp_path, SWEPT.replace(old, new, 1))

    assert any(f"some.toml:{line}: " in fault and words in fault for fault in faults), faults


def test_an_impossible_combination_is_found_at_the_value(tmp_path: Path) -> None:
    """Events off under a Flower: the base alone is whole."""
    text = SWEPT.replace('"slots"\nvalues = [1, 8, 2]', '"events"\nvalues = [true, false]')
    text = text.replace('note = "swept"', "settings = { events = true, flower = true }")

    (fault,) = faults_of(tmp_path, text)

    assert ":12: Flower without events" in fault


def test_settings_of_a_contender_are_checked_at_their_line(tmp_path: Path) -> None:
    """With the nearest right word."""
    faults = faults_of(tmp_path, SWEPT.replace("acks_late", "ack_late"))

    assert any(
        "some.toml:24: unknown setting: ack_late; did you mean acks_late?" in one for one in faults
    ), faults
