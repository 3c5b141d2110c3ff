"""Finds the effect of a setting, from two contenders that differ only in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from collector.reasons import Severity
from collector.run_manifest import Contender
from report import format as fmt
from report.legend import claim
from report.result import Effect, Value
from report.rows.row import Row
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import (
    Answer,
    Decision,
    Finding,
    compare_planned_figures,
    compare_range,
)

#: Setting → its default, as in `lab.experiment.worker_settings.Tuning`.
DEFAULTS: Mapping[str, bool | int | float | None] = {
    "prefetch_multiplier": None,
    "acks_late": None,
    "events": False,
    "gossip": False,
    "mingle": False,
    "heartbeat": False,
    "result_backend": False,
    "flower": False,
    "redis_delay_ms": None,
    "payload_bytes": 0,
}

#: Setting → its name in a sentence.
_CALLED = {
    "events": "Celery's events",
    "flower": "Flower",
    "result_backend": "stored results",
    "acks_late": "late acknowledgement",
    "prefetch_multiplier": "the prefetch multiplier",
    "redis_delay_ms": "a slower Redis",
    "payload_bytes": "a payload",
}


def find_effects(rows: Sequence[Row]) -> list[Effect]:
    """Return the effect of each setting for each pair of rows that differ in it alone.

    The points of a sweep are shown elsewhere; an A/A control differs in nothing. The effects in one
    workload are one question.
    """
    alone = [row for row in rows if not row.contender.sweep and not row.twin_of]
    pairs = [pair for pair in permutations(alone, 2) if _changed(*pair)]
    found: list[Effect] = []
    for workload in dict.fromkeys(row.workload.name for row in alone):
        changed = {
            (ours.contender.name, theirs.contender.name): (ours, theirs)
            for ours, theirs in pairs
            if ours.workload.name == workload
        }
        rows_of = {row.contender.name: row for row in alone if row.workload.name == workload}
        figures = {name: row.per_s for name, row in rows_of.items()}
        # an invalid row would widen all other intervals; a pair that has one shows its range
        valid = {name for name, row in rows_of.items() if row.mark is not Severity.INVALID}
        answers = compare_planned_figures(
            {name: figures[name] for name in valid},
            pairs=[pair for pair in changed if set(pair) <= valid],
        )
        for (ours, theirs), pair in changed.items():
            answer = answers.get((ours, theirs)) or compare_range(
                figures[ours], theirs=figures[theirs]
            )
            if answer:
                found.append(_effect(*pair, answer=answer))
    return found


def settings_of(contender: Contender) -> dict[str, Value]:
    """Return a contender's settings, with defaults for those that it doesn't set."""
    return {**DEFAULTS, **contender.settings}


def _changed(ours: Row, theirs: Row) -> str:
    """Return the setting that only ``ours`` has; empty unless it is the only difference."""
    if ours.workload.name != theirs.workload.name or _kind_of(ours) != _kind_of(theirs):
        return ""
    mine, other = settings_of(ours.contender), settings_of(theirs.contender)
    changed = [name for name in DEFAULTS if mine[name] != other[name]]
    if len(changed) != 1 or not _is_more(mine[changed[0]], than=other[changed[0]]):
        return ""
    return changed[0]


def _effect(ours: Row, theirs: Row, *, answer: Answer) -> Effect:
    ratio, decision = answer.ratio, answer.decision
    setting, marks = _changed(ours, theirs), (ours.mark, theirs.mark)
    value, against_value = (settings_of(row.contender)[setting] for row in (ours, theirs))
    cpu_ratio = paired_ratio(_cpu_s(ours), theirs=_cpu_s(theirs))
    called = _CALLED.get(setting, setting)
    if not isinstance(value, bool):
        called = f"{called} ({_shown(against_value)} → {_shown(value)})"
    return Effect(
        workload=ours.workload.name,
        setting=setting,
        contender=ours.contender.name,
        against=theirs.contender.name,
        value=value,
        against_value=against_value,
        ratio=ratio,
        cpu_ratio=cpu_ratio,
        decision=decision,
        text=_text(
            called,
            ratio=ratio,
            cpu_ratio=cpu_ratio,
            decision=decision,
            is_invalid=Severity.INVALID in marks,
        ),
        mark=next((sign for sign in "!?~" if sign in marks), ""),
    )


def _cpu_s(row: Row) -> dict[int, float]:
    """Return block → CPU-seconds of the worker per 1,000 jobs, for the valid trials."""
    found = {trial.block: trial.cpu_s_per_1000_jobs for trial in row.valid}
    return {block: cpu_s for block, cpu_s in found.items() if cpu_s}


def _text(
    called: str,
    *,
    ratio: Ratio,
    cpu_ratio: Ratio | None,
    decision: Decision,
    is_invalid: bool,
) -> str:
    """Return an effect as a sentence."""
    if decision.finding is Finding.TOO_FEW:
        times = fmt.times_range(ratio.low, high=ratio.high)
        why = "one of the two rows is invalid" if is_invalid else "too few repetitions for a claim"
        return f"With {called}: {times} the throughput so far, {why}."
    cpu = f"; {claim(cpu_ratio)} the CPU per job" if cpu_ratio else ""
    text = f"{claim(ratio)} the throughput"
    if decision.finding is Finding.NO_DIFFERENCE:
        text = f"no difference, {text}: {decision.why}"
    return f"With {called}: {text}{cpu}."


def _kind_of(row: Row) -> tuple[str, int, str]:
    """Return what two contenders must have in common for a comparison of their settings."""
    contender = row.contender
    return contender.pool, contender.slots, contender.interpreter


def _is_more(value: Any, *, than: Any) -> bool:
    """Return whether a value is larger: on is more than off, and a set value than an unset one."""
    return (value is not None) and (than is None or value > than)


def _shown(value: Any) -> str:
    return "unset" if value is None else f"{value:g}"
