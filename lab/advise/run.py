"""Finds the advice on an app: candidates by the rules, a measurement, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from collector.recording import RecordedWorker
from lab.advise.advice import Advice, command_line
from lab.advise.boundaries import Boundary, find_boundaries
from lab.advise.candidates import find_candidates
from lab.advise.decision import Decision, Expected, Outcome, agree, decide
from lab.advise.expected import corrections, lost_now, read_expected
from lab.advise.experiment import GilCase, gil_cases, plan_experiment
from lab.advise.model import Demand, Limits
from lab.experiment.model import Experiment
from report.result import Summary

#: Conducts an experiment; returns its result and its folder.
Measure = Callable[[Experiment], tuple[Summary, Path]]


def advise(
    demand: Demand,
    *,
    files: Sequence[str],
    worker: RecordedWorker | None,
    limits: Limits,
    slo: Mapping[str, float],
    budget_s: float,
    seed: int,
    measure: Measure,
) -> Advice:
    """Return the advice on a demand.

    Nothing is measured if the evidence is too thin, or if there is no other setting to try.

    Raises:
        UsageError: if the budget is too short.
    """
    found = find_candidates(demand, limits=limits)
    unmeasured = Advice(
        files=tuple(files),
        demand=demand,
        limits=limits,
        slo=slo,
        rules=found.rules,
        excluded=found.excluded,
        decision=Decision(outcome=Outcome.ABSTAIN, advised=None, reasons=demand.gaps),
    )
    if demand.gaps:
        return unmeasured
    if not found.settings:
        why = ("The rules leave no other setting to try.",)
        stay = Decision(outcome=Outcome.STAY, advised=None, reasons=why)
        return replace(unmeasured, decision=stay)
    experiment = plan_experiment(
        demand, candidates=found.settings, slo=slo, budget_s=budget_s, seed=seed
    )
    summary, folder = measure(experiment)
    settings = [demand.today, *found.settings[: len(experiment.contenders) - 1]]
    cases = gil_cases(demand)
    measured = {
        case.name: tuple(read_expected(summary, case=case, settings=settings)) for case in cases
    }
    decisions = [decide(one[0], others=one[1:], limits=limits) for one in measured.values()]
    decision = agree(decisions[0], released=decisions[-1])
    advised = decision.advised
    return Advice(
        files=tuple(files),
        demand=demand,
        limits=limits,
        slo=slo,
        decision=decision,
        measured=measured,
        repetitions=summary.repetitions,
        rules=found.rules,
        excluded=found.excluded,
        boundaries=tuple(_boundaries(decision, case=cases[0], measured=measured, limits=limits)),
        command=command_line(advised.setting, worker=worker) if advised else "",
        stops=lost_now(advised, demand=demand) if advised else {},
        run=str(folder),
    )


def _boundaries(
    decision: Decision,
    *,
    case: GilCase,
    measured: Mapping[str, Sequence[Expected]],
    limits: Limits,
) -> list[Boundary]:
    if decision.outcome not in (Outcome.CHANGE, Outcome.STAY) or decision.advised is None:
        return []
    return find_boundaries(
        case.demand,
        limits=limits,
        advised=decision.advised.setting,
        corrections=corrections(measured[case.name], demand=case.demand),
    )
