"""Converts milliseconds of work into units of work, by the cost of a unit on this machine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from poolbench.errors import StackError
from poolbench.jobs import JobKind, complete_parameters

#: Command that measures a calibration and stores it in Redis for producers.
COMMAND = "python -m worker calibrate --publish"


def needs_calibration(parameters: Mapping[str, int | float]) -> bool:
    """Return whether a job needs a calibration, since its work is given as a time."""
    return "work_ms" in parameters or parameters.get("cpu_share", 0) > 0


def message_parameters(
    kind: JobKind,
    parameters: Mapping[str, int | float],
    *,
    calibration: Mapping[str, float],
) -> dict[str, int | float]:
    """Return the parameters of a job's message, from the result of `complete_parameters`.

    ``calibration`` has the CPU-seconds of one unit of work by kind. Work that was given as a time
    becomes a whole number of units, at least one, so that all contenders get the same amount.

    Raises:
        StackError: if the calibration lacks a kind that needs it.
        UsageError: if the work exceeds the limit of a message.
    """
    if needs_calibration(parameters) and kind.name not in calibration:
        raise StackError(
            f"there is no calibration of {kind.name}, which turns milliseconds of work into units. "
            f"Run `{COMMAND}`, or give units."
        )
    if "work_ms" in parameters:
        work_ms, wait = parameters["work_ms"], {}
    elif "total_ms" in parameters:
        total_ms, cpu_share = parameters["total_ms"], parameters["cpu_share"]
        work_ms, wait = total_ms * cpu_share, {"delay_ms": total_ms * (1 - cpu_share)}
    else:
        return dict(parameters)
    units = max(1, round(work_ms / 1_000 / calibration[kind.name])) if work_ms else 0
    return complete_parameters(kind, {"units": units, **wait})


def read_calibration(text: str | None) -> dict[str, float]:
    """Return a calibration from its JSON, ``{kind: CPU-seconds of a unit}``; empty for None.

    Raises:
        StackError: if it can't be parsed.
    """
    try:
        found: Any = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(map(_is_cost, found.values())):
        raise StackError(f"the calibration in Redis can't be read. Run `{COMMAND}`.")
    return {str(kind): float(cost) for kind, cost in found.items()}


def _is_cost(value: Any) -> bool:
    return type(value) in {int, float} and 0 < value < math.inf
