"""Latency against load: percentiles at shares of each contender's sustained rate."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from collector.metrics import percentiles
from report.result import LoadCurve, LoadPoint
from report.rows.row import Row
from report.statistics.ratios import CLAIM_BLOCKS
from report.trials.latency_spans import pool_spans
from report.trials.trial import Trial


def load_curves(rows: Iterable[Row]) -> list[LoadCurve]:
    """Return the load curves of a run, in the order of its rows.

    Percentiles are over the jobs of all valid repetitions together, seconds.
    """
    return [_curve(row) for row in rows if row.measure == "curve" and not row.twin_of]


def _curve(row: Row) -> LoadCurve:
    by_share: dict[float, list[Trial]] = {}
    for trial in (*row.trials, *row.others):
        if trial.load_share is not None:
            by_share.setdefault(trial.load_share, []).append(trial)
    return LoadCurve(
        workload=row.workload.name,
        contender=row.contender.name,
        pool=row.contender.pool,
        sustained_per_s=_median([*row.sustained_per_s.values()]),
        points=tuple(_point(share, by_share[share]) for share in sorted(by_share)),
    )


def _point(share: float, trials: Sequence[Trial]) -> LoadPoint:
    valid = [trial for trial in trials if trial.is_valid]
    spans = [trial.spans for trial in valid]
    return LoadPoint(
        share=share,
        rate_per_s=_median([trial.rate_per_s for trial in valid if trial.rate_per_s is not None]),
        is_sustained=all(trial.is_sustained for trial in valid) if valid else None,
        wait_s=percentiles(pool_spans(spans, name="wait")),
        response_s=percentiles(pool_spans(spans, name="response")),
        repetitions=len(valid),
        mark=_mark(trials),
    )


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _mark(trials: Sequence[Trial]) -> str:
    if any(not trial.is_valid for trial in trials):
        return "!"
    return "?" if len(trials) < CLAIM_BLOCKS else ""
