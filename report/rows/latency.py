"""The latencies of a row: percentiles of all its valid repetitions' jobs together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from collector.metrics import percentiles
from report.statistics.percentiles import percentiles as report_percentiles
from report.trials.latency_spans import PARTS, pool_spans

_NS_PER_S = 1_000_000_000

#: The spans that a row tells whole.
_WHOLE = ("wait", "execution", "lag", "response")


def latencies(trials: Sequence[Mapping[str, pl.Series]]) -> dict[str, Any]:
    """Return percentiles in seconds, as a row of ``summary.json`` has them.

    ``wait_s``, ``execution_s``, ``lag_s`` and ``response_s`` have p50, p95 and p99, always, and
    p99_9 where there are jobs enough for it; ``wait_parts_s`` splits the response, each part with
    those percentiles that it has jobs enough for. None where nothing is known.

    Args:
        trials: the spans of each, as `report.trials.latency_spans.measure_spans` gives them.
    """
    names = dict.fromkeys((*_WHOLE, *PARTS))
    # sorted once: both kinds of percentile find it so
    spans = {name: pool_spans(trials, name=name).sort() for name in names}
    return {
        **{f"{name}_s": _whole(spans[name]) for name in _WHOLE},
        "wait_parts_s": {name: _tail(spans[name]) for name in PARTS},
    }


def _whole(times_ns: pl.Series) -> dict[str, float | None] | None:
    found, tail = percentiles(times_ns), _tail(times_ns)
    if found is None or tail is None:
        return None
    return {"p50": found.p50, "p95": found.p95, "p99": found.p99, "p99_9": tail["p99_9"]}


def _tail(times_ns: pl.Series) -> dict[str, float | None] | None:
    if times_ns.is_empty():
        return None
    found = report_percentiles(times_ns)
    return {name: None if ns is None else ns / _NS_PER_S for name, ns in found.items()}
