"""`fail_on` of an experiment: what a file may say, and what is said of every fault in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.experiment_file.loader import load_experiment
from poolbench.errors import UsageError

FILE = """\
title = "Does it work?"

[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["one", "two"]

[[contender]]
name = "one"
pool = "solo"
slots = 1

[[contender]]
name = "two"
pool = "threads"
slots = 4

[[workload]]
kind = "io.sleep"
parameters = { delay_ms = 10 }

[[workload]]
name = "web"
kind = "io.http"

"""


def load(folder: Path, *conditions: str) -> tuple[str, ...]:
    """Return the thresholds of a file with these conditions."""
    file = folder / "some.toml"
    file.write_text(f"fail_on = {json.dumps(conditions)}\n{FILE}", encoding="utf-8")
    return load_experiment(file, profile="demo", cores=2).fail_on


def faults_of(folder: Path, *conditions: str) -> list[str]:
    """Return the faults found, as a person reads them, without the file's name."""
    with pytest.raises(UsageError) as caught:
        load(folder, *conditions)
    return [str(fault).removeprefix(f"{folder / 'some.toml'}:") for fault in caught.value.faults]


def test_thresholds_are_kept_as_written(tmp_path: Path) -> None:
    """A number with its unit, and a ratio to another contender."""
    written = ("two/web: throughput_per_s < 500", "t*: p99_wait.low > 0.5 * one")

    assert load(tmp_path, *written) == written


def test_a_file_without_thresholds_has_none(tmp_path: Path) -> None:
    """They may be left out."""
    assert load(tmp_path) == ()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("thruput_per_s < 1", "unknown figure: thruput_per_s; did you mean throughput_per_s?"),
        ("tow: pss_bytes > 1", "no such row: tow/*; did you mean two?"),
        ("two/wbe: pss_bytes > 1", "no such row: two/wbe; did you mean two/web?"),
        ("two: pss > 1 * on", "unknown contender: on; did you mean one?"),
        ("one: pss > 1 * one", "contender against itself: one; name another"),
    ],
)
def test_a_fault_names_line_and_condition(tmp_path: Path, condition: str, said: str) -> None:
    """What is wrong, the value seen, the nearest right word."""
    assert faults_of(tmp_path, condition) == [f'1: fail_on "{condition}": {said}']


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Two in one condition, one in the next."""
    assert len(faults_of(tmp_path, "sped < x", "three: pss_bytes > 1")) == 3


def test_the_tables_of_before_show_the_new_form(tmp_path: Path) -> None:
    """One fault for all of them, at the first."""
    file = tmp_path / "some.toml"
    table = '[[require]]\nfigure = "failed_jobs"\nat_most = 0\n'
    file.write_text(FILE + table + table, encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        load_experiment(file, profile="demo", cores=2)

    (fault,) = caught.value.faults
    assert str(fault).startswith(f"{file}:{FILE.count(chr(10)) + 1}: unknown key: require; ")
    assert 'fail_on = ["failed_jobs > 0"' in str(fault)
