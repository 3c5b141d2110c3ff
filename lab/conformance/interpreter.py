"""The Python that runs the tried workers, and the packages that it lacks for a pool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from poolbench.errors import Fault, UsageError
from poolbench.pools import Pool

#: Packages whose version can change a verdict.
PACKAGES = ("celery", "kombu", "billiard", "redis", "gevent", "greenlet")

#: What a pool needs in addition to Celery.
NEEDS = {"gevent": "gevent", "asyncio": "greenlet"}

#: How long it may take to print its versions, seconds.
_TIMEOUT_S = 30.0

_PRINT_VERSIONS = """
import json, platform, sys
from importlib import metadata
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryPython:
    """A Python with Celery."""

    path: Path
    #: Versions of Python and of the packages that can change a verdict.
    versions: Mapping[str, str]

    def lacks(self, pool: Pool) -> str:
        """Return what this Python lacks for a pool, as a sentence; empty if nothing."""
        needed = NEEDS.get(pool.name)
        is_there = needed is None or needed in self.versions
        return "" if is_there else f"{needed} is not installed in this Python."


def inspect_python(path: Path) -> CeleryPython:
    """Return the Python at a path, with its versions.

    Raises:
        UsageError: if it can't be run, or has no Celery with Redis.
    """
    fault = partial(Fault, field="--celery-python", seen=str(path))
    command = [str(path), "-c", _PRINT_VERSIONS, *PACKAGES]
    try:
        printed = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=_TIMEOUT_S)
        versions = json.loads(printed)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        remedy = "name the python of an environment, such as other/.venv/bin/python"
        raise UsageError(fault(problem="must be a Python", remedy=remedy)) from error
    missing = " and ".join(name for name in ("celery", "redis") if name not in versions)
    if missing:
        remedy = f"run {path} -m pip install 'celery[redis]'"
        raise UsageError(fault(problem=f"has no {missing}", remedy=remedy))
    return CeleryPython(path=path, versions=versions)
