"""Finds the user's app as ``celery -A`` does, and its tasks. Needs Celery 5.3."""

from __future__ import annotations

import os
import sys
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
    oldest = ".".join(map(str, OLDEST_CELERY))
    try:
        import celery  # noqa: PLC0415 -- reported in one line if it is missing
    except ImportError as error:
        raise AppError("celery", f"Celery can't be imported: {shortened(error)}") from error
    version = str(celery.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_CELERY:
        raise AppError("celery", f"Celery {version} is older than {oldest}")
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
    except ModuleNotFoundError as error:
        name = module.partition(":")[0]
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise AppError(
                "module",
                f"there is no module {error.name} in {os.getcwd()}",  # noqa: PTH109
                remedy="check module and directory",
            ) from error
        raise _not_imported(module, error) from error
    except AttributeError as error:
        # that of the search itself: the module has no such attribute
        if getattr(error, "obj", None) is sys.modules.get(module.partition(":")[0]):
            raise _no_app(module) from error
        raise _not_imported(module, error) from error
    except (Exception, SystemExit) as error:
        raise _not_imported(module, error) from error
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

    app: Any = find(module)
    if not isinstance(app, Celery):
        return None
    app.loader.import_default_modules()
    app.finalize()
    return app


def _no_app(module: str) -> AppError:
    return AppError(
        "app", f"the module {module} has no Celery app", remedy="write it as after celery -A"
    )


def _not_imported(module: str, error: BaseException) -> AppError:
    return AppError("import", f"the app {module} can't be imported: {shortened(error)}")
