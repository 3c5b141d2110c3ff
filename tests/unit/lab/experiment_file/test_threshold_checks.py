"""`[[require]]` tables: what a file may say, and what is said of every fault in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.experiment_file.loader import load_experiment
from poolbench.errors import UsageError
from report.verdicts.thresholds import Requirement

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


def load(folder: Path, *tables: str) -> tuple[Requirement, ...]:
    """Return the thresholds of a file with these `[[require]]` tables."""
    file = folder / "some.toml"
    text = FILE + "".join(f"[[require]]\n{table}\n" for table in tables)
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, profile="demo", cores=2).requirements


def faults_of(folder: Path, *tables: str) -> list[str]:
    """Return the faults found, as a person reads them, without the file's name."""
    with pytest.raises(UsageError) as caught:
        load(folder, *tables)
    return [str(fault).removeprefix(f"{folder / 'some.toml'}:") for fault in caught.value.faults]


def test_a_threshold_is_resolved(tmp_path: Path) -> None:
    """A number with its unit, and a ratio without; what is left out stays empty."""
    number, ratio = load(
        tmp_path,
        'contender = "two"\nworkload = "web"\nfigure = "throughput_per_s"\nat_least = 500',
        'figure = "p99_wait"\nagainst = "one"\nat_most = 0.5',
    )

    assert number == Requirement(
        contender="two", workload="web", figure="throughput_per_s", at_least=500.0
    )
    assert ratio == Requirement(figure="p99_wait", against="one", at_most=0.5)


def test_a_file_without_thresholds_has_none(tmp_path: Path) -> None:
    """They may be left out."""
    assert load(tmp_path) == ()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('figure = "thruput_per_s"\nat_least = 1', "unknown figure: thruput_per_s; did you mean"),
        ('figure = "throughput"\nat_least = 1', 'without its unit: throughput; write "throughput_'),
        ('figure = "p99_wait"\nat_most = 1', 'write "p99_wait_s", or against = a contender'),
        ('figure = "failed"\nat_most = 1', "unknown figure: failed; did you mean failed_jobs?"),
        (
            'figure = "failed_jobs"\nagainst = "one"\nat_most = 1',
            "unknown figure of a ratio: failed_jobs",
        ),
        (
            'figure = "pss_bytes"\ncontender = "tow"\nat_most = 1',
            "contender: tow; did you mean tw",
        ),
        ('figure = "pss"\nagainst = "on"\nat_most = 1', "unknown contender: on; did you mean one?"),
        ('figure = "pss_bytes"\nworkload = "wbe"\nat_most = 1', "workload: wbe; did you mean web?"),
        (
            'figure = "pss"\ncontender = "one"\nagainst = "one"\nat_most = 1',
            "contender against itself: one",
        ),
        ('figure = "pss_bytes"', "threshold without a bound; write at_least = 500"),
        ('figure = "pss_bytes"\nat_least = 2\nat_most = 1', "no number lies between: at_least 2"),
        ('figure = "pss_bytes"\nat_lest = 2', "unknown key: require.0.at_lest; did you mean at_le"),
        ("at_least = 2", "missing key: require.0.figure"),
        ('figure = "pss_bytes"\nat_most = "1"', "require.0.at_most: '1'"),
    ],
)
def test_a_fault_names_its_line_and_what_is_right(tmp_path: Path, table: str, said: str) -> None:
    """What is wrong, the value seen, the nearest right word."""
    faults = faults_of(tmp_path, table)

    found = [fault for fault in faults if said in fault]
    assert len(found) == 1, faults
    assert int(found[0].partition(":")[0]) >= FILE.count("\n") + 1


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Three in one table, one in the next."""
    faults = faults_of(
        tmp_path,
        'figure = "sped"\ncontender = "three"\nworkload = "web site"',
        'figure = "pss"\nat_most = 1',
    )

    assert len(faults) == 5
    assert faults[-1].startswith(f"{FILE.count(chr(10)) + 6}: figure without its unit")
