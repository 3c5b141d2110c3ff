"""The trials of a contender in a workload: a single one, or a search for the sustained rate.

A sequence yields the next trial and receives its facts. It never conducts a trial itself.
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
from report.trials.slo import by_job, judge_holding, late_reason

#: Highest rate of a search, as a share of what the producer can send.
PRODUCER_SHARE = 0.5

#: Most steps of a search that are repeated because the producer was late: the machine was busy with
#: something else for a moment, and the contender may have sustained the rate.
MAX_REPEATS = 3

#: Yields the order of a trial, and receives the trial's facts.
TrialSequence = Generator[TrialOrder, TrialFacts, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A contender and a workload, measured without another in between."""

    contender: Contender
    workload: Workload
    #: For a point of a load curve: its rate as a share of the sustained rate.
    share: float | None = None

    @property
    def original(self) -> str:
        """Return the contender whose pilot applies: a twin has no pilot of its own."""
        return self.contender.twin_of or self.contender.name

    @property
    def title(self) -> str:
        """Return the text for the progress display."""
        at = "" if self.share is None else f" at {self.share * 100:g} %"
        return f"{self.contender.name} · {self.workload.name}{at}"


def block_units(experiment: Experiment, *, block: int) -> list[Unit]:
    """Return the units of a block, in a random order from the seed.

    In the first block, searches for the sustained rates of load curves come first. A twin is
    measured at the rates of its original: nothing about the two may differ.
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


def trial_sequence(unit: Unit, *, run: Run, worker: LabWorker, workers_up: int) -> TrialSequence:
    """Return the trials of a unit; none where no sustained rate is known."""
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
) -> TrialSequence:
    """Search for the sustained rate; an invalid trial ends the search."""
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
        facts.held = judge_holding(
            found, jobs=facts.plan.count, slots=facts.plan.slots, slo=run.experiment.slo
        ).is_held
        if not facts.held and repeats < MAX_REPEATS and late_reason(found):
            repeats += 1
            continue
        search.record(rate_per_s, is_held=facts.held, spent_s=load.offsets_s[-1])
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
