"""What a row tells of jobs that came at a rate: which of its trials count, what they held. Pure.

A search has many trials in a block and a curve a trial a share; a row has one a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from report import format as fmt
from report.statistics.ratios import Median
from report.trials.latency_spans import pool_spans
from report.trials.offered_load import lag_histogram
from report.trials.slo import RESOLUTION
from report.trials.trial import Trial

#: The point of a curve that its row shows, as a share of the sustained rate: as full as people
#: dare to plan.
ROW_SHARE = 0.8

#: A bracket counts as closed if it misses the resolution by a rounding.
_ROUNDING = 1e-9


def pick(trials: Sequence[Trial], *, measure: str) -> tuple[list[Trial], list[Trial]]:
    """Return the trials that count for a row, by block, and those that are accounted for only.

    Of a search it is the step with the highest rate that was held, or its first where none was; of
    a curve the point at `ROW_SHARE`. What is invalid is always shown, since it marks the row.
    """
    ordered = sorted(trials, key=lambda trial: (trial.block, trial.index))
    if measure == "sustain":
        shown = [one for block in _by_block(_steps(ordered)) for one in _of_search(block)]
    elif measure == "curve":
        shown = [one for one in ordered if not one.is_valid or _share(one) == ROW_SHARE]
    else:
        shown = ordered
    counted = {trial.index for trial in shown}
    return shown, [trial for trial in ordered if trial.index not in counted]


def sustained_per_s(trials: Iterable[Trial]) -> dict[int, float]:
    """Return block → the highest rate that was held in its search, jobs a second.

    A block in which a step was invalid has none: the search was broken off.
    """
    found: dict[int, float] = {}
    for steps in _by_block(_steps(trials)):
        held = [load.rate_per_s for one in steps if (load := one.load) and load.holding.is_held]
        if held and all(one.is_valid for one in steps):
            found[steps[0].block] = max(held)
    return found


def search_doubts(trials: Iterable[Trial]) -> list[tuple[int, list[str]]]:
    """Return by block what makes a search's figure less sure: that it ended without a bracket."""
    return [
        (steps[0].block, [_open_bracket(steps)])
        for steps in _by_block(_steps(trials))
        if all(one.is_valid for one in steps) and _open_bracket(steps)
    ]


def load_figures(
    trials: Sequence[Trial], *, others: Sequence[Trial], measure: str
) -> dict[str, Any]:
    """Return what a row of ``summary.json`` tells of its load; nothing of a backlog."""
    loads = [trial.load for trial in trials if trial.is_valid and trial.load]
    spans = [trial.spans for trial in trials if trial.is_valid and trial.load]
    sustained = Median.of(list(sustained_per_s([*trials, *others]).values()))
    offered = Median.of([load.rate_per_s for load in loads])
    return {
        "measure": measure,
        "offered_per_s": offered and offered.median,
        "kept_up": sum(not load.holding.reasons for load in loads) if loads else None,
        "sustained_per_s": sustained
        and {"median": sustained.median, "low": sustained.low, "high": sustained.high},
        "lag_histogram": lag_histogram(pool_spans(spans, name="lag")),
    }


def _steps(trials: Iterable[Trial]) -> list[Trial]:
    """Return the steps of searches by block, without those that were repeated at the same rate."""
    steps = [one for one in trials if one.load and one.load.step is not None]
    ordered = sorted(steps, key=lambda one: (one.block, one.index))
    last = {(one.block, one.load.rate_per_s if one.load else 0.0): one.index for one in ordered}
    return [one for one in ordered if one.index in last.values()]


def _by_block(trials: Sequence[Trial]) -> list[list[Trial]]:
    blocks: dict[int, list[Trial]] = {}
    for trial in trials:
        blocks.setdefault(trial.block, []).append(trial)
    return list(blocks.values())


def _of_search(steps: Sequence[Trial]) -> list[Trial]:
    broken = [one for one in steps if not one.is_valid]
    held = [one for one in steps if one.load and one.load.holding.is_held]
    best = max(held, key=lambda one: one.load.rate_per_s if one.load else 0.0, default=None)
    return broken or [best or steps[0]]


def _share(trial: Trial) -> float | None:
    return trial.load.share if trial.load else None


def _open_bracket(steps: Sequence[Trial]) -> str:
    """Return how far a search was from its end, or nothing."""
    loads = [one.load for one in steps if one.load]
    held = max((one.rate_per_s for one in loads if one.holding.is_held), default=None)
    missed = min((one.rate_per_s for one in loads if not one.holding.is_held), default=None)
    tried = fmt.counted(len(loads), noun="step")
    if held is None:
        return f"no rate was held, down to {fmt.number(missed)} jobs/s, in {tried}"
    if missed is None:
        return f"every rate was held, up to {fmt.number(held)} jobs/s, in {tried}"
    if missed > held * (1 + RESOLUTION) * (1 + _ROUNDING):
        apart = fmt.percent(missed / held - 1)
        return f"the search ended after {tried} with the held and the missed rate {apart} apart"
    return ""
