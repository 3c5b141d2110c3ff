"""Describes a user's app: versions, pools, tasks, queues, and where its messages would go."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import asdict
from typing import Any

import poolbench
from poolbench import asyncio_pool
from poolbench.pools import BLOCKING_DRIVERS, POOLS
from poolbench.recording.description import task_options
from poolbench.userapp.find import check_celery, check_tasks, find_app, own_tasks
from poolbench.userapp.places import KEY_OPTIONS, check_transport, find_places, has_backend


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an app; nothing is connected or sent.

    ``request`` has its ``module`` as after ``celery -A``, the ``broker_url`` that must be in
    effect, and the ``tasks`` that must be registered.

    Raises:
        AppError: if the app can't be tried.
    """
    celery_version = check_celery()
    app = find_app(request["module"])
    check_tasks(app, request["tasks"])
    check_transport(request["broker_url"])
    conf = app.conf
    options = conf.broker_transport_options or {}
    return {
        "poolbench": poolbench.__version__,
        "celery": celery_version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pools": {name: _pool_fault(name) for name in POOLS},
        "blocking_drivers": [
            package
            for package, (module, remedy) in BLOCKING_DRIVERS.items()
            if _is_installed(module) and not (remedy and _is_installed(remedy))
        ],
        "is_eager": bool(conf.task_always_eager),
        "has_backend": has_backend(app),
        "default_queue": conf.task_default_queue,
        "queues": sorted(app.amqp.queues),
        "priority_steps": [int(step) for step in options.get("priority_steps") or ()],
        # true is the default of two of them
        "left_out": [name for name in KEY_OPTIONS if options.get(name, True) not in {True, None}],
        "places": [asdict(place) for place in find_places(app, broker_url=request["broker_url"])],
        "tasks": {name: _task(app, task) for name, task in own_tasks(app).items()},
    }


def _task(app: Any, task: Any) -> dict[str, Any]:
    """Return what is known of a task without calling it."""
    return {"queue": _queue(app, task), "options": task_options(task)}


def _queue(app: Any, task: Any) -> str:
    """Return the queue that the app's router gives a task; empty if that depends on the call."""
    try:
        # as `apply_async` does, which starts with the options of the task itself
        options = dict(task._get_exec_options())  # noqa: SLF001
        routed = app.amqp.router.route(options, task.name, args=(), kwargs={}, task_type=task)
    except Exception:  # noqa: BLE001 -- a router of the app's may need the arguments
        return ""
    queue = routed.get("queue")
    return str(getattr(queue, "name", queue) or "")


def _pool_fault(name: str) -> str:
    """Return why a pool can't run in this Python; empty if it can."""
    if name == "asyncio":
        return asyncio_pool.obstacle().rstrip(".")
    return "" if name != "gevent" or _is_installed(name) else "gevent is not installed there"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
