"""The spans of a trial: raw times between two moments of its jobs, for percentiles. Pure.

Percentiles can't be averaged, so those of several trials need all their values together. A trial
keeps the values, eight bytes each; its records take a hundred times as much memory.
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

#: Name → function that measures the span from a trial's records: ns, one value per job or
#: execution, without nulls, unordered. `report.trials.trial.COLUMNS` lists the columns they read.
SPANS: Mapping[str, Callable[[pl.DataFrame], pl.Series]] = {
    "wait": waits_ns,
    "execution": executions_ns,
    "lag": lags_ns,
    "broker": broker_waits_ns,
    "prefetch": prefetch_waits_ns,
    "response": responses_ns,
}

#: The spans that the parts of a mix have each.
JOB_SPANS = ("wait", "execution", "response")

#: The parts of a job's time from due to finished, in order.
PARTS = ("lag", "broker", "prefetch", "execution")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitParts:
    """The parts of a job's time from due to finished, seconds; None without a value."""

    lag: Tail | None = None
    broker: Tail | None = None
    prefetch: Tail | None = None
    execution: Tail | None = None


def measure_spans(
    records: pl.DataFrame, *, names: Iterable[str] = tuple(SPANS)
) -> dict[str, pl.Series]:
    """Return the spans of one trial by name; a span without values is empty."""
    return {name: SPANS[name](records) for name in names}


def pool_spans(trials: Iterable[Mapping[str, pl.Series]], *, name: str) -> pl.Series:
    """Return one span of several trials together, ns."""
    return pl.concat([pl.Series(dtype=pl.Int64), *(spans[name] for spans in trials)])
