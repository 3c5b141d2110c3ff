"""Latency percentiles of a row, over the jobs of all its valid repetitions together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import polars as pl

from collector.metrics import percentiles
from report.statistics.percentiles import Tail
from report.statistics.percentiles import percentiles as tail
from report.trials.latency_spans import PARTS, SPANS, WaitParts, pool_spans

_NS_PER_S = 1_000_000_000


def pool_sorted(trials: Sequence[Mapping[str, pl.Series]]) -> dict[str, pl.Series]:
    """Return the spans of several trials together by name, ns, in ascending order.

    Args:
        trials: the spans of each trial, from `report.trials.latency_spans.measure_spans`.
    """
    return {name: pool_spans(trials, name=name).sort() for name in SPANS}


def whole_span(times_ns: pl.Series) -> Tail | None:
    """Return the percentiles of a span, seconds; None if it is empty.

    p50, p95 and p99 are always given; the others only if there are enough jobs.
    """
    found, bounded = percentiles(times_ns), _tail(times_ns)
    return replace(bounded, **asdict(found)) if found and bounded else None


def wait_parts(spans: Mapping[str, pl.Series]) -> WaitParts:
    """Return the parts of the response, seconds; percentiles without enough jobs are None."""
    return WaitParts(**{name: _tail(spans[name]) for name in PARTS})


def _tail(times_ns: pl.Series) -> Tail | None:
    return None if times_ns.is_empty() else tail(times_ns, unit=_NS_PER_S)
