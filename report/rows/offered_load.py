"""Jobs that came at a rate: which trials of a row count, and which rate they sustained. Pure.

A search has many trials in a block and a curve a trial a share; a row has one a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collector.reasons import Code, Reason
from report.statistics.ratios import Median
from report.trials.latency_spans import pool_spans
from report.trials.offered_load import LagBin, lag_histogram
from report.trials.slo import RESOLUTION
from report.trials.trial import Trial

#: The point of a curve that its row shows, as a share of the sustained rate: as full as people
#: dare to plan.
ROW_SHARE = 0.8

#: A bracket counts as closed if it misses the resolution by a rounding.
_ROUNDING = 1e-9


def pick(trials: Sequence[Trial], *, measure: str) -> tuple[list[Trial], list[Trial]]:
    """Return the trials that count for a row, by block, and those that are accounted for only.

    Of a search it is the step with the highest sustained rate, or its first where there is none;
    of a curve the point at `ROW_SHARE`. What is invalid is always shown, since it marks the row.
    """
    ordered = sorted(trials, key=lambda trial: (trial.block, trial.trial))
    if measure == "sustain":
        shown = [one for block in _by_block(_steps(ordered)) for one in _of_search(block)]
    elif measure == "curve":
        shown = [one for one in ordered if not one.is_valid or _share(one) == ROW_SHARE]
    else:
        shown = ordered
    counted = {trial.trial for trial in shown}
    return shown, [trial for trial in ordered if trial.trial not in counted]


def sustained_per_s(trials: Iterable[Trial]) -> dict[int, float]:
    """Return block → the highest rate that was sustained in its search, jobs a second.

    A block in which a step was invalid has none: the search was interrupted.
    """
    found: dict[int, float] = {}
    for steps in _by_block(_steps(trials)):
        loads = [one.load for one in steps if one.load and one.load.verdict.is_sustained]
        if loads and all(one.is_valid for one in steps):
            found[steps[0].block] = max(load.rate_per_s for load in loads)
    return found


def search_doubts(trials: Iterable[Trial]) -> list[tuple[int, list[Reason]]]:
    """Return by block what makes a search's figure less sure: that it ended without a bracket."""
    return [
        (steps[0].block, _open_bracket(steps))
        for steps in _by_block(_steps(trials))
        if all(one.is_valid for one in steps)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """What a row has of jobs that came at a rate; nothing of a backlog."""

    #: The rate, jobs a second, and in how many valid repetitions its contender kept up with it.
    offered_per_s: float | None = None
    kept_up: int | None = None
    sustained_per_s: Median | None = None
    lag_histogram: tuple[LagBin, ...] = ()


def load_figures(trials: Sequence[Trial], *, others: Sequence[Trial]) -> LoadFigures:
    """Return what a row has of its load."""
    loads = [trial.load for trial in trials if trial.is_valid and trial.load]
    spans = [trial.spans for trial in trials if trial.is_valid and trial.load]
    sustained = Median.of(list(sustained_per_s([*trials, *others]).values()))
    offered = Median.of([load.rate_per_s for load in loads])
    return LoadFigures(
        offered_per_s=offered.median if offered else None,
        kept_up=sum(load.verdict.is_sustained for load in loads) if loads else None,
        sustained_per_s=sustained,
        lag_histogram=lag_histogram(pool_spans(spans, name="lag")),
    )


def _steps(trials: Iterable[Trial]) -> list[Trial]:
    """Return the steps of searches by block, without those that were repeated at the same rate."""
    steps = [one for one in trials if one.load and one.load.step is not None]
    ordered = sorted(steps, key=lambda one: (one.block, one.trial))
    last = {(one.block, one.load.rate_per_s if one.load else 0.0): one.trial for one in ordered}
    return [one for one in ordered if one.trial in last.values()]


def _by_block(trials: Sequence[Trial]) -> list[list[Trial]]:
    blocks: dict[int, list[Trial]] = {}
    for trial in trials:
        blocks.setdefault(trial.block, []).append(trial)
    return list(blocks.values())


def _of_search(steps: Sequence[Trial]) -> list[Trial]:
    broken = [one for one in steps if not one.is_valid]
    sustained = [one for one in steps if one.load and one.load.verdict.is_sustained]
    best = max(sustained, key=lambda one: one.load.rate_per_s if one.load else 0.0, default=None)
    return broken or [best or steps[0]]


def _share(trial: Trial) -> float | None:
    return trial.load.share if trial.load else None


def _open_bracket(steps: Sequence[Trial]) -> list[Reason]:
    """Return how far a search was from its end, or nothing."""
    loads = [one.load for one in steps if one.load]
    rates = [one.rate_per_s for one in loads if one.verdict.is_sustained]
    missed_rates = [one.rate_per_s for one in loads if not one.verdict.is_sustained]
    sustained, missed = max(rates, default=None), min(missed_rates, default=None)
    if sustained is None:
        return [Reason.of(Code.NO_RATE_SUSTAINED, rate_per_s=missed, steps=len(loads))]
    if missed is None:
        return [Reason.of(Code.EVERY_RATE_SUSTAINED, rate_per_s=sustained, steps=len(loads))]
    if missed > sustained * (1 + RESOLUTION) * (1 + _ROUNDING):
        return [Reason.of(Code.SEARCH_OPEN, steps=len(loads), apart=missed / sustained - 1)]
    return []
