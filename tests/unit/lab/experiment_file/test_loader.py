"""Experiments: what a file may say, and what is said of every fault in it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lab.experiment.model import Experiment
from lab.experiment_file.loader import load_experiment
from poolbench.errors import ExitCode, UsageError
from poolbench.pools import POOLS

EXPERIMENTS = sorted(Path("experiments").glob("*.toml"))

MINIMAL = """\
# Does it work?
title = "Does it work?"

[profile.demo]
repetitions = 2
trial_s = 0.5
contenders = ["one"]

[[contender]]
name = "one"
pool = "solo"
slots = 1

[[workload]]
kind = "io.sleep"
parameters = { delay_ms = 10 }
"""


def load(folder: Path, text: str, *, profile: str = "demo") -> Experiment:
    """Write a text to a file and load it as a machine with two cores would."""
    file = folder / "some.toml"
    file.write_text(text, encoding="utf-8")
    return load_experiment(file, profile=profile, cores=2)


def faults_of(folder: Path, text: str, *, profile: str = "demo") -> list[str]:
    """Return the faults found in a text, as a person reads them."""
    with pytest.raises(UsageError) as caught:
        load(folder, text, profile=profile)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(fault) for fault in caught.value.faults]


def test_a_minimal_file_is_resolved(tmp_path: Path) -> None:
    """Defaults are filled in, the opening comment is the question, the text is kept."""
    experiment = load(tmp_path, MINIMAL)

    assert experiment.question == "Does it work?"
    assert experiment.contenders[0].slots == 1
    assert experiment.workloads[0].name == "io.sleep"
    assert experiment.workloads[0].parameters == {"delay_ms": 10.0}
    assert experiment.text == MINIMAL


def test_the_opening_comment_is_set_anew(tmp_path: Path) -> None:
    """Paragraphs lose the file's line breaks, since a page or a terminal has its own width."""
    text = "# Does it\n# work?\n#\n# It should\n# say so.\n\n# not this\n" + MINIMAL

    assert load(tmp_path, text).question == "Does it work?\n\nIt should say so."


def test_cores_become_slots(tmp_path: Path) -> None:
    """``slots = "cores"`` is this machine's count of usable cores."""
    text = MINIMAL.replace('"solo"', '"prefork"').replace("slots = 1", 'slots = "cores"')

    assert load(tmp_path, text).contenders[0].slots == 2


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
@pytest.mark.parametrize("profile", ["demo", "bench"])
def test_every_kept_experiment_loads(file: Path, profile: str) -> None:
    """The files of the checkout have both profiles, open with a question and name real pools."""
    experiment = load_experiment(file, profile=profile, cores=2)

    assert experiment.question.endswith((".", "?"))
    assert {contender.pool for contender in experiment.contenders} <= set(POOLS)


def test_the_demo_gives_equal_slots() -> None:
    """`demo` compares five pools at four slots each; only solo has its one."""
    experiment = load_experiment(Path("experiments/pools.toml"), profile="demo", cores=2)

    slots = {contender.pool: contender.slots for contender in experiment.contenders}
    assert slots == {"prefork": 4, "threads": 4, "gevent": 4, "asyncio": 4, "solo": 1}


def test_the_bench_adds_usual_sizes() -> None:
    """`bench` measures the demo's contenders and each pool at the size people give it."""
    demo = load_experiment(Path("experiments/pools.toml"), profile="demo", cores=2)
    bench = load_experiment(Path("experiments/pools.toml"), profile="bench", cores=2)

    added = {(one.pool, one.slots) for one in bench.contenders[len(demo.contenders) :]}
    assert bench.contenders[: len(demo.contenders)] == demo.contenders
    assert added == {("prefork", 2), ("threads", 50), ("gevent", 100), ("asyncio", 50)}
    assert bench.repetitions == 5


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('"solo"', '"solos"', 11, "unknown pool: solos; did you mean solo?"),
        ("slots = 1", "slots = 3", 12, "impossible slots: 3; solo always has 1"),
        ("slots = 1", "slots = 1\npreftech = 2", 13, "unknown key: contender.0.preftech"),
        ('kind = "io.sleep"', 'kind = "io.sleeps"', 15, "did you mean io.sleep?"),
        ("delay_ms = 10", "delay_s = 10", 16, "did you mean delay_ms?"),
        ("delay_ms = 10", "delay_ms = -10", 16, "must be 0 to"),
        ('["one"]', '["one", "one"]', 7, "contender listed twice"),
        ("slots = 1", "slots = [1]", 12, "impossible slots: [1]"),
        ("delay_ms = 10", "delay_ms = 20000", 16, "raise stall_s above 20"),
        ("delay_ms = 10", "delay_ms = 1" + "0" * 400, 16, "must be 0 to"),
        ('["one"]', '["on"]', 7, "unknown contender: on; did you mean one?"),
        ("repetitions = 2", "repetitions = 0", 5, "greater than or equal to 1"),
        ("trial_s = 0.5", "trial_s = -1.0", 6, "greater than"),
        ('title = "Does it work?"', 'titel = "Does it work?"', 2, "did you mean title?"),
        ('name = "one"', 'name = "One Two"', 10, "pattern"),
    ],
)
def test_a_fault_names_its_line_and_the_right_word(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    """Each fault says where it stands, what was seen and what would be right."""
    faults = faults_of(tmp_path, MINIMAL.replace(old, new, 1))

    assert any(f"some.toml:{line}: " in fault and words in fault for fault in faults), faults


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    """Somebody who made three mistakes reads of three mistakes."""
    text = (
        MINIMAL.replace('"solo"', '"thread"').replace("delay_ms", "delay").replace('["one"]', "[]")
    )

    assert len(faults_of(tmp_path, text)) >= 3


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    """A profile that the file doesn't have is a fault of the command line."""
    assert "unknown profile: bench" in faults_of(tmp_path, MINIMAL, profile="bench")[0]


def test_broken_toml_is_one_line(tmp_path: Path) -> None:
    """The parser's own word is kept, with its line."""
    (fault,) = faults_of(tmp_path, MINIMAL + "\n[[contender\n")

    assert "no TOML" in fault
    assert "line 18" in fault


def test_two_contenders_of_one_name_are_refused(tmp_path: Path) -> None:
    """Names are keys, columns and file names: each once."""
    text = MINIMAL + '\n[[contender]]\nname = "one"\npool = "gevent"\nslots = 4\n'

    assert any("contender named twice: one" in fault for fault in faults_of(tmp_path, text))


def unread(path: Path) -> str:
    """Return what is said of an experiment's file that can't be read."""
    with pytest.raises(UsageError) as caught:
        load_experiment(path, profile="demo", cores=2)
    return str(caught.value)


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    """The file is there: it doesn't recommend its own name."""
    file = tmp_path / "some.toml"
    file.write_bytes(MINIMAL.encode() + b"# \xff")

    assert unread(file) == f"experiment can't be read: {file} (not UTF-8); save it as UTF-8"


def test_a_file_that_may_not_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched, since nothing is forbidden to root."""
    file = tmp_path / "some.toml"
    file.write_text(MINIMAL, encoding="utf-8")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)

    said = unread(file)

    assert said.startswith(f"experiment can't be read: {file} (Permission denied); ")
    assert "did you mean" not in said


def test_a_folder_names_the_experiments_in_it(tmp_path: Path) -> None:
    """And not itself, though its name ends as theirs do."""
    folder = tmp_path / "more.toml"
    folder.mkdir()
    assert unread(folder).endswith("(Is a directory); name a TOML file")

    for name in ("b.toml", "a.toml"):
        (folder / name).write_text(MINIMAL, encoding="utf-8")
    assert unread(folder).endswith(f"use one of {folder}/a.toml, {folder}/b.toml")


def test_only_files_that_are_there_are_recommended(tmp_path: Path) -> None:
    """A link that leads nowhere recommends neither itself nor another folder or such link."""
    (tmp_path / "some.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "some1.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "some2.toml").mkdir()
    assert unread(tmp_path / "some.toml").endswith("; name a TOML file")

    (tmp_path / "some-more.toml").write_text(MINIMAL, encoding="utf-8")
    assert unread(tmp_path / "some.toml").endswith(f"did you mean {tmp_path}/some-more.toml?")


@pytest.mark.parametrize("name", ["x" * 5_000, "experiments/pools.toml/x.toml"])
def test_a_path_that_can_not_be_is_no_traceback(name: str) -> None:
    """Too long for the system, or below a file."""
    assert unread(Path(name)).startswith("no such experiment: ")


def test_a_missing_file_names_what_is_there() -> None:
    """A wrong path answers with the experiments there are."""
    with pytest.raises(UsageError, match=r"did you mean experiments/pools\.toml"):
        load_experiment(Path("experiments/pool.toml"), profile="demo", cores=2)
