"""The A/A control: which contender it repeats, its name, and when there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collector.run_manifest import Until
from lab.experiment.control import control_name, with_control
from lab.experiment.model import Experiment
from poolbench.keys import NAME, NAME_LENGTH
from tests.unit.lab.experiment_file.test_loader import load as load_text

TEXT = """\
title = "Noise?"
{twin}
contender = [
    {{ name = "threads-4", pool = "threads", slots = 4 }},
    {{ name = "solo", pool = "solo", slots = 1 }},
    {{ name = "gevent-4", pool = "gevent", slots = 4 }},
]
workload = [{{ kind = "io.sleep" }}]
[profile]
demo = {{ repetitions = {repetitions}, trial_s = 0.5, contenders = ["solo", "threads-4"] }}
other = {{ repetitions = 5, trial_s = 0.5, contenders = ["gevent-4"] }}
"""


def load(folder: Path, *, twin: str = "", repetitions: int = 5) -> Experiment:
    """Load an experiment of two contenders and one that its profile doesn't have."""
    return load_text(folder, TEXT.format(twin=twin, repetitions=repetitions))


def names(experiment: Experiment) -> list[str]:
    """Return the contenders' names in order."""
    return [one.name for one in experiment.contenders]


@pytest.mark.parametrize(
    ("twin", "twin_of"),
    [("", "solo"), ('twin = "threads-4"', "threads-4"), ('twin = "gevent-4"', "solo")],
    ids=["the first", "another", "one that the profile lacks"],
)
def test_a_contender_has_a_control(tmp_path: Path, twin: str, twin_of: str) -> None:
    """The control repeats the first contender or the file's choice, in all but the name.

    A profile without the file's choice has a control too.
    """
    found = with_control(load(tmp_path, twin=twin))

    expected = ["solo", "threads-4"]
    assert [one.name for one in found.originals] == expected
    at = expected.index(twin_of)
    expected.insert(at + 1, f"{twin_of}-twin")
    assert names(found) == expected
    original, copied = found.contenders[at : at + 2]
    assert replace(copied, name=twin_of, twin_of="", note="") == replace(original, note="")
    assert (copied.twin_of, original.twin_of) == (twin_of, "")


def test_a_run_without_claims_has_no_control(tmp_path: Path) -> None:
    """Fewer than five repetitions support no claim; a run with `--until` does in any profile."""
    adding = replace(load(tmp_path, repetitions=1), until=Until(half_width=0.03, at_most_s=60))

    assert names(with_control(load(tmp_path, repetitions=4))) == ["solo", "threads-4"]
    assert "solo-twin" in names(with_control(adding))


def test_a_long_name_is_cut_to_what_a_name_may_be() -> None:
    """The name is valid for a queue, a key and a file."""
    assert NAME.fullmatch(control_name("a" * NAME_LENGTH))
    assert len(control_name("a" * NAME_LENGTH)) == NAME_LENGTH
    assert control_name("solo") == "solo-twin"
