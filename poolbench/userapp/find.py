"""Finds the user's app as ``celery -A`` does, and its tasks. Needs Celery 5.3."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from poolbench import OLDEST_CELERY
from poolbench.errors import nearest
from poolbench.userapp.failure import AppError, shortened

if TYPE_CHECKING:
    from celery import Celery


def check_celery() -> str:
    """Return the version of the Celery installed here.

    Raises:
        AppError: if there is none, or an older one than `OLDEST_CELERY`.
    """
    try:
        import celery  # noqa: PLC0415 -- reported in one line if it is missing
    except ImportError as error:
        raise AppError("celery", f"Celery can't be imported: {shortened(error)}") from error
    version = str(celery.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_CELERY:
        oldest = ".".join(map(str, OLDEST_CELERY))
        raise AppError("celery", f"Celery {version} is too old", remedy=f"use {oldest} or newer")
    return version


def find_app(module: str) -> Celery:
    """Return the app of ``celery -A module``, with all the tasks that a worker imports.

    Raises:
        AppError: if there is no such module, if it has no app, or if the import fails.
    """
    # as the command does, for packages that are not installed
    if os.getcwd() not in sys.path:  # noqa: PTH109
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        app = _import(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError) or _is_of_app(error):
            text = f"the app {module} can't be imported: {shortened(error)}"
            raise AppError("import", text) from error
        missing = error.name if isinstance(error, ModuleNotFoundError) else ""
        if missing and ":" not in missing:
            text = f"there is no module {missing} in {os.getcwd()}"  # noqa: PTH109
            raise AppError("module", text, remedy="check module and directory") from error
        raise _no_app(module) from error
    if app is None:
        raise _no_app(module)
    return app


def check_tasks(app: Celery, names: Iterable[str]) -> None:
    """Check that tasks are registered.

    Raises:
        AppError: for the first one that isn't; contains the nearest name.
    """
    known = own_tasks(app)
    for name in names:
        if name not in app.tasks:
            remedy = nearest(name, among=known) if known else "the app has no tasks"
            raise AppError("task", f"the app has no task {name}", remedy=remedy)


def own_tasks(app: Celery) -> dict[str, Any]:
    """Return the app's tasks by name, without those of Celery itself."""
    return {
        name: task for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")
    }


def _import(module: str) -> Celery | None:
    """Return the app with all its tasks; None if what is found is no app."""
    from celery import Celery  # noqa: PLC0415 -- see check_celery
    from celery.app.utils import find_app as find  # noqa: PLC0415

    try:
        app: Any = find(module)
    except AttributeError:
        # Celery also looks in the package's module celery, and drops the error of its import
        if hasattr(sys.modules.get(module), "__path__"):
            importlib.import_module(f"{module}.celery")
        raise
    if not isinstance(app, Celery):
        return None
    app.loader.import_default_modules()
    app.finalize()
    return app


def _is_of_app(error: BaseException) -> bool:
    """Return whether the app's code has raised an error, or what it calls, and not the search."""
    import celery  # noqa: PLC0415 -- see check_celery
    import kombu  # noqa: PLC0415

    packages = [path for one in (celery, kombu) for path in one.__path__]
    search = ("<frozen importlib", str(importlib.__file__), __file__, *packages)
    frames = traceback.extract_tb(error.__traceback__)
    return any(not frame.filename.startswith(search) for frame in frames)


def _no_app(module: str) -> AppError:
    text = f"the module {module} has no Celery app"
    return AppError("app", text, remedy="write it as after celery -A")
