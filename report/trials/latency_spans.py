"""The spans of a trial: raw times between two moments of its jobs, kept for percentiles. Pure.

Percentiles have no average: those of several trials are taken from all their values together. So a
trial keeps the values, eight bytes each, where its records would take a hundred times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from collector.metrics import (
    broker_waits_ns,
    executions_ns,
    lags_ns,
    prefetch_waits_ns,
    responses_ns,
    waits_ns,
)
from report.statistics.percentiles import Tail

#: Name → how it is taken from the records of a trial: ns, a value a job or an execution, no nulls,
#: in no order. What a new one needs of a record must be in `report.trials.trial.COLUMNS`.
SPANS: Mapping[str, Callable[[pl.DataFrame], pl.Series]] = {
    "wait": waits_ns,
    "execution": executions_ns,
    "lag": lags_ns,
    "broker": broker_waits_ns,
    "prefetch": prefetch_waits_ns,
    "response": responses_ns,
}

#: What a job's time from due to finished is made of, in order.
PARTS = ("lag", "broker", "prefetch", "execution")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitParts:
    """What a job's time from due to finished consists of, seconds; None without a value."""

    lag: Tail | None = None
    broker: Tail | None = None
    prefetch: Tail | None = None
    execution: Tail | None = None


def measure_spans(records: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the spans of one trial by name; empty ones where there is nothing to take them of."""
    return {name: measure(records) for name, measure in SPANS.items()}


def pool_spans(trials: Iterable[Mapping[str, pl.Series]], *, name: str) -> pl.Series:
    """Return one span of several trials together, ns."""
    return pl.concat([pl.Series(dtype=pl.Int64), *(spans[name] for spans in trials)])
