"""Summaries of every shape of run: what each kind of experiment leaves, from a run that never was.

Their figures follow simple laws, so that a picture of them can be judged by eye.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from collector.run_manifest import Contender, Part, SweepPoint
from collector.store import RunFolder
from poolbench.summaries import Percentiles
from report.result import (
    LoadCurve,
    LoadPoint,
    MixFairness,
    PartSummary,
    RowSummary,
    Summary,
    TargetSummary,
)
from report.statistics.percentiles import Tail
from report.statistics.ratios import Median
from report.summary import summarize
from report.trials.slowdown import Slowdown
from report.trials.start_order import StartOrder
from report.trials.wait_causes import Cause, CauseTimes, WaitCauses
from tests.crossing import make_crossing
from tests.synthetic import (
    BENCH,
    WORKLOADS,
    Workload,
    edit_manifest,
    flat_manifest,
    make_run,
    spoil,
)

#: What a contender sustains of what it can do, and where a curve is measured.
_SUSTAINED, SHARES = 0.8, (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.05)

_SIZES = (1, 2, 4, 8, 16, 32)

#: Contention and coherency of the sweep.
_SIGMA, _KAPPA = 0.06, 0.002


def capacity(path: Path) -> Summary:
    """Seven contenders and a second prefork-4 on four workloads, with all that a row can tell."""
    twin = Contender(name="prefork-4-again", pool="prefork", slots=4, twin_of="prefork-4")
    workloads = [
        replace(one, per_s={**one.per_s, twin.name: one.per_s[twin.twin_of]}) for one in WORKLOADS
    ]
    return _summed(make_run(path, contenders=(*BENCH, twin), workloads=workloads))


def rate(path: Path) -> Summary:
    """Four contenders to which jobs come at a rate, and how late the producer was."""
    folder = make_run(path, workloads=WORKLOADS[2:], jobs=300)
    spoil(folder, arrivals="poisson", measure="rate", rate_per_s=15.0)
    workloads = [one | {"measure": "rate"} for one in flat_manifest(folder)["workloads"]]
    edit_manifest(folder, workloads=workloads)
    folder.write_jobs(_come_at_a_rate(folder.read_jobs()))
    return _summed(folder)


def sustain(path: Path) -> Summary:
    """Seven contenders of whom the highest rate was sought that they sustain."""
    summary = _summed(make_run(path, contenders=BENCH, workloads=WORKLOADS[2:]))

    def sustained(row: RowSummary) -> RowSummary:
        per_s = _SUSTAINED * (row.throughput_per_s.median if row.throughput_per_s else 0.0)
        found = Median(median=per_s, low=0.95 * per_s, high=1.04 * per_s)
        return replace(row, measure="sustain", sustained_per_s=found)

    return replace(_with_rows(summary, change=sustained), slo={"p95_wait_s": 1.0})


def curve(path: Path) -> Summary:
    """The same, and latency at shares of the sustained rate."""
    summary = sustain(path)
    curves = [
        LoadCurve(
            workload=row.workload,
            contender=row.contender,
            pool=row.pool,
            points=(
                # all of its trials are invalid
                LoadPoint(share=1.2, mark="!"),
                *(_loaded(row, share=share) for share in SHARES),
            ),
        )
        for row in summary.rows
    ]
    return replace(summary, curves=tuple(curves))


def sweep(path: Path) -> Summary:
    """Two pools at six sizes each, with the law; and Celery's events on and off."""
    contenders = [
        Contender(
            name=f"{pool}-{slots}",
            pool=pool,
            slots=slots,
            sweep=SweepPoint(of=pool, setting="slots", value=slots),
        )
        for pool in ("threads", "gevent")
        for slots in _SIZES
    ]
    for name, is_on in (("quiet-4", False), ("events-4", True)):
        switch = SweepPoint(of="threads-4", setting="events", value=is_on)
        contenders.append(Contender(name=name, pool="threads", slots=4, sweep=switch))
    per_s = {one.name: _law(one.slots, pool=one.pool) for one in contenders}
    per_s["events-4"] *= 0.6
    workload = Workload(name="io.http", kind="io.http", per_s=per_s)
    return _summed(make_run(path, contenders=contenders, workloads=[workload]))


def mix(path: Path) -> Summary:
    """Short jobs beside long ones, at a rate."""
    summary = rate(path)
    parts = tuple(
        Part(name=name, kind="io.sleep", parameters={"delay_ms": delay_ms}, share=share)
        for name, delay_ms, share in (("short", 10, 0.9), ("long", 1_000, 0.1))
    )
    first, *others = summary.workloads
    found = [
        MixFairness(
            workload=row.workload,
            contender=row.contender,
            pool=row.pool,
            by_kind={
                "short": _slowed(0.01, by=40.0 / row.slots),
                "long": _slowed(1.0, by=2.0),
            },
            unfairness=20.0 / row.slots,
        )
        for row in summary.of_workload(first.name)
    ]
    workloads = (replace(first, mix=parts), *others)
    summary = _with_rows(
        summary,
        change=lambda row: replace(
            _of_parts(row) if row.workload == first.name else row,
            wait_causes=tuple(_waits(name, slots=row.slots) for name in ("", "short", "long")),
            start_order=StartOrder(pairs=900, in_order=400 + 100 * row.slots),
        ),
    )
    verdict, *verdicts = summary.verdicts
    by_part = tuple(replace(verdict, part=part.name) for part in parts)
    verdicts = [replace(by_part[0], parts=by_part), *verdicts]
    return replace(summary, workloads=workloads, fairness=tuple(found), verdicts=tuple(verdicts))


def _of_parts(row: RowSummary) -> RowSummary:
    """Return the row with two parts, of which one has a bound."""
    wait = Tail(p50=0.08 / row.slots, p95=0.4 / row.slots, p99=0.8 / row.slots)
    target = TargetSummary(
        part="short",
        figure="p95_wait_s",
        bound_s=0.2,
        seen_s=wait.p95,
        met=5 if row.slots > 2 else 1,
        repetitions=5,
        missed_share=Median(median=0.04, low=0.0, high=0.13),
        is_met=True if row.slots > 2 else None,
    )
    parts = {
        name: PartSummary(jobs=jobs, wait_s=wait, execution_s=ran, response_s=ran)
        for name, jobs, ran in (("short", 900, Tail(p50=0.02)), ("long", 100, Tail(p50=1.1)))
    }
    return replace(row, parts=parts, targets=(target,))


def mixed_share(path: Path) -> Summary:
    """Six contenders at six shares of computing."""
    return _summed(make_crossing(path))


def empty(path: Path) -> Summary:
    """A run that was stopped before its first trial."""
    folder = make_run(path)
    edit_manifest(folder, state="unfinished", trials=[])
    return summarize(folder)


#: What a run may be → its summary, from a folder to be made.
SHAPES: Mapping[str, Callable[[Path], Summary]] = {
    "capacity": capacity,
    "rate": rate,
    "sustain": sustain,
    "curve": curve,
    "sweep": sweep,
    "mix": mix,
    "mixed.share": mixed_share,
}


def _summed(folder: RunFolder) -> Summary:
    """Return a folder's summary, with the columns that only some runs have."""
    return _with_rows(
        summarize(folder),
        change=lambda row: replace(row, redis_commands_per_job=5.2, redis_bytes_per_job=2_950.0),
    )


def _with_rows(summary: Summary, *, change: Callable[[RowSummary], RowSummary]) -> Summary:
    return replace(summary, rows=tuple(map(change, summary.rows)))


def _come_at_a_rate(jobs: pl.DataFrame) -> pl.DataFrame:
    """Return the records as of jobs that were due shortly before each was started."""
    rng = np.random.default_rng(3)
    waits_ns = pl.Series(rng.exponential(5e6, jobs.height).astype(int))
    lags_ns = pl.Series(rng.lognormal(11, 0.6, jobs.height).astype(int))
    due_ns = pl.col("started_ns") - 1_500_000 - waits_ns
    return jobs.with_columns(due_ns=due_ns, sent_ns=due_ns + lags_ns, received_ns=due_ns + 900_000)


def _loaded(row: RowSummary, *, share: float) -> LoadPoint:
    """Return a point of a curve, as of a queue with one server; it grows beyond saturation."""
    spare = max(1 - share * _SUSTAINED, 0.08)
    wait_s = Percentiles(p50=0.004 / spare, p95=0.02 / spare**2, p99=0.04 / spare**2)
    response_s = Percentiles(p50=wait_s.p50 + 0.1, p95=wait_s.p95 + 0.1, p99=wait_s.p99 + 0.1)
    return LoadPoint(
        share=share,
        rate_per_s=share * (row.sustained_per_s.median if row.sustained_per_s else 0.0),
        is_sustained=share <= 1,
        wait_s=wait_s,
        response_s=response_s,
        repetitions=5,
    )


def _law(slots: float, *, pool: str) -> float:
    sigma = _SIGMA if pool == "threads" else _SIGMA / 4
    return 10 * slots / (1 + sigma * (slots - 1) + _KAPPA * slots * (slots - 1))


def _waits(part: str, *, slots: int) -> WaitCauses:
    """Return waits that have every cause, each 0.7 times as long as the one before."""
    lengths_s = {cause: 0.7**turn / slots for turn, cause in enumerate(Cause)}
    whole_s = sum(lengths_s.values())
    causes = {
        cause: CauseTimes(
            share=mean_s / whole_s, mean_s=mean_s, times_s=Tail(p50=mean_s, p95=2 * mean_s)
        )
        for cause, mean_s in lengths_s.items()
    }
    return WaitCauses(part=part, jobs=300, mean_s=whole_s, causes=causes)


def _slowed(ideal_s: float, *, by: float) -> Slowdown:
    slowdown = Tail(p50=by, p90=1.5 * by, p95=2 * by, p99=3 * by)
    return Slowdown(ideal_s=ideal_s, jobs=900, unfinished=0, slowdown=slowdown)
