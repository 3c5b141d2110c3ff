"""Builds the experiment that measures candidates with the recorded workload, within a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from collector.run_manifest import Contender, Part, SettingValue, Until, Workload
from lab.advise.model import Demand, Setting, TaskDemand
from lab.experiment.model import MIX, Experiment
from lab.run.duration import expected_s
from poolbench import format as fmt
from poolbench.errors import Fault, UsageError
from poolbench.jobs import STAND_IN
from poolbench.keys import NAME_LENGTH
from producer.arrivals import read_schedule
from report.statistics.ratios import CLAIM_BLOCKS

#: Name of the contender with today's setting.
TODAY = "today"

#: What is measured in each case: at the recorded rate, and at the limit.
RECORDED, LIMIT = "recorded", "limit"

#: Bounds of a trial, seconds: shorter ones are noise, and more repetitions are better than longer
#: ones.
SHORTEST_TRIAL_S, LONGEST_TRIAL_S = 1.0, 20.0

#: Fewest repetitions if the budget has no room for those of a claim.
FEWEST_BLOCKS = 3

#: A trial at the recorded rate lasts as many times longer, since it shows a p95; and until so many
#: jobs have arrived, but not longer than this, seconds.
RATE_STRETCH, RATE_JOBS, LONGEST_RATE_S = 2.0, 100, 60.0

#: A trial without a line for this time is stopped, seconds, in addition to the longest job.
STALL_S = 20.0

#: Celery's prefetch multiplier if none is set.
CELERY_PREFETCH = 4

#: Precision of the search for the length of a trial.
_NARROW = 1.02


@dataclass(frozen=True, slots=True, kw_only=True)
class GilCase:
    """One assumption about computing of which it is unknown whether it holds the GIL."""

    #: ``held``, ``released``, or empty if nothing that matters is unknown.
    name: str
    demand: Demand

    def workload(self, what: str) -> str:
        """Return the name of a workload, such as ``limit`` or ``limit-held``."""
        return f"{what}-{self.name}" if self.name else what


#: Unknown computing matters from this share of the busy time on.
UNKNOWN_SHARE = 0.05


def gil_cases(demand: Demand) -> tuple[GilCase, ...]:
    """Return one case, or two where unknown computing matters."""
    job = demand.mean
    if job.unknown_s <= UNKNOWN_SHARE * job.service_s:
        return (GilCase(name="", demand=demand.with_gil(is_held=True)),)
    return (
        GilCase(name="held", demand=demand.with_gil(is_held=True)),
        GilCase(name="released", demand=demand.with_gil(is_held=False)),
    )


def plan_experiment(
    demand: Demand,
    *,
    candidates: Sequence[Setting],
    slo: Mapping[str, float],
    budget_s: float,
    seed: int,
) -> Experiment:
    """Return the experiment with the longest trials that fit the budget five times.

    Without room for five repetitions of the shortest trials it has three; then the last candidates
    are left out, down to one.

    Raises:
        UsageError: if even that doesn't fit.
    """
    shortest_s = 0.0
    for count in range(len(candidates), 0, -1):
        for blocks in (CLAIM_BLOCKS, FEWEST_BLOCKS):
            planned = _Plan(
                demand=demand, settings=candidates[:count], slo=slo, seed=seed, blocks=blocks
            )
            shortest_s = planned.expected_s(SHORTEST_TRIAL_S)
            if shortest_s <= budget_s:
                trial_s = planned.longest_trial_s(budget_s)
                rule = Until(at_most_s=budget_s)
                return replace(planned.experiment(trial_s), repetitions=2, until=rule)
    remedy = f"give at least {shortest_s:.0f}s"
    problem = "too short for today's setting and one candidate"
    seen = fmt.duration(budget_s)
    raise UsageError(Fault(field="--budget", seen=seen, problem=problem, remedy=remedy))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All of an experiment but the length of its trials."""

    demand: Demand
    settings: Sequence[Setting]
    slo: Mapping[str, float]
    seed: int
    blocks: int

    def experiment(self, trial_s: float) -> Experiment:
        demand = self.demand
        workloads = [
            workload
            for case in gil_cases(demand)
            for workload in recorded_workloads(case, trial_s=trial_s)
        ]
        longest_s = max(one.p95_s for one in demand.tasks)
        return Experiment(
            file="poolbench advise",
            text="",
            title="Which setting fits the recorded jobs?",
            question="",
            profile="advise",
            seed=self.seed,
            repetitions=self.blocks,
            trial_s=trial_s,
            stall_s=STALL_S + 2 * longest_s,
            contenders=(
                _contender(demand.today, demand=demand, name=TODAY),
                *(_contender(one, demand=demand, name=one.name) for one in self.settings),
            ),
            workloads=tuple(workloads),
            slo=dict(self.slo),
        )

    def expected_s(self, trial_s: float) -> float:
        return expected_s(self.experiment(trial_s), cores=max(1, int(self.demand.cores)))

    def longest_trial_s(self, budget_s: float) -> float:
        low, high = SHORTEST_TRIAL_S, LONGEST_TRIAL_S
        while high / low > _NARROW:
            middle = (low * high) ** 0.5
            if self.expected_s(middle) <= budget_s:
                low = middle
            else:
                high = middle
        return round(low, 2)


def _contender(setting: Setting, *, demand: Demand, name: str) -> Contender:
    settings: dict[str, SettingValue] = {}
    if setting.prefetch_multiplier not in (None, CELERY_PREFETCH):
        settings["prefetch_multiplier"] = setting.prefetch_multiplier or 0
    if demand.is_acked_late:
        settings["acks_late"] = True
    return Contender(
        name=name,
        pool=setting.pool,
        slots=setting.total_slots,
        workers=setting.workers,
        settings=settings,
    )


def recorded_workloads(case: GilCase, *, trial_s: float) -> tuple[Workload, Workload]:
    """Return the workload at the recorded rate, and at the limit, made of stand-ins.

    Each task is a part of the mix, by its mean.
    """
    demand = case.demand
    per_s = demand.per_s
    span_s = max(RATE_STRETCH * trial_s, min(RATE_JOBS / per_s, LONGEST_RATE_S))
    arrivals: dict[str, Any] = {"how": "poisson", "rate_per_s": per_s}
    parts = tuple(
        _part(task, number=number, per_s=per_s) for number, task in enumerate(demand.tasks)
    )
    at_limit = Workload(
        name=case.workload(LIMIT), kind=MIX, parameters={}, mix=parts, measure="capacity"
    )
    at_rate = replace(
        at_limit,
        name=case.workload(RECORDED),
        measure="rate",
        arrivals=read_schedule(arrivals, span_s=span_s).as_table(),
    )
    return at_rate, at_limit


def _part(task: TaskDemand, *, number: int, per_s: float) -> Part:
    parameters = {
        "held_ms": task.held_s,
        "released_ms": task.released_s,
        "wait_ms": task.wait_s,
        "blocking_ms": task.blocking_s,
    }
    known = {name: round(value_s * 1_000, 3) for name, value_s in parameters.items()}
    return Part(
        name=_part_name(task.name, number=number),
        kind=STAND_IN,
        parameters={**known, "memory_bytes": 0},
        share=task.per_s / per_s,
    )


def _part_name(task: str, *, number: int) -> str:
    """Return the name of a task's part: valid as a name, and no other task's."""
    name = re.sub(r"[^a-z0-9._-]+", "-", task.lower()).lstrip("._-")
    return f"{name[: NAME_LENGTH - 4]}.{number}"
