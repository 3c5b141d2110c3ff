"""Allows a Celery task's function to return a coroutine if Celery's own code calls it.

Celery uses the returned object as the result. Each task's function is therefore replaced, on the
task only, by one that awaits the coroutine in the job's greenlet and returns its value. User code
that calls a task's function gets the coroutine, as it does without a worker.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import traceback
from collections.abc import Callable
from functools import partial, wraps
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any

from celery._state import _task_stack  # type: ignore[attr-defined]  # not in celery-types
from celery.backends.base import Backend
from greenlet import getcurrent

from ._job import Job

if TYPE_CHECKING:
    from .pool import TaskPool

#: Celery's own tasks that call the functions of other tasks: `.map`, `.starmap` and `.chunks`.
_CALLING_TASKS = frozenset({"celery.map", "celery.starmap", "celery.chunks"})

#: Celery's code that calls error callbacks in the same process, if they accept more than an id.
_CALLS_ERRBACKS: CodeType = Backend._call_task_errbacks.__code__  # type: ignore[attr-defined]  # noqa: SLF001 -- no public name

#: Most stack frames between it and the callback's function, of Celery and of other libraries.
_DEEPEST_CALL = 16


def bridge(task: Any, *, pool: TaskPool) -> None:
    """Allow a task's function, or its own ``__call__``, to return a coroutine.

    It may be called again for a new pool. Celery wraps a function for ``autoretry_for`` and for
    ``pydantic=True``. These wrappers would use the coroutine as the result, so the innermost
    function is replaced.
    """
    inner = "_orig_run" if hasattr(task, "_orig_run") else "run"
    function = getattr(task, inner)
    if cell := _pydantic_cell(function):
        cell.cell_contents = _finishing(cell.cell_contents, task=task, pool=pool)
    else:
        setattr(task, inner, _finishing(function, task=task, pool=pool))
    kind = type(task)
    if inspect.iscoroutinefunction(_original(kind.__call__)):
        call = _finishing(kind.__call__, task=task, pool=pool)
        task.__class__ = type(kind.__name__, (kind,), {"__call__": call, "abstract": True})


def _pydantic_cell(function: Callable[..., Any]) -> CellType | None:
    """Return the cell of Celery's ``pydantic=True`` wrapper with the function; None without one."""
    wrapper: Any = getattr(function, "__func__", function)
    if not hasattr(wrapper, "dump_arguments"):
        return None
    cells: dict[str, CellType] = dict(
        zip(wrapper.__code__.co_freevars, wrapper.__closure__, strict=True)
    )
    return cells.get("task_fun")


def _original(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that an earlier pool of this process replaced, or the function itself."""
    return getattr(function, "celery_original", function)


def _finishing(function: Callable[..., Any], *, task: Any, pool: TaskPool) -> Callable[..., Any]:
    function = _original(function)
    is_coroutine = inspect.iscoroutinefunction(inspect.unwrap(function))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        job: Job | None = getattr(getcurrent(), "celery_job", None)
        if job is not None and job.is_in_tracer:
            is_own = job.request.kind == task.name
            if is_own or job.request.kind in _CALLING_TASKS or _is_errback():
                return _call(partial(function, *args, **kwargs), task=task, job=job)
        elif is_coroutine and _is_errback():
            pool.run_errback(partial(errback, *args, **kwargs), kind=task.name)
            return None
        return function(*args, **kwargs)

    def errback(*args: Any, **kwargs: Any) -> Any:
        """Like Celery's own `Task.__call__`, in a slot."""
        _task_stack.push(task)
        task.push_request(args=args, kwargs=kwargs)
        try:
            job: Job = getcurrent().celery_job
            return _call(partial(function, *args, **kwargs), task=task, job=job)
        finally:
            task.pop_request()
            _task_stack.pop()

    call.celery_original = function  # type: ignore[attr-defined]  # see `_original`
    return call


def _call(call: Callable[[], Any], *, task: Any, job: Job) -> Any:
    """Call a task's function in the job's greenlet; return its value, or that of its coroutine."""
    job.is_in_tracer = task.name in _CALLING_TASKS
    try:
        found = call()
        return job.finish(found) if inspect.isawaitable(found) else found
    finally:
        job.is_in_tracer = True
        if job.request.kind == task.name:
            task.request.loop_blocked_ns = job.blocked_so_far_ns()


def _is_errback() -> bool:
    """Return whether Celery, and not another task's function, calls the caller as an errback.

    The callback's arguments can't show it: an immutable signature has the sender's arguments.
    """
    called = sys._getframe(1)  # noqa: SLF001 -- documented, for CPython
    for frame, _ in itertools.islice(traceback.walk_stack(called.f_back), _DEEPEST_CALL):
        if frame.f_code in (called.f_code, _CALLS_ERRBACKS):
            return frame.f_code is _CALLS_ERRBACKS
    return False
