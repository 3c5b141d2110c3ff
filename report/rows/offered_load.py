"""Selects the trials of a row whose jobs arrived at a rate, and finds its sustained rate. Pure.

In a block, a search has many trials, and a load curve has one trial per share. A row uses one of
them per block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from collector.reasons import Code, Reason
from collector.run_manifest import Workload
from report.trials.slo import RESOLUTION
from report.trials.trial import Trial

#: The point of a load curve that its row shows, as a share of the sustained rate: a usual maximum
#: in capacity planning.
ROW_SHARE = 0.8

#: Relative rounding error that a closed bracket may exceed the resolution by.
_ROUNDING = 1e-9


def pick(
    trials: Iterable[Trial], *, contender: str, workload: Workload
) -> tuple[list[Trial], list[Trial]]:
    """Return the trials that a row's figures use, by block, and the row's other trials.

    A search uses the step with the highest sustained rate, or its first step if there is none. A
    load curve uses the point at `ROW_SHARE`. Invalid trials are always among the first, because
    they mark the row.
    """
    own = (
        one
        for one in trials
        if (one.contender, one.workload) == (contender, workload.name) and not one.is_replaced
    )
    ordered = sorted(own, key=lambda trial: (trial.block, trial.trial))
    if workload.measure == "sustain":
        shown = [one for steps in _searches(ordered) for one in _of_search(steps)]
    elif workload.measure == "curve":
        shown = [one for one in ordered if not one.is_valid or one.load_share == ROW_SHARE]
    else:
        shown = ordered
    counted = {trial.trial for trial in shown}
    return shown, [trial for trial in ordered if trial.trial not in counted]


def sustained_per_s(trials: Iterable[Trial]) -> dict[int, float]:
    """Return block → the highest rate that was sustained in its search, jobs per second.

    A block with an invalid step is left out, because its search was interrupted.
    """
    return {
        steps[0].block: max(rates)
        for steps in _searches(trials)
        if all(one.is_valid for one in steps)
        if (rates := [_rate_per_s(one) for one in steps if one.is_sustained])
    }


def search_doubts(trials: Iterable[Trial]) -> list[tuple[int, list[Reason]]]:
    """Return by block the reasons why a search's figure is uncertain: it has no closed bracket."""
    return [
        (steps[0].block, _open_bracket(steps))
        for steps in _searches(trials)
        if all(one.is_valid for one in steps)
    ]


def _searches(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Return the steps of the search in each block; of steps at the same rate, only the last."""
    blocks: dict[int, dict[float | None, Trial]] = {}
    for trial in sorted(trials, key=lambda trial: (trial.block, trial.trial)):
        if trial.step is not None:
            steps = blocks.setdefault(trial.block, {})
            steps.pop(trial.rate_per_s, None)
            steps[trial.rate_per_s] = trial
    return [[*steps.values()] for steps in blocks.values()]


def _of_search(steps: Sequence[Trial]) -> list[Trial]:
    invalid = [one for one in steps if not one.is_valid]
    sustained = [one for one in steps if one.is_sustained]
    return invalid or [max(sustained or steps[:1], key=_rate_per_s)]


def _rate_per_s(trial: Trial) -> float:
    return trial.rate_per_s or 0.0


def _open_bracket(steps: Sequence[Trial]) -> list[Reason]:
    """Return the reason why a search's bracket is open; empty if it is closed."""
    sustained = max((_rate_per_s(one) for one in steps if one.is_sustained), default=None)
    missed = min((_rate_per_s(one) for one in steps if not one.is_sustained), default=None)
    if sustained is None:
        return [Reason.of(Code.NO_RATE_SUSTAINED, rate_per_s=missed, steps=len(steps))]
    if missed is None:
        return [Reason.of(Code.EVERY_RATE_SUSTAINED, rate_per_s=sustained, steps=len(steps))]
    if missed > sustained * (1 + RESOLUTION) * (1 + _ROUNDING):
        return [Reason.of(Code.SEARCH_OPEN, steps=len(steps), apart=missed / sustained - 1)]
    return []
