"""Figures of the groups of workers of one contender: of a trial, and of a row."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from collector.metrics import figures
from collector.run_manifest import Contender, WorkerGroup
from poolbench.keys import group_of
from report.statistics.ratios import Median


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTrial:
    """Figures of a group in one trial; None without a figure."""

    #: Executions that its workers finished.
    executions: int = 0
    #: Throughput by the definition of the contender's, of the jobs that its workers ran alone.
    throughput_per_s: float | None = None
    p95_execution_s: float | None = None
    cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """A group of workers of a contender, over its row's valid repetitions; medians."""

    name: str
    pool: str
    #: Slots of each worker, and the number of workers.
    slots: int
    workers: int
    throughput_per_s: Median | None = None
    #: Its share of the executions of all groups.
    execution_share: float | None = None
    p95_execution_s: float | None = None
    cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None


def measure_groups(
    contender: Contender,
    *,
    records: pl.DataFrame,
    is_capacity: bool,
    cpu_s: Mapping[str, float | None],
    pss_bytes: Mapping[str, int | None],
) -> dict[str, GroupTrial]:
    """Return the figures of a trial by group; none for a contender without groups.

    Args:
        contender: the trial's.
        records: of the trial, with the columns of `collector.metrics.figures` and ``worker``.
        is_capacity: whether the whole backlog was sent at once.
        cpu_s: CPU-seconds of each group's processes during the trial.
        pss_bytes: PSS of each group's processes.
    """
    if not contender.groups:
        return {}
    workers = records["worker"].cast(pl.String).unique().drop_nulls().to_list()
    names = {worker: group_of(worker) for worker in workers}
    group = (
        records["worker"]
        .cast(pl.String)
        .replace_strict(names, default=None, return_dtype=pl.String)
    )
    return {
        one.name: _measure(
            one,
            records=records.filter(group == one.name),
            is_capacity=is_capacity,
            cpu_s=cpu_s.get(one.name),
            pss_bytes=pss_bytes.get(one.name),
        )
        for one in contender.groups
    }


def _measure(
    group: WorkerGroup,
    *,
    records: pl.DataFrame,
    is_capacity: bool,
    cpu_s: float | None,
    pss_bytes: int | None,
) -> GroupTrial:
    executions = records["finished_ns"].count()
    if not executions:
        return GroupTrial(pss_bytes=pss_bytes)
    found = figures(records, slots=group.slots * group.workers, is_capacity=is_capacity)
    return GroupTrial(
        executions=executions,
        throughput_per_s=found.throughput_per_s,
        p95_execution_s=found.execution_s.p95 if found.execution_s else None,
        cpu_s_per_1000_jobs=None if cpu_s is None else 1_000 * cpu_s / executions,
        pss_bytes=pss_bytes,
    )


def summarize_groups(
    contender: Contender, *, trials: Sequence[Mapping[str, GroupTrial]]
) -> tuple[GroupSummary, ...]:
    """Return the groups of a row, from the figures of its valid trials."""
    executions = sum(one.executions for trial in trials for one in trial.values())
    return tuple(
        _summarize(
            group,
            trials=[trial[group.name] for trial in trials if group.name in trial],
            executions=executions,
        )
        for group in contender.groups
    )


def _summarize(
    group: WorkerGroup, *, trials: Sequence[GroupTrial], executions: int
) -> GroupSummary:
    per_s = [one.throughput_per_s for one in trials if one.throughput_per_s]
    own = sum(one.executions for one in trials)
    pss_bytes = _median(one.pss_bytes for one in trials)
    return GroupSummary(
        name=group.name,
        pool=group.pool,
        slots=group.slots,
        workers=group.workers,
        throughput_per_s=Median.of(per_s),
        execution_share=own / executions if executions else None,
        p95_execution_s=_median(one.p95_execution_s for one in trials),
        cpu_s_per_1000_jobs=_median(one.cpu_s_per_1000_jobs for one in trials),
        pss_bytes=None if pss_bytes is None else round(pss_bytes),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
