"""The contender that is measured twice: who it is, what it is called, and when there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from collector.run_manifest import Until
from lab.experiment.model import Experiment
from lab.experiment.twin import twin_name, with_twin
from poolbench.keys import NAME, NAME_LENGTH
from tests.unit.lab.experiment_file.test_loader import load as load_text

TEXT = """\
title = "Noise?"
{twin}
[profile.demo]
repetitions = {repetitions}
trial_s = 0.5
contenders = ["solo", "threads-4"]

[[contender]]
name = "threads-4"
pool = "threads"
slots = 4

[[contender]]
name = "solo"
pool = "solo"
slots = 1

[[contender]]
name = "gevent-4"
pool = "gevent"
slots = 4

[[workload]]
kind = "io.sleep"
"""


def load(folder: Path, *, twin: str = "", repetitions: int = 5) -> Experiment:
    """Load an experiment of two contenders and one that its profile doesn't have."""
    return load_text(folder, TEXT.format(twin=twin, repetitions=repetitions))


def names(experiment: Experiment) -> list[str]:
    """Return the contenders' names in order."""
    return [one.name for one in experiment.contenders]


def test_the_first_contender_has_a_twin_beside_it(tmp_path: Path) -> None:
    """The same in everything but the name, and it says whose twin it is."""
    found = with_twin(load(tmp_path))

    assert names(found) == ["solo", "solo-twin", "threads-4"]
    original, twin, _ = found.contenders
    assert replace(twin, name="solo", twin_of="", note="") == replace(original, note="")
    assert (twin.twin_of, original.twin_of) == ("solo", "")
    assert [one.name for one in found.originals] == ["solo", "threads-4"]


def test_the_file_chooses_another(tmp_path: Path) -> None:
    """By its name, wherever it stands."""
    assert names(with_twin(load(tmp_path, twin='twin = "threads-4"'))) == [
        "solo",
        "threads-4",
        "threads-4-twin",
    ]


def test_a_twin_that_this_profile_lacks_is_the_first_one(tmp_path: Path) -> None:
    """A claim never goes without its noise because a profile is small."""
    assert "solo-twin" in names(with_twin(load(tmp_path, twin='twin = "gevent-4"')))


def test_a_run_without_claims_needs_none(tmp_path: Path) -> None:
    """A first picture isn't made longer."""
    assert names(with_twin(load(tmp_path, repetitions=4))) == ["solo", "threads-4"]


def test_a_run_that_adds_blocks_makes_claims(tmp_path: Path) -> None:
    """Whatever its profile's own number is."""
    until = Until(half_width=0.03, at_most_s=60)

    found = with_twin(replace(load(tmp_path, repetitions=1), until=until))

    assert "solo-twin" in names(found)


def test_a_long_name_is_cut_to_what_a_name_may_be() -> None:
    """It becomes a queue, a key and a file like any other."""
    assert NAME.fullmatch(twin_name("a" * NAME_LENGTH))
    assert len(twin_name("a" * NAME_LENGTH)) == NAME_LENGTH
    assert twin_name("solo") == "solo-twin"
