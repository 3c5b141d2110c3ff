"""Reads what each setting is expected to do from the result of the measurement. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.reasons import Code, Severity
from lab.advise.capacity import capacity_per_s
from lab.advise.decision import Expected
from lab.advise.experiment import TODAY, Case
from lab.advise.model import Demand, Setting
from report.result import RowSummary, Summary, TargetSummary
from report.statistics.percentiles import values_needed
from report.statistics.ratios import Median
from report.trials.trial import TrialSummary

#: Why a repetition didn't keep up, apart from the bounds of an SLO.
_NOT_KEPT_UP = frozenset({Code.FELL_BEHIND, Code.JOBS_NOT_DONE})


def read_expected(
    summary: Summary, *, case: Case, demand: Demand, settings: Sequence[Setting]
) -> list[Expected]:
    """Return what each setting did under one assumption, today's first.

    Args:
        summary: of the measurement.
        case: the assumption, with its workloads.
        demand: of the app.
        settings: today's, then the candidates that were measured.
    """
    names = [TODAY, *(one.name for one in settings[1:])]
    return [
        _expected(summary, case=case, demand=demand, setting=setting, name=name)
        for name, setting in zip(names, settings, strict=True)
    ]


def corrections(found: Sequence[Expected], *, demand: Demand) -> dict[str, float]:
    """Return pool → measured ÷ estimated throughput, of the pool's fastest setting."""
    fastest: dict[str, tuple[float, float]] = {}
    for one in found:
        if one.per_s is None:
            continue
        measured, pool = one.per_s.median, one.setting.pool
        if pool not in fastest or measured > fastest[pool][0]:
            fastest[pool] = (measured, capacity_per_s(one.setting, demand))
    return {pool: measured / estimated for pool, (measured, estimated) in fastest.items()}


def memory_of(setting: Setting, demand: Demand) -> Median | None:
    """Return the memory of a setting's processes, as recorded, bytes; None if unknown."""
    each = demand.child_bytes if setting.pool == "prefork" else demand.process_bytes
    return _times(each, setting.processes)


def connections_of(setting: Setting, demand: Demand) -> Median | None:
    """Return the connections of a setting's slots, as recorded; None if unknown."""
    return _times(demand.connections_per_slot, setting.total_slots)


def _expected(
    summary: Summary, *, case: Case, demand: Demand, setting: Setting, name: str
) -> Expected:
    pace = summary.row(name, workload=case.at_pace.name)
    limit = summary.row(name, workload=case.at_limit.name)
    verdict = summary.verdict(case.at_limit.name)
    decided = verdict.decided(name, against=TODAY) if name != TODAY else None
    trials = summary.repetitions_of(pace) if pace else []
    return Expected(
        setting=setting,
        wait_s=Median.of([one.wait_s.p95 for one in trials if one.wait_s]),
        is_met=is_met(pace, trials=trials) if pace else None,
        per_s=limit.throughput_per_s if limit else None,
        ratio=decided.ratio if decided else None,
        memory_bytes=memory_of(setting, demand),
        connections=connections_of(setting, demand),
        lost=lost_in(setting.pool, demand),
        faults=tuple(
            reason.text
            for row in (pace, limit)
            if row and row.mark is Severity.INVALID
            for reason in row.reasons
            if reason.severity is Severity.INVALID
        ),
    )


def lost_in(pool: str, demand: Demand) -> tuple[str, ...]:
    """Return what the app relies on and a pool doesn't do."""
    return tuple(one.name for one in demand.features if pool in one.lost_in)


def lost_now(expected: Expected, *, demand: Demand) -> Mapping[str, str]:
    """Return what a setting would stop doing that today's does: name → what the pool does."""
    today = demand.today.pool
    return {
        one.name: one.lost_in[expected.setting.pool]
        for one in demand.features
        if expected.setting.pool in one.lost_in and today not in one.lost_in
    }


def is_met(row: RowSummary, *, trials: Sequence[TrialSummary]) -> bool | None:
    """Return whether a row kept up and met each bound; None if its repetitions don't agree.

    A bound on the jobs of a task counts if there are enough of them to show the percentile.
    """
    kept_up = [
        all(reason.code not in _NOT_KEPT_UP for reason in one.why_not_sustained) for one in trials
    ]
    shown = [one for one in row.targets if _is_shown(one, row=row)] or list(row.targets)
    if not any(kept_up) or any(one.is_met is False for one in shown):
        return False
    return True if all(kept_up) and all(one.is_met for one in shown) else None


def _is_shown(target: TargetSummary, *, row: RowSummary) -> bool:
    part = row.parts.get(target.part)
    jobs = part.jobs if part else row.jobs
    per_mille = 10 * int(target.figure.partition("_")[0].removeprefix("p"))
    return jobs >= values_needed(per_mille)


def _times(each: Median | None, factor: float) -> Median | None:
    if each is None:
        return None
    return Median(median=each.median * factor, low=each.low * factor, high=each.high * factor)
