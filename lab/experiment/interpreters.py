"""Assigns interpreters to contenders; skips contenders whose Python or limits can't be had here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collector.run_manifest import Contender, Interpreter, Skipped
from lab.experiment.interpreter import NoInterpreterError, find_interpreter
from lab.experiment.model import Experiment
from lab.system.cgroup import LimitError, Limits, check
from poolbench.errors import Fault, UsageError

#: Package that a pool needs in addition to Celery.
_POOL_PACKAGES: Mapping[str, str] = {"gevent": "gevent", "asyncio": "greenlet"}


def equip(experiment: Experiment, *, free_threaded: str = "") -> Experiment:
    """Return the experiment with its interpreters, and without contenders that can't run here.

    Each Python is inspected once. ``free_threaded`` is the path of the free-threaded Python; if
    empty, it is the one that `make free-threaded` creates.

    Raises:
        UsageError: if no contender is left.
    """
    found: dict[str, Interpreter | NoInterpreterError] = {}
    groups = [group for one in experiment.contenders for group in one.crew]
    for name in dict.fromkeys(group.interpreter for group in groups if group.interpreter):
        try:
            found[name] = find_interpreter(name, free_threaded=free_threaded)
        except NoInterpreterError as error:
            found[name] = error
    skipped = [skip for one in experiment.contenders if (skip := _skip(one, found=found))]
    left_out = {skip.contender for skip in skipped}
    kept = tuple(one for one in experiment.contenders if one.name not in left_out)
    if not kept:
        raise UsageError(*(_fault(skip, experiment=experiment) for skip in skipped))
    usable = {name: one for name, one in found.items() if isinstance(one, Interpreter)}
    return replace(experiment, contenders=kept, interpreters=usable, skipped=tuple(skipped))


def _skip(
    contender: Contender, *, found: Mapping[str, Interpreter | NoInterpreterError]
) -> Skipped | None:
    """Return why a contender can't run here; None if all its groups can."""
    limits = Limits.of(contender)
    if limits.controllers:
        try:
            check(limits)
        except LimitError as error:
            return Skipped(contender=contender.name, reason=str(error), remedy=error.remedy)
    for group in contender.crew:
        interpreter, needed = found.get(group.interpreter), _POOL_PACKAGES.get(group.pool)
        if isinstance(interpreter, NoInterpreterError):
            return Skipped(
                contender=contender.name, reason=interpreter.reason, remedy=interpreter.remedy
            )
        if interpreter and needed and needed not in interpreter.versions:
            return Skipped(
                contender=contender.name,
                reason=f"pool {group.pool} needs {needed}, which {interpreter.path} doesn't have",
                remedy=f"get it: {interpreter.path} -m pip install {needed}",
            )
    return None


def _fault(skip: Skipped, *, experiment: Experiment) -> Fault:
    return Fault(
        problem=f"profile {experiment.profile} has no contender that can run here",
        seen=f"{skip.contender}: {skip.reason}",
        remedy=skip.remedy,
        where=experiment.file,
    )
