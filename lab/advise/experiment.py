"""Builds the experiment that measures candidates with the recorded workload, within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from collector.recording import Recording
from collector.run_manifest import Contender, SettingValue, Until, Workload
from lab.advise.model import Demand, Setting
from lab.experiment.model import Experiment
from lab.experiment.recorded import recorded_workloads
from lab.replay.replay import Replay
from lab.run.duration import expected_s
from poolbench import format as fmt
from poolbench.errors import Fault, UsageError
from report.statistics.ratios import CLAIM_BLOCKS

#: Name of the contender with today's setting.
TODAY = "today"

#: What is measured: at the recorded pace, and at the limit.
RECORDED, LIMIT = "recorded", "limit"

#: Bounds of a trial, seconds: shorter ones are noise, and more repetitions are better than longer
#: ones.
SHORTEST_TRIAL_S, LONGEST_TRIAL_S = 1.0, 20.0

#: Fewest repetitions if the budget has no room for those of a claim: another candidate is then
#: worth more than another repetition.
FEWEST_BLOCKS = 2

#: A trial at the recorded pace lasts as many times longer, since it shows a p95; and until so many
#: jobs have arrived, but then not longer than this, seconds.
PACE_STRETCH, PACE_JOBS, LONGEST_PACE_S = 2.0, 60, 60.0

#: A trial without a line for this time is stopped, seconds, in addition to the longest job.
STALL_S = 20.0

#: Precision of the search for the length of a trial.
_NARROW = 1.02

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The recorded jobs under one assumption about computing of which the GIL is unknown."""

    #: ``held``, ``released``, or empty if nothing that matters is unknown.
    unknown_as: str
    #: At the recorded pace, and at the limit.
    at_pace: Workload
    at_limit: Workload
    replay: Replay

    def demand(self, demand: Demand) -> Demand:
        """Return the demand under the assumption."""
        return demand.with_gil(is_held=self.unknown_as != "released")


def read_cases(recording: Recording, *, paths: Sequence[Path], span_s: float) -> tuple[Case, ...]:
    """Return the jobs of the busiest ``span_s`` of a recording: one case, or two."""
    from_s, to_s = busiest_part(recording, span_s=span_s)
    found = recorded_workloads(*paths, name=RECORDED, from_s=from_s, to_s=to_s, recording=recording)
    return tuple(
        Case(
            unknown_as=replay.source.unknown_as,
            at_pace=at_pace,
            at_limit=replace(
                at_pace,
                name=at_pace.name.replace(RECORDED, LIMIT, 1),
                measure="capacity",
                arrivals=None,
            ),
            replay=replay,
        )
        for at_pace, replay in found
    )


def busiest_part(recording: Recording, *, span_s: float) -> tuple[float, float]:
    """Return the busiest time of this length, seconds since the recording's begin.

    It is the one in which the messages with the longest executions in all arrived; the first of
    several.
    """
    begin_ns = min(one.begin_ns for one in recording.sessions)
    messages = (
        recording.jobs.with_columns(
            due_ns=pl.coalesce("published_ns", "received_ns", "started_ns"),
            wall_ns=(pl.col("finished_ns") - pl.col("started_ns")).clip(lower_bound=0),
        )
        .group_by("session", "task_id")
        .agg(pl.col("due_ns").min(), pl.col("wall_ns").sum())
        .filter(pl.col("due_ns") >= begin_ns)
        .sort("due_ns", "task_id")
    )
    due_ns, work_ns = messages["due_ns"].to_numpy(), messages["wall_ns"].to_numpy().cumsum()
    if not len(due_ns):
        return 0.0, span_s
    before = np.concatenate([[0], work_ns])
    ends = np.searchsorted(due_ns, due_ns + span_s * _NS_PER_S, side="left")
    from_s = (int(due_ns[np.argmax(before[ends] - before[:-1])]) - begin_ns) / _NS_PER_S
    return from_s, from_s + span_s


def plan_experiment(
    demand: Demand,
    *,
    recording: Recording,
    paths: Sequence[Path],
    candidates: Sequence[Setting],
    slo: Mapping[str, float],
    budget_s: float,
    seed: int,
) -> tuple[Experiment, tuple[Case, ...]]:
    """Return the experiment with the longest trials that fit the budget five times, and its cases.

    Without room for five repetitions of the shortest trials it has two or more; then the last
    candidates are left out, down to one.

    Raises:
        UsageError: if even that doesn't fit.
    """
    # its rate and its tasks stand for those of the final part
    some = read_cases(recording, paths=paths, span_s=pace_s(demand, trial_s=LONGEST_TRIAL_S))
    shortest_s = 0.0
    for count in range(len(candidates), 0, -1):
        for blocks in (CLAIM_BLOCKS, FEWEST_BLOCKS):
            planned = _Plan(
                demand=demand,
                cases=some,
                settings=candidates[:count],
                slo=slo,
                seed=seed,
                blocks=blocks,
            )
            shortest_s = planned.expected_s(SHORTEST_TRIAL_S)
            if shortest_s <= budget_s:
                trial_s = planned.longest_trial_s(budget_s)
                span_s = pace_s(demand, trial_s=trial_s)
                cases = read_cases(recording, paths=paths, span_s=span_s)
                found = replace(planned, cases=cases).experiment(trial_s)
                rule = Until(at_most_s=budget_s)
                return replace(found, repetitions=FEWEST_BLOCKS, until=rule), cases
    remedy = f"give at least {shortest_s:.0f}s"
    problem = "too short for today's setting and one candidate"
    seen = fmt.duration(budget_s)
    raise UsageError(Fault(field="--budget", seen=seen, problem=problem, remedy=remedy))


def pace_s(demand: Demand, *, trial_s: float) -> float:
    """Return the length of a trial at the recorded pace, seconds."""
    return max(PACE_STRETCH * trial_s, min(PACE_JOBS / demand.per_s, LONGEST_PACE_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All of an experiment but the length of its trials."""

    demand: Demand
    cases: Sequence[Case]
    settings: Sequence[Setting]
    slo: Mapping[str, float]
    seed: int
    blocks: int

    def experiment(self, trial_s: float) -> Experiment:
        demand = self.demand
        workloads = [one for case in self.cases for one in (case.at_pace, case.at_limit)]
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
                contender(demand.today, demand=demand, name=TODAY),
                *(contender(one, demand=demand, name=one.name) for one in self.settings),
            ),
            workloads=tuple(workloads),
            replays={
                one.name: case.replay
                for case in self.cases
                for one in (case.at_pace, case.at_limit)
            },
            slo=dict(self.slo),
        )

    def expected_s(self, trial_s: float) -> float:
        """Return the expected duration, with the jobs of the cases for as long as trials last."""
        span_s = pace_s(self.demand, trial_s=trial_s)
        cases = [
            replace(case, at_pace=_lasting(case.at_pace, span_s=span_s)) for case in self.cases
        ]
        experiment = replace(self, cases=cases).experiment(trial_s)
        return expected_s(experiment, cores=max(1, int(self.demand.cores)))

    def longest_trial_s(self, budget_s: float) -> float:
        low, high = SHORTEST_TRIAL_S, LONGEST_TRIAL_S
        while high / low > _NARROW:
            middle = (low * high) ** 0.5
            if self.expected_s(middle) <= budget_s:
                low = middle
            else:
                high = middle
        return round(low, 2)


def _lasting(workload: Workload, *, span_s: float) -> Workload:
    """Return a workload as if its jobs arrived for so long at the same rate."""
    arrivals = dict(workload.arrivals or {})
    count = max(2, round(float(str(arrivals["rate_per_s"])) * span_s))
    return replace(workload, arrivals={**arrivals, "count": count})


def contender(setting: Setting, *, demand: Demand, name: str) -> Contender:
    """Return a setting as a contender, with what the app asks of every worker."""
    settings: dict[str, SettingValue] = {}
    if setting.prefetch_multiplier is not None:
        settings["prefetch_multiplier"] = setting.prefetch_multiplier
    if demand.is_acked_late:
        settings["acks_late"] = True
    return Contender(
        name=name,
        pool=setting.pool,
        slots=setting.total_slots,
        workers=setting.workers,
        settings=settings,
    )
