"""What the wheel imports: an app's environment has Celery, and may have nothing else."""

from __future__ import annotations

import ast
import sys

from lab.system.paths import ROOT
from tests.processes import run_python

#: Celery brings them.
WITH_CELERY = {"celery", "kombu", "billiard", "click"}

#: Modules that only run where lines go to Redis, the pool that needs greenlet, and one whose
#: import changes a worker.
WITHOUT = (
    *("poolbench.recorder", "poolbench.broker_client"),
    *("poolbench.asyncio_pool", "poolbench.userapp.worker"),
)

#: Imports all modules but those, where redis and greenlet are missing.
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules["redis"] = sys.modules["greenlet"] = None
import poolbench
for module in pkgutil.walk_packages(poolbench.__path__, "poolbench."):
    if not module.name.startswith(tuple(sys.argv[1:])):
        importlib.import_module(module.name)
"""


def test_every_module_of_a_recorded_worker_imports_without_extras() -> None:
    """The app's broker may be any, and its pool too."""
    done = run_python("-c", IMPORT_ALL, *WITHOUT)

    assert done.returncode == 0, done.stderr


def test_the_wheel_imports_the_standard_library_and_celery_alone() -> None:
    """Also within functions, where an app would meet it only later; types don't count."""
    seen = set()
    for path in (ROOT / "poolbench").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                seen |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                seen.add(node.module.partition(".")[0])

    assert seen - sys.stdlib_module_names - {"poolbench"} - WITH_CELERY == {"redis", "greenlet"}
