"""Describes the running Python for a worker: its build, its packages, its GIL.

Celery is imported only by `describe`, which detects the modules that turn the GIL on.
"""

from __future__ import annotations

import importlib
import platform
import re
import sys
import sysconfig
import warnings
from importlib import metadata
from typing import Any

from poolbench.errors import Fault, UsageError

#: Modules that a worker imports before its first job: Celery, the probe, the jobs.
WORKER_IMPORTS = ("celery", "celery.bin.celery", "poolbench.probe", "worker.tasks")

#: CPython's warning when an extension module turns the GIL on (Python/import.c, 3.13).
_TURNED_ON = re.compile(r"\(GIL\) has been enabled to load module '([^']+)'")


def describe() -> dict[str, Any]:
    """Return a description of this interpreter after importing everything that a worker needs.

    ``gil_turned_on_by`` has the modules that turned the GIL on; it is empty if it was on before.

    Raises:
        UsageError: if a package that a worker needs is not installed.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for name in WORKER_IMPORTS:
                importlib.import_module(name)
    except ModuleNotFoundError as error:
        problem = "a package that workers need is not installed"
        raise UsageError(Fault(problem=problem, seen=str(error.name))) from error
    culprits = (_TURNED_ON.search(str(warning.message)) for warning in caught)
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        # the build supports running without the GIL; it may be enabled nevertheless
        "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil_enabled": bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        "gil_turned_on_by": [culprit[1] for culprit in culprits if culprit],
        "versions": {
            found.metadata["Name"].lower(): found.version for found in metadata.distributions()
        },
    }


def in_words(found: dict[str, Any]) -> str:
    """Return the result of `describe` as a line of text."""
    build = "built without the GIL" if found["is_free_threaded"] else "built with the GIL"
    culprits = ", ".join(found["gil_turned_on_by"])
    state = f"turned on by {culprits}" if culprits else "on" if found["gil_enabled"] else "off"
    return f"{found['python']}, {build}: with all that a worker imports, the GIL is {state}"


def refuse_gil(found: dict[str, Any]) -> None:
    """Refuse an interpreter whose GIL is on.

    Raises:
        UsageError: with the module that turned it on, if known.
    """
    if found["gil_enabled"]:
        remedy = "remove that package" if found["gil_turned_on_by"] else "unset PYTHON_GIL"
        if not found["is_free_threaded"]:
            remedy = "use a Python built without it, such as python3.14t"
        raise UsageError(Fault(problem=in_words(found), remedy=remedy))
