"""Finds the effect of a setting, from two contenders that differ only in it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from collector.reasons import Severity
from collector.run_manifest import Contender
from report import format as fmt
from report.legend import CAUSES, claim
from report.result import (
    RESPONSE,
    SUSTAINED,
    THROUGHPUT,
    WAIT,
    WORKER_VERDICTS,
    CauseChange,
    Effect,
    Value,
)
from report.rows.row import Row
from report.statistics.ratios import Ratio, paired_ratio
from report.statistics.significance import (
    Answer,
    Decision,
    Finding,
    Pair,
    compare_planned_figures,
    compare_range,
)
from report.trials.wait_causes import Cause

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

#: Figure → its name in a sentence.
_FIGURES = {
    THROUGHPUT: "the throughput",
    SUSTAINED: "the sustained rate",
    RESPONSE: "the p95 response",
    WAIT: "the p95 wait",
    **{figure: f"the {figure}" for figure in WORKER_VERDICTS.values()},
}


def find_effects(rows: Sequence[Row]) -> list[Effect]:
    """Return the effect of each setting for each pair of rows that differ in it alone.

    It is measured by what can change: at a given rate by response and wait, else by throughput. The
    points of a sweep are shown elsewhere; an A/A control differs in nothing. The effects on one
    figure in a workload are one question.
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
        own = [row for row in alone if row.workload.name == workload]
        for part, figure in _questions(own[0]):
            answers = _compare(own, pairs=changed, figure=figure, part=part)
            has_wait = figure in (RESPONSE, WAIT)
            waits = _compare(own, pairs=changed, figure=WAIT, part=part) if has_wait else {}
            found += [
                _effect(
                    *pair, figure=figure, part=part, answer=answers[names], wait=waits.get(names)
                )
                for names, pair in changed.items()
                if names in answers
            ]
    return found


def _questions(row: Row) -> list[tuple[str, str]]:
    """Return part and figure of what a setting can change in a workload.

    At a rate, the response of each part of a mix, or of all jobs. In a backlog, the throughput, and
    the wait of each part that has one of its own.
    """
    parts = row.workload.part_names if row.workload.has_waits_by_part else ()
    if row.compared == RESPONSE:
        return [(part, RESPONSE) for part in parts or ("",)]
    return [("", row.compared), *((part, WAIT) for part in parts)]


def settings_of(contender: Contender) -> dict[str, Value]:
    """Return a contender's settings, with defaults for those that it doesn't set.

    They are its own settings and Celery's, the arguments of ``celery worker``, and the number and
    the limits of its workers.
    """
    return {
        **DEFAULTS,
        **contender.all_settings,
        "arguments": " ".join(contender.arguments) or None,
        "workers": contender.workers,
        "cpus": contender.cpus,
        "memory_bytes": contender.memory_bytes,
    }


def _compare(
    rows: Sequence[Row], *, pairs: Collection[Pair], figure: str, part: str
) -> dict[Pair, Answer]:
    """Return the answers to one question: how pairs of a workload's rows compare in a figure."""
    figures = {row.contender.name: row.by_block(figure, part=part) for row in rows}
    # an invalid row would widen all other intervals; a pair that has one shows its range
    valid = {row.contender.name for row in rows if row.mark is not Severity.INVALID}
    answers = compare_planned_figures(
        {name: figures[name] for name in valid},
        pairs=[pair for pair in pairs if set(pair) <= valid],
    )
    for ours, theirs in pairs:
        found = answers.get((ours, theirs)) or compare_range(figures[ours], theirs=figures[theirs])
        if found:
            answers[ours, theirs] = found
    return answers


def _changed(ours: Row, theirs: Row) -> str:
    """Return the setting that only ``ours`` has; empty unless it is the only difference."""
    if ours.workload.name != theirs.workload.name or _kind_of(ours) != _kind_of(theirs):
        return ""
    mine, other = settings_of(ours.contender), settings_of(theirs.contender)
    changed = [name for name in {**mine, **other} if mine.get(name) != other.get(name)]
    if len(changed) != 1:
        return ""
    (name,) = changed
    return name if _is_more(mine.get(name), than=other.get(name)) else ""


def _effect(
    ours: Row, theirs: Row, *, figure: str, part: str, answer: Answer, wait: Answer | None
) -> Effect:
    setting, marks = _changed(ours, theirs), (ours.mark, theirs.mark)
    value, against_value = (settings_of(row.contender).get(setting) for row in (ours, theirs))
    called = _CALLED.get(setting, setting.removeprefix("celery."))
    if value is not True:
        called = f"{called} ({_shown(against_value)} → {_shown(value)})"
    effect = Effect(
        workload=ours.workload.name,
        part=part,
        setting=setting,
        figure=figure,
        contender=ours.contender.name,
        against=theirs.contender.name,
        value=value,
        against_value=against_value,
        ratio=answer.ratio,
        wait_ratio=wait.ratio if wait and figure != WAIT else None,
        causes=tuple(_cause_changes(ours, theirs, part=part)) if wait else (),
        cpu_ratio=paired_ratio(_cpu_s(ours), theirs=_cpu_s(theirs)),
        decision=answer.decision,
        text="",
        mark=next((sign for sign in "!?~" if sign in marks), ""),
    )
    is_invalid = Severity.INVALID in marks
    text = _text(effect, called=called, wait=wait, is_invalid=is_invalid)
    return replace(effect, text=text)


def _cause_changes(ours: Row, theirs: Row, *, part: str) -> Iterator[CauseChange]:
    after, before = (
        {
            cause: one.mean_s
            for waits in row.wait_causes
            if waits.part == part
            for cause, one in waits.causes.items()
        }
        for row in (ours, theirs)
    )
    for cause in Cause:
        if cause in before or cause in after:
            yield CauseChange(
                cause=cause, before_s=before.get(cause, 0.0), after_s=after.get(cause, 0.0)
            )


def _cpu_s(row: Row) -> dict[int, float]:
    """Return block → CPU-seconds of the worker per 1,000 jobs, for the valid trials."""
    found = {trial.block: trial.cpu_s_per_1000_jobs for trial in row.valid}
    return {block: cpu_s for block, cpu_s in found.items() if cpu_s}


def _text(effect: Effect, *, called: str, wait: Answer | None, is_invalid: bool) -> str:
    """Return an effect as a sentence: the figure, the wait and its largest cause, the CPU."""
    ratio, what = effect.ratio, _FIGURES[effect.figure]
    cause = [_largest_change(effect.causes)] if wait and _is_change(wait) else []
    if effect.decision.finding is Finding.TOO_FEW:
        spans = [f"{fmt.times_range(ratio.low, high=ratio.high)} {what}"]
        if waits := effect.wait_ratio:
            spans.append(f"{fmt.times_range(waits.low, high=waits.high)} {_FIGURES[WAIT]}")
        why = "one of the two rows is invalid" if is_invalid else "too few repetitions for a claim"
        clauses = [f"{fmt.listed(spans)} so far", *cause]
        return f"With {called}: {'; '.join(filter(None, clauses))}, {why}."
    clauses = [_claimed(ratio, decision=effect.decision, what=what)]
    if wait and effect.wait_ratio:
        clauses.append(_claimed(wait.ratio, decision=wait.decision, what=_FIGURES[WAIT]))
    clauses += cause
    # the CPU is that of all parts together
    if effect.cpu_ratio and not effect.part:
        clauses.append(f"{claim(effect.cpu_ratio)} the CPU per job")
    return f"With {called}: {'; '.join(filter(None, clauses))}."


def _is_change(wait: Answer) -> bool:
    """Return whether waits differ, or differed in all of too few repetitions."""
    ratio = wait.ratio
    return not wait.decision.is_no_difference and not ratio.low <= 1 <= ratio.high


def _largest_change(causes: Sequence[CauseChange]) -> str:
    """Return the cause whose mean wait changed most; empty without causes."""
    if not causes:
        return ""
    most = max(causes, key=lambda one: abs(one.after_s - one.before_s))
    means = f"{fmt.duration(most.before_s)} → {fmt.duration(most.after_s)}"
    return f"most of it {CAUSES[most.cause][0]}, {means} a job"


def _claimed(ratio: Ratio, *, decision: Decision, what: str) -> str:
    text = f"{claim(ratio)} {what}"
    return f"no difference, {text}: {decision.why}" if decision.is_no_difference else text


def _kind_of(row: Row) -> tuple[object, ...]:
    """Return what two contenders must have in common for a comparison of their settings."""
    contender = row.contender
    return (
        contender.pool, contender.slots, contender.is_unset, contender.interpreter,
        contender.queues, contender.groups,
    )  # fmt: skip


def _is_more(value: Any, *, than: Any) -> bool:
    """Return whether a value is larger: on is more than off, and a set value than an unset one."""
    if value is None or than is None:
        return than is None
    are_numbers = all(isinstance(one, int | float) for one in (value, than))
    return bool(value > than) if are_numbers else str(value) > str(than)


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unset" if value is None else f"{value:g}" if isinstance(value, int | float) else value
