"""Finds and inspects the Python that a contender names; errors contain how to install one.

Such a Python runs only workers, so it needs `requirements/free-threaded.txt` alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from collector.run_manifest import Interpreter
from lab.system.environment import PACKAGES
from lab.system.paths import ROOT

#: Word in an experiment file for the environment that `make free-threaded` creates.
FREE_THREADED = "free-threaded"

#: Path of that environment's Python, relative to the checkout.
FREE_THREADED_PYTHON = Path(".venv-free-threaded/bin/python")

#: How to install such a Python.
REMEDY = "run uv python install 3.14t, then make free-threaded PYTHON=$(uv python find 3.14t)"

#: Timeout for a Python to import a worker's modules and print its properties, seconds.
_ANSWER_TIMEOUT_S = 60.0


class NoInterpreterError(Exception):
    """The Python is missing or can't run a worker; has the reason and a remedy."""

    def __init__(self, reason: str, *, remedy: str = REMEDY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def find_interpreter(name: str, *, free_threaded: str = "") -> Interpreter:
    """Return the Python of that name: a path, or `FREE_THREADED`.

    ``free_threaded`` replaces the path of the Python that `make free-threaded` creates. Relative
    paths are relative to the checkout.

    Raises:
        NoInterpreterError: if it doesn't exist, can't run a worker, or was built with the GIL
            although the name is `FREE_THREADED`.
    """
    is_by_word = name == FREE_THREADED
    path = _path(free_threaded or str(FREE_THREADED_PYTHON) if is_by_word else name)
    if not os.access(path, os.X_OK) or path.is_dir():
        if path.is_file():
            remedy = f"name a Python, or make this one executable: chmod +x {path}"
            raise NoInterpreterError(f"{_shown(path)} is not executable", remedy=remedy)
        raise NoInterpreterError(f"there is no Python at {_shown(path)}")
    found = _inspect(path)
    if is_by_word and not found.is_free_threaded:
        raise NoInterpreterError(f"{_shown(path)} is {found.python}, built with the GIL")
    return found


def python_command(interpreter: Interpreter | None, *words: str) -> list[str]:
    """Return the command line that runs a module of the checkout; None is the lab's own Python."""
    return [interpreter.path if interpreter else sys.executable, "-m", *words]


def python_environment(interpreter: Interpreter | None) -> dict[str, str]:
    """Return the variables that put the checkout on the path of a Python that lacks it."""
    return _environment() if interpreter else {}


def _path(name: str) -> Path:
    """Return the path of a Python; its links are kept, since they determine its packages."""
    return ROOT / Path(name).expanduser()


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _inspect(path: Path) -> Interpreter:
    """Return the properties that a Python prints after it has imported a worker's modules."""
    try:
        answer = subprocess.run(
            [str(path), "-m", "worker", "interpreter", "--json"],
            env={**os.environ, **_environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoInterpreterError(f"{_shown(path)} can't be run: {error}") from error
    if answer.returncode:
        printed = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        reason = (
            f"{_shown(path)} can't run a worker: {printed[-1].removeprefix('worker: ').rstrip('.')}"
        )
        remedy = (
            f"run make free-threaded PYTHON={path}, or install requirements/free-threaded.txt there"
        )
        raise NoInterpreterError(reason, remedy=remedy)
    try:
        found = TypeAdapter(Interpreter).validate_python(
            json.loads(answer.stdout) | {"path": str(path)}
        )
    except (ValueError, TypeError) as error:
        raise NoInterpreterError(f"{_shown(path)} is no Python: {answer.stdout[:60]!r}") from error
    kept = {name: found.versions[name] for name in PACKAGES if name in found.versions}
    return replace(found, versions=kept)


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}
