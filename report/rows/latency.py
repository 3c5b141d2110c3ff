"""The latencies of a row: percentiles of all its valid repetitions' jobs together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from collector.metrics import percentiles
from report.statistics.percentiles import Tail
from report.statistics.percentiles import percentiles as tail
from report.trials.latency_spans import PARTS, WaitParts, pool_spans

_NS_PER_S = 1_000_000_000

#: The spans that a row shows whole.
_WHOLE = ("wait", "execution", "lag", "response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Percentiles in seconds; None where nothing is known."""

    #: With p50, p95 and p99 always; the others where there are jobs enough.
    wait_s: Tail | None = None
    execution_s: Tail | None = None
    lag_s: Tail | None = None
    response_s: Tail | None = None
    #: The response by its parts, each percentile where there are jobs enough.
    wait_parts_s: WaitParts = field(default_factory=WaitParts)


def latencies(trials: Sequence[Mapping[str, pl.Series]]) -> Latencies:
    """Return the percentiles of some trials' jobs together.

    Args:
        trials: the spans of each, as `report.trials.latency_spans.measure_spans` gives them.
    """
    # sorted once: both kinds of percentile find it so
    spans = {
        name: pool_spans(trials, name=name).sort() for name in dict.fromkeys((*_WHOLE, *PARTS))
    }
    return Latencies(
        **{f"{name}_s": _whole(spans[name]) for name in _WHOLE},
        wait_parts_s=WaitParts(**{name: _tail(spans[name]) for name in PARTS}),
    )


def _whole(times_ns: pl.Series) -> Tail | None:
    found, bounded = percentiles(times_ns), _tail(times_ns)
    if found is None or bounded is None:
        return None
    return replace(bounded, p50=found.p50, p95=found.p95, p99=found.p99)


def _tail(times_ns: pl.Series) -> Tail | None:
    return None if times_ns.is_empty() else tail(times_ns, unit=_NS_PER_S)
