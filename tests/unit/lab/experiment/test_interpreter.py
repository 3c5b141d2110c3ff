"""Contenders with a Python of their own: found, asked, or skipped with the command that helps."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from collector.run_manifest import Interpreter, Skipped
from lab.experiment import interpreter, interpreters
from lab.experiment.interpreter import (
    NoInterpreterError,
    find_interpreter,
    python_command,
    python_environment,
)
from lab.experiment.interpreters import equip
from lab.experiment.model import Experiment
from lab.instruments.job_cost import Gauge
from lab.system.cgroup import LimitError
from lab.system.paths import ROOT
from poolbench.errors import ExitCode, UsageError
from poolbench.settings import load_settings
from tests.unit.lab.experiment_file.test_loader import load as load_text

ANSWER: Mapping[str, Any] = {
    "python": "CPython 3.14.2",
    "is_free_threaded": True,
    "gil_enabled": False,
    "gil_turned_on_by": [],
    "versions": {"celery": "5.7.0", "redis": "8.1.0", "vine": "5.1.0"},
}

EXPERIMENT = """\
title = "Does it work?"
contender = [
    { name = "usual", pool = "threads", slots = 2 },
    { name = "other", pool = "threads", slots = 2, interpreter = "INTERPRETER" },
]
workload = [{ kind = "io.sleep", parameters = { delay_ms = 10 } }]
[profile]
demo = { repetitions = 1, trial_s = 0.5, contenders = ["usual", "other"] }
freed = { repetitions = 1, trial_s = 0.5, contenders = ["other"] }
"""


def make_python(folder: Path, *, answer: str, exit_code: int = 0, error: str = "") -> Path:
    """Write a program that answers as `python -m worker interpreter` would."""
    path = folder / "python"
    said = f"cat <<'END'\n{answer}\nEND\n" + (f"echo '{error}' >&2\n" if error else "")
    path.write_text(f"#!/bin/sh\necho asked >>{folder}/asked\n{said}exit {exit_code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python without the GIL that can run a worker."""
    return make_python(tmp_path, answer=json.dumps(ANSWER))


def load(
    folder: Path, *, interpreter: str, profile: str = "demo", pool: str = "threads"
) -> Experiment:
    """Return an experiment of two contenders, one of which names that Python."""
    text = EXPERIMENT.replace("INTERPRETER", interpreter).replace('"threads"', f'"{pool}"')
    return load_text(folder, text, profile=profile)


def no_interpreter(name: str, **options: str) -> NoInterpreterError:
    """Return why there is no Python of that name."""
    with pytest.raises(NoInterpreterError) as caught:
        find_interpreter(name, **options)
    return caught.value


def test_this_very_python_can_be_named() -> None:
    """It imports what a worker imports, says what it is, and a gauge measures in it.

    The checkout is on its path: nothing of ours lies there.
    """
    found = find_interpreter(sys.executable)

    assert found.path == sys.executable
    assert found.python.split()[1] == ".".join(map(str, sys.version_info[:3]))
    assert found.versions["celery"].startswith("5.")
    assert "vine" not in found.versions, "only what can change a number"
    assert found.gil_enabled is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert python_command(found, "worker", "gauge") == [sys.executable, "-m", "worker", "gauge"]
    assert python_environment(found)["PYTHONPATH"].startswith(str(ROOT))
    with Gauge(found) as gauge:
        assert gauge.measure("io.sleep", parameters={"delay_ms": 1}) is None


def test_the_word_means_the_environment_of_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`free-threaded` is `.venv-free-threaded` in the checkout, whoever stands where."""
    monkeypatch.setattr(interpreter, "ROOT", tmp_path)
    monkeypatch.chdir("/")

    missing = no_interpreter("free-threaded")

    assert str(missing) == "there is no Python at .venv-free-threaded/bin/python"
    assert missing.remedy == (
        "run uv python install 3.14t, then make free-threaded PYTHON=$(uv python find 3.14t)"
    )


def test_a_setting_names_another_one(python: Path) -> None:
    """POOLBENCH_FREE_THREADED stands for the word, and for nothing else."""
    settings = load_settings({"POOLBENCH_FREE_THREADED": str(python)}, dotenv=None)

    found = find_interpreter("free-threaded", free_threaded=settings.free_threaded)

    assert (found.path, found.python) == (str(python), "CPython 3.14.2")
    assert found.versions == {"celery": "5.7.0", "redis": "8.1.0"}
    assert "nowhere" in str(no_interpreter("nowhere", free_threaded=str(python)))


def test_links_are_not_followed(tmp_path: Path, python: Path) -> None:
    """An environment's Python is a link to the bare one, which has no packages."""
    link = tmp_path / "link"
    link.symlink_to(python)

    assert find_interpreter(str(link)).path == str(link)


@pytest.mark.parametrize(
    ("answer", "exit_code", "error", "reason", "remedy"),
    [
        ("", 1, "No module named celery", "can't run a worker: No module", "make free-threaded"),
        ("", 3, "", "can't run a worker: exit code 3", "requirements/free-threaded.txt"),
        ("hello", 0, "", "is no Python: 'hello", "uv python install"),
        ("{}", 0, "", "is no Python: '{}", "uv python install"),
        ("[1]", 0, "", "is no Python: '[1]", "uv python install"),
    ],
)
def test_a_python_that_cant_run_a_worker_says_why(
    tmp_path: Path, answer: str, exit_code: int, error: str, reason: str, remedy: str
) -> None:
    """Its own last word, and what to do."""
    python = make_python(tmp_path, answer=answer, exit_code=exit_code, error=error)

    missing = no_interpreter(str(python))

    assert reason in str(missing)
    assert remedy in missing.remedy


@pytest.mark.parametrize("name", ["/no/such/python", "no/such/python", "/", "experiments"])
def test_what_is_no_program_is_no_python(name: str) -> None:
    """A folder, or nothing at all: each is named as it was written."""
    assert f"there is no Python at {name}" in str(no_interpreter(name))


def test_a_file_that_is_not_executable_says_so(tmp_path: Path) -> None:
    """It is there, so another Python need not be installed."""
    file = tmp_path / "python"
    file.touch()

    missing = no_interpreter(str(file))

    assert str(missing) == f"{file} is not executable"
    assert missing.remedy == f"name a Python, or make this one executable: chmod +x {file}"


def test_the_word_wants_a_build_without_the_gil(tmp_path: Path) -> None:
    """A usual Python may be named by its path; by this word it would be a mistake."""
    python = make_python(tmp_path, answer=json.dumps({**ANSWER, "is_free_threaded": False}))

    missing = no_interpreter("free-threaded", free_threaded=str(python))

    assert str(missing) == f"{python} is CPython 3.14.2, built with the GIL"
    assert not find_interpreter(str(python)).is_free_threaded


def test_a_contender_without_its_python_is_skipped(tmp_path: Path) -> None:
    """The others are measured; who is missing, why, and what helps goes with the experiment."""
    experiment = equip(load(tmp_path, interpreter="/no/such/python"))

    assert [one.name for one in experiment.contenders] == ["usual"]
    (skip,) = experiment.skipped
    assert skip == Skipped(
        contender="other",
        reason="there is no Python at /no/such/python",
        remedy=interpreter.REMEDY,
    )
    assert str(skip).startswith("other: there is no Python at /no/such/python. Run uv ")


def test_a_contender_whose_limits_are_not_applied_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched, since a machine allows limits or not: it isn't measured without its limit."""
    monkeypatch.setattr(interpreters, "check", Mock(side_effect=LimitError("/x is read-only")))
    loaded = load(tmp_path, interpreter="")
    usual, other = loaded.contenders

    experiment = equip(replace(loaded, contenders=(usual, replace(other, cpus=0.5))))

    assert experiment.contenders == (usual,)
    (skip,) = map(str, experiment.skipped)
    assert skip.startswith("other: limit not applied: /x is read-only. Run it as root or with ")


def test_nobody_left_is_one_clear_error(tmp_path: Path) -> None:
    """Exit 2 before anything starts, with the command that helps."""
    with pytest.raises(UsageError) as caught:
        equip(load(tmp_path, interpreter="/no/such/python", profile="freed"))

    assert caught.value.exit_code is ExitCode.USAGE
    (fault,) = map(str, caught.value.faults)
    assert fault.startswith(f"{tmp_path}/some.toml: profile freed has no contender that can run")
    assert "other: there is no Python at /no/such/python. Run uv python install" in fault


def test_a_python_is_asked_once(tmp_path: Path, python: Path) -> None:
    """However many contenders name it, and none if none does; its answer goes along."""
    loaded = load(tmp_path, interpreter=str(python))
    usual, other = loaded.contenders
    alone = replace(loaded, contenders=(usual,))

    assert equip(alone) == alone
    assert not (tmp_path / "asked").exists()
    experiment = equip(replace(loaded, contenders=(usual, other, replace(other, name="third"))))
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert len(experiment.contenders) == 3
    assert isinstance(experiment.interpreters[str(python)], Interpreter)


def test_a_pool_without_its_package_there_is_skipped(tmp_path: Path, python: Path) -> None:
    """Gevent in a Python that has none would only fail to start."""
    (skip,) = equip(load(tmp_path, interpreter=str(python), pool="gevent")).skipped

    assert skip.reason == f"pool gevent needs gevent, which {python} doesn't have"
