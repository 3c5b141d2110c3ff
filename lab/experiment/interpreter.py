"""Finds the Python that a contender names, asks it what it is, and says how to get one.

Such a Python runs a worker and nothing else of ours: it needs `requirements/free-threaded.txt`.
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

#: The word in an experiment that means the environment of `make free-threaded`.
FREE_THREADED = "free-threaded"

#: Where that command puts its Python, below the checkout.
FREE_THREADED_PYTHON = Path(".venv-free-threaded/bin/python")

#: How a person without such a Python gets one.
REMEDY = "get one: uv python install 3.14t, then make free-threaded PYTHON=$(uv python find 3.14t)"

#: How long a Python may take to import what a worker imports and to answer, seconds.
_ANSWER_TIMEOUT_S = 60.0


class NoInterpreterError(Exception):
    """There is no such Python here, or it can't run a worker: why, and how to get one."""

    def __init__(self, reason: str, *, remedy: str = REMEDY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def find_interpreter(name: str, *, free_threaded: str = "") -> Interpreter:
    """Return the Python of that name: a path, or `FREE_THREADED`.

    ``free_threaded`` names another one than that of `make free-threaded`. Relative paths are
    relative to the checkout.

    Raises:
        NoInterpreterError: if it isn't there, can't run a worker, or holds a GIL by its build where
            one without was asked for.
    """
    is_by_word = name == FREE_THREADED
    path = _path(free_threaded or str(FREE_THREADED_PYTHON) if is_by_word else name)
    if not os.access(path, os.X_OK) or path.is_dir():
        if path.is_file():
            remedy = f"name a Python, or let this one be run: chmod +x {path}"
            raise NoInterpreterError(f"{_shown(path)} is not executable", remedy=remedy)
        raise NoInterpreterError(f"there is no Python at {_shown(path)}")
    found = _ask(path)
    if is_by_word and not found.is_free_threaded:
        raise NoInterpreterError(f"{_shown(path)} is {found.python}, built with the GIL")
    return found


def python_command(interpreter: Interpreter | None, *words: str) -> list[str]:
    """Return the command line of one of the checkout's modules; None: in the lab's own Python."""
    return [interpreter.path if interpreter else sys.executable, "-m", *words]


def python_environment(interpreter: Interpreter | None) -> dict[str, str]:
    """Return the variables by which a Python finds the checkout, which is not installed there."""
    return _environment() if interpreter else {}


def _path(name: str) -> Path:
    """Return where a Python lies; its links are kept, since they lead to its packages."""
    return ROOT / Path(name).expanduser()


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _ask(path: Path) -> Interpreter:
    """Let the Python import what a worker imports and tell what it is then."""
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
        said = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        reason = f"{_shown(path)} can't run a worker: {said[-1].removeprefix('worker: ')}"
        remedy = (
            f"make free-threaded PYTHON={path}, or install requirements/free-threaded.txt there"
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
