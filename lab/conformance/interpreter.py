"""The Python that the tried workers run on: what it has, and which pools it lacks something for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poolbench.errors import Fault, UsageError
from poolbench.pools import Pool

#: Packages whose version can change a verdict.
PACKAGES = ("celery", "kombu", "billiard", "redis", "gevent", "greenlet")

#: What a pool needs beside Celery.
NEEDS = {"gevent": "gevent", "asyncio": "greenlet"}

#: How long it may take to tell its versions, seconds.
_TELL_WITHIN_S = 30.0

_TELL = """
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
class Interpreter:
    """A Python with Celery, as it described itself."""

    path: Path
    #: Versions of Python and of the packages that can change a verdict.
    versions: Mapping[str, str] = field(default_factory=dict)

    def lacks(self, pool: Pool) -> str:
        """Return what this Python lacks for a pool, in words; empty if nothing."""
        needed = NEEDS.get(pool.name, "")
        return f"{needed} is not installed there" if needed and needed not in self.versions else ""


def this_interpreter() -> Interpreter:
    """Return the Python that runs this."""
    return inspect_interpreter(Path(sys.executable))


def inspect_interpreter(path: Path) -> Interpreter:
    """Ask a Python what it has.

    Raises:
        UsageError: if it doesn't run, or has no Celery with Redis.
    """
    command = [str(path), "-c", _TELL, *PACKAGES]
    where = "--celery-python"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TELL_WITHIN_S
        )
        versions = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        remedy = "name the python of an environment, as in other/.venv/bin/python"
        fault = Fault(where=where, problem="not a Python that runs", seen=str(path), remedy=remedy)
        raise UsageError(fault) from error
    missing = [name for name in ("celery", "redis") if name not in versions]
    if missing:
        remedy = f"install it there: {path} -m pip install 'celery[redis]'"
        problem = f"{' and '.join(missing)} not installed there"
        raise UsageError(Fault(where=where, problem=problem, seen=str(path), remedy=remedy))
    return Interpreter(path=path, versions=versions)
