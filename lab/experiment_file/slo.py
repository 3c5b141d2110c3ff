"""The bounds of an SLO in an experiment file: of the file, of a workload, of a part of a mix."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from lab.experiment.file_table import FileTable
from report.trials.slo import SLO_KEYS


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
