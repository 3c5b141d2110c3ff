"""Latency percentiles of a row, over the jobs of all its valid repetitions together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

import polars as pl

from collector.metrics import percentiles
from report.result import PartSummary
from report.statistics.percentiles import Tail
from report.statistics.percentiles import percentiles as tail
from report.trials.latency_spans import JOB_SPANS, PARTS, SPANS, WaitParts, pool_spans
from report.trials.wait_causes import Cause, CauseTimes, WaitCauses

_NS_PER_S = 1_000_000_000


def pool_sorted(
    trials: Sequence[Mapping[str, pl.Series]], *, names: Iterable[str] = tuple(SPANS)
) -> dict[str, pl.Series]:
    """Return the spans of several trials together by name, ns, in ascending order.

    Args:
        trials: the spans of each trial, from `report.trials.latency_spans.measure_spans`.
        names: the spans that are needed.
    """
    return {name: pool_spans(trials, name=name).sort() for name in names}


def part_summary(trials: Sequence[Mapping[str, pl.Series]]) -> PartSummary:
    """Return the percentiles of one part of a mix, over several trials together."""
    names = [name for name in JOB_SPANS if all(name in spans for spans in trials)]
    found = pool_sorted(trials, names=names)
    tails = {f"{name}_s": whole_span(span) for name, span in found.items()}
    return PartSummary(jobs=len(found["execution"]), **tails)


def whole_span(times_ns: pl.Series) -> Tail | None:
    """Return the percentiles of a span, seconds; None if it is empty.

    p50, p95 and p99 are always given; the others only if there are enough jobs.
    """
    found, bounded = percentiles(times_ns), _tail(times_ns)
    return replace(bounded, **asdict(found)) if found and bounded else None


def wait_parts(spans: Mapping[str, pl.Series]) -> WaitParts:
    """Return the parts of the response, seconds; percentiles without enough jobs are None."""
    return WaitParts(**{name: _tail(spans[name]) for name in PARTS})


def pool_causes(
    trials: Sequence[pl.DataFrame], *, parts: Sequence[str] = ()
) -> tuple[WaitCauses, ...]:
    """Return the waits by cause of all jobs of several trials, then of each of several parts.

    Args:
        trials: the waits of each trial, from `report.trials.wait_causes.wait_causes`.
        parts: the parts of the mix; empty without a mix.
    """
    found = pl.concat([pl.DataFrame({"part": []}, {"part": pl.String}), *trials], how="diagonal")
    found = found.with_columns(pl.exclude("part").fill_null(0))
    of_parts = parts if len(parts) > 1 else ()
    groups = {"": found, **{part: found.filter(pl.col("part") == part) for part in of_parts}}
    return tuple(_causes(waits, part=part) for part, waits in groups.items() if waits.height)


def _causes(waits: pl.DataFrame, *, part: str) -> WaitCauses:
    totals = {cause: int(waits[cause].sum()) for cause in Cause if cause in waits.columns}
    total, jobs = sum(totals.values()), waits.height
    return WaitCauses(
        part=part,
        jobs=jobs,
        mean_s=total / jobs / _NS_PER_S,
        causes={
            cause: CauseTimes(
                share=spent / total,
                mean_s=spent / jobs / _NS_PER_S,
                times_s=tail(waits[cause], unit=_NS_PER_S),
            )
            for cause, spent in totals.items()
            if spent
        },
    )


def _tail(times_ns: pl.Series) -> Tail | None:
    return None if times_ns.is_empty() else tail(times_ns, unit=_NS_PER_S)
