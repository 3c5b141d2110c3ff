"""What is measured of a contender in a workload, trial after trial: one, or a search for a rate.

A course yields what to measure next and is told how it went. It never conducts a trial itself.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Generator
from dataclasses import dataclass

from lab.experiment.arrivals import CURVE_SHARES, Load, draw_seed, paced_load, rate_load
from lab.experiment.model import Contender, Experiment, Workload
from lab.run.rate_search import begin_search
from lab.run.state import Run
from lab.trial.context import TrialFacts
from lab.trial.runner import TrialOrder
from lab.trial.workers import LabWorker
from producer.arrivals import read_schedule
from report.trials.slo import by_job, judge_rate, late_reason

#: No rate above this share of what the producer can send at once is looked for.
PRODUCER_SHARE = 0.5

#: So many steps of a search are repeated, at most, since the producer was late in them: the machine
#: was busy with something else for a moment, and the contender may have held the rate.
MAX_REPEATS = 3

#: Yields what to measure, and is sent the facts of it.
Course = Generator[TrialOrder, TrialFacts, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a block measures in one go."""

    contender: Contender
    workload: Workload
    #: Of a point of a curve: its rate as a share of the sustained one.
    share: float | None = None

    @property
    def original(self) -> str:
        """Return the contender whose pilot counts: a twin has none of its own."""
        return self.contender.twin_of or self.contender.name

    @property
    def title(self) -> str:
        """Return what is shown while it runs."""
        at = "" if self.share is None else f" at {self.share * 100:g} %"
        return f"{self.contender.name} · {self.workload.name}{at}"


def block_units(experiment: Experiment, *, block: int) -> list[Unit]:
    """Return what a block measures, in a random order that comes from the seed.

    Where a curve's rate is not known yet, in the first block, it is looked for before the rest. A
    twin is measured at its original's rates: nothing about the two may differ.
    """
    order = random.Random(f"{experiment.seed}:{block}")
    pairs = [
        (contender, workload)
        for contender in experiment.contenders
        for workload in experiment.workloads
    ]
    searches = [
        Unit(contender=contender, workload=workload)
        for contender, workload in pairs
        if workload.measure == "curve" and block == 0 and not contender.twin_of
    ]
    units = [
        Unit(contender=contender, workload=workload, share=share)
        for contender, workload in pairs
        for share in (CURVE_SHARES if workload.measure == "curve" else (None,))
    ]
    for group in (searches, units):
        order.shuffle(group)
    return searches + units


def course_of(unit: Unit, *, run: Run, worker: LabWorker, workers_up: int) -> Course:
    """Return the course of a unit; one without trials where there is no rate to measure at."""
    workload, block = unit.workload, worker.block
    seed = draw_seed(run.experiment.seed, block=block, workload=workload.name)

    def order(load: Load | None) -> TrialOrder:
        return TrialOrder(
            worker=worker,
            workload=workload,
            count=run.counts[unit.original, workload.name],
            load=load,
            draw_seed=seed,
            stall_s=run.experiment.stall_s,
            workers_up=workers_up,
        )

    if unit.share is not None:
        rate_per_s = _sustained_per_s(unit, run=run)
        if rate_per_s:
            yield order(_paced(unit, run=run, rate_per_s=rate_per_s * unit.share, seed=seed))
    elif workload.measure in ("sustain", "curve"):
        yield from _search(unit, run=run, block=block, seed=seed, order=order)
    elif workload.arrivals is not None:
        yield order(rate_load(read_schedule(workload.arrivals), seed=seed))
    else:
        yield order(None)


def _search(
    unit: Unit, *, run: Run, block: int, seed: int, order: Callable[[Load], TrialOrder]
) -> Course:
    """Look for the highest rate that is held; a trial that is invalid ends the search."""
    rates_per_s = run.sustained_per_s.setdefault((unit.contender.name, unit.workload.name), [])
    search = begin_search(
        pilot_per_s=run.rates_per_s[unit.original, unit.workload.name],
        earlier_per_s=_middle(rates_per_s),
        most_per_s=PRODUCER_SHARE * run.ceilings["producer_per_s"],
        trial_s=run.experiment.trial_s,
        seed=f"{run.experiment.seed}:{block}:{unit.workload.name}:{unit.contender.name}",
    )
    repeats = 0
    while not search.is_over:
        rate_per_s = search.next_per_s()
        load = _paced(unit, run=run, rate_per_s=rate_per_s, seed=seed, step=search.steps + repeats)
        facts = yield order(load)
        if facts.reasons:
            return
        found = by_job(run.bench.tail.view(facts.plan.trial).records())
        facts.held = judge_rate(
            found, jobs=facts.plan.count, slots=facts.plan.slots, slo=run.experiment.slo
        ).is_sustained
        if not facts.held and repeats < MAX_REPEATS and late_reason(found):
            repeats += 1
            continue
        search.tell(rate_per_s, is_held=facts.held, spent_s=load.offsets_s[-1])
    rates_per_s.append(search.held_per_s)


def _paced(unit: Unit, *, run: Run, rate_per_s: float, seed: int, step: int | None = None) -> Load:
    return paced_load(
        (unit.workload.arrivals or {})["how"],
        rate_per_s=rate_per_s,
        trial_s=run.experiment.trial_s,
        seed=seed,
        measure=unit.workload.measure,
        step=step,
        share=unit.share,
    )


def _sustained_per_s(unit: Unit, *, run: Run) -> float | None:
    return _middle(run.sustained_per_s.get((unit.original, unit.workload.name), []))


def _middle(found: list[float | None]) -> float | None:
    known = [one for one in found if one]
    return statistics.median(known) if known else None
