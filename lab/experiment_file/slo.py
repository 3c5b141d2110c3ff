"""The bounds of an SLO: in an experiment file, of a workload or a part of a mix, or in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from lab.experiment.file_table import FileTable
from poolbench.errors import Fault, UsageError, unknown
from report.trials.slo import SLO_KEYS

#: Matches a bound as text: ``p95_wait < 2s``.
_BOUND = re.compile(r"\s*([a-z0-9_]+?)(?:_s)?\s*<=?\s*(\d+(?:\.\d+)?)\s*(ms|s|m)\s*")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}


def _bound(key: str) -> tuple[type[float], Any]:
    percentile, span, _ = key.split("_")
    effect = f"Longest {percentile} of the jobs' {span}"
    return float, Field(default=None, gt=0, description=effect)


_BOUNDS: dict[str, Any] = {key: _bound(key) for key in SLO_KEYS}

#: The `[slo]` table.
SloInput = create_model(
    "SloInput",
    __base__=FileTable,
    __doc__="The latency that a contender must keep; at least one bound.",
    **_BOUNDS,
)


def _bounds_are_valid(slo: dict[str, Any]) -> dict[str, Any]:
    return SloInput.model_validate(slo).model_dump(exclude_unset=True)


#: A table of bounds: those that the file has.
Slo = Annotated[dict[str, Any], AfterValidator(_bounds_are_valid)]


def parse_slo(texts: Iterable[str], *, option: str = "--slo") -> dict[str, float]:
    """Return the bounds that texts such as ``p95_wait < 2s`` mean, seconds by name (`SLO_KEYS`).

    A text may have several, with commas in between.

    Raises:
        UsageError: with every fault of the texts.
    """
    found: dict[str, float] = {}
    faults: list[Fault] = []
    for text in (one for several in texts for one in several.split(",")):
        parts = _BOUND.fullmatch(text)
        key = f"{parts[1]}_s" if parts else ""
        if not parts or float(parts[2]) <= 0:
            problem = "must be a percentile of a span, < and a time above 0"
            remedy = 'write it like "p95_wait < 2s" or "p99_response < 500ms"'
            faults.append(Fault(field=option, seen=text, problem=problem, remedy=remedy))
        elif key not in SLO_KEYS:
            among = [one.removesuffix("_s") for one in SLO_KEYS]
            faults.append(unknown("bound", field=option, seen=parts[1], among=among))
        else:
            found[key] = float(parts[2]) * _UNITS_S[parts[3]]
    if faults:
        raise UsageError(*faults)
    return found
