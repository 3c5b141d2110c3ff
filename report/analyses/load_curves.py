"""Latency against load: what each contender's jobs met at shares of the rate that it sustains."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from collector.metrics import percentiles
from report.result import LoadCurve, LoadPoint
from report.rows.offered_load import sustained_per_s
from report.rows.row import Row
from report.statistics.ratios import CLAIM_BLOCKS
from report.trials.latency_spans import pool_spans
from report.trials.offered_load import TrialLoad, sustains_all
from report.trials.trial import Trial


def load_curves(rows: Iterable[Row]) -> list[LoadCurve]:
    """Return the curves of a run, in the order of its rows.

    Percentiles are those of all valid repetitions' jobs together, s.
    """
    return [_curve(row) for row in rows if row.measure == "curve" and not row.twin_of]


def _curve(row: Row) -> LoadCurve:
    by_share: dict[float, list[Trial]] = {}
    for trial in (*row.trials, *row.others):
        if trial.load and trial.load.share is not None:
            by_share.setdefault(trial.load.share, []).append(trial)
    base = list(sustained_per_s([*row.trials, *row.others]).values())
    return LoadCurve(
        workload=row.workload.name,
        contender=row.contender.name,
        pool=row.contender.pool,
        sustained_per_s=statistics.median(base) if base else None,
        points=tuple(_point(share, by_share[share]) for share in sorted(by_share)),
    )


def _point(share: float, trials: Sequence[Trial]) -> LoadPoint:
    valid = [trial for trial in trials if trial.is_valid]
    loads = [trial.load for trial in valid if trial.load]
    spans = [trial.spans for trial in valid]
    return LoadPoint(
        share=share,
        rate_per_s=_median_rate(loads),
        is_sustained=sustains_all(loads),
        wait_s=percentiles(pool_spans(spans, name="wait")),
        response_s=percentiles(pool_spans(spans, name="response")),
        repetitions=len(valid),
        mark=_mark(trials),
    )


def _median_rate(loads: Sequence[TrialLoad]) -> float | None:
    return statistics.median([load.rate_per_s for load in loads]) if loads else None


def _mark(trials: Sequence[Trial]) -> str:
    if any(not trial.is_valid for trial in trials):
        return "!"
    return "?" if len(trials) < CLAIM_BLOCKS else ""
