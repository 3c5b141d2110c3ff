"""Finds the advice on an app: candidates by the rules, a measurement, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from collector.recording import Recording
from lab.advise.advice import Advice, command_line
from lab.advise.boundaries import Boundary, find_boundaries
from lab.advise.candidates import Candidates, find_candidates, is_allowed
from lab.advise.decision import Decision, Expected, Outcome, agree, decide
from lab.advise.expected import corrections, lost_now, read_expected
from lab.advise.experiment import Case, plan_experiment
from lab.advise.model import Demand, Limits
from lab.experiment.model import Experiment
from report.result import Summary

#: Conducts an experiment; returns its result and its folder.
Measure = Callable[[Experiment], tuple[Summary, Path]]


def advise(
    demand: Demand,
    *,
    recording: Recording,
    paths: Sequence[Path],
    limits: Limits,
    slo: Mapping[str, float],
    budget_s: float,
    seed: int,
    measure: Measure,
) -> Advice:
    """Return the advice on a demand.

    Nothing is measured if the evidence is too thin, or if there is no other setting to try.

    Args:
        demand: of the app.
        recording: whose jobs are repeated.
        paths: its files.
        limits: the owner's.
        slo: bounds at the recorded pace, seconds by name.
        budget_s: how long to measure.
        seed: for the order of trials.
        measure: conducts the experiment.

    Raises:
        UsageError: if the budget is too short.
    """
    found = Candidates(rules=(), settings=(), excluded={})
    if demand.tasks:
        found = find_candidates(demand, limits=limits)
    unmeasured = Advice(
        files=tuple(map(str, paths)),
        demand=demand,
        limits=limits,
        slo=slo,
        rules=found.rules,
        excluded=found.excluded,
        decision=Decision(outcome=Outcome.ABSTAIN, advised=None),
    )
    if demand.gaps:
        return unmeasured
    if not found.settings:
        is_possible = is_allowed(demand.today, demand, limits=limits)
        outcome = Outcome.STAY if is_possible else Outcome.NONE
        why = ("The rules leave no other setting to try.",)
        return replace(unmeasured, decision=Decision(outcome=outcome, advised=None, reasons=why))
    experiment, cases = plan_experiment(
        demand,
        recording=recording,
        paths=paths,
        candidates=found.settings,
        slo=slo,
        budget_s=budget_s,
        seed=seed,
    )
    summary, folder = measure(experiment)
    settings = [demand.today, *found.settings[: len(experiment.contenders) - 1]]
    measured = {
        case.unknown_as: tuple(read_expected(summary, case=case, demand=demand, settings=settings))
        for case in cases
    }
    decisions = [decide(one[0], others=one[1:], limits=limits) for one in measured.values()]
    decision = decisions[0]
    if len(decisions) > 1:
        decision = agree(decision, released=decisions[1], today=demand.today)
    advised, firsts = decision.advised, measured[cases[0].unknown_as]
    return replace(
        unmeasured,
        decision=decision,
        measured=measured,
        left_out=tuple(one.name for one in found.settings[len(settings) - 1 :]),
        repetitions=summary.repetitions,
        span_s=cases[0].replay.source.span_s,
        boundaries=tuple(_boundaries(decision, advice=unmeasured, case=cases[0], found=firsts)),
        command=command_line(advised.setting, worker=recording.workers[0]) if advised else "",
        stops=lost_now(advised, demand=demand) if advised else {},
        run=str(folder),
    )


def _boundaries(
    decision: Decision, *, advice: Advice, case: Case, found: Sequence[Expected]
) -> list[Boundary]:
    """Return what would change a decision, in the first case."""
    if decision.outcome not in (Outcome.CHANGE, Outcome.STAY) or decision.advised is None:
        return []
    demand = case.demand(advice.demand)
    return find_boundaries(
        demand,
        limits=advice.limits,
        advised=decision.advised.setting,
        corrections=corrections(found, demand=demand),
    )
