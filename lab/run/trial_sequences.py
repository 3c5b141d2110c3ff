"""The units of a block, and the trials of each: a single one, or a search for a rate."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from dataclasses import dataclass

from collector.run_manifest import Contender, Workload
from lab.experiment.arrivals import CURVE_SHARES, Load, draw_seed, paced_load, replayed_load
from lab.experiment.model import Experiment
from lab.run.rate_search import begin_search
from lab.run.state import Run
from lab.trial.context import LabWorker
from lab.trial.runner import conduct
from lab.trial.worker_trials import measure_idle, measure_start
from producer.arrivals import read_schedule
from report.trials.slo import by_job, late_reason

#: Highest rate of a search, as a share of what the producer can send.
PRODUCER_SHARE = 0.5

#: Most steps of a search that are repeated because the producer was late: the machine was busy with
#: something else for a moment, and the contender may have sustained the rate.
MAX_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A contender and a workload whose trials run without another unit's in between."""

    contender: Contender
    workload: Workload
    #: For a point of a load curve: its rate as a share of the sustained rate.
    share: float | None = None

    @property
    def original(self) -> str:
        """Return the contender whose pilot applies: an A/A control has no pilot of its own."""
        return self.contender.twin_of or self.contender.name

    @property
    def is_search(self) -> bool:
        """Return whether it has many trials: the steps of a search for a rate."""
        return self.share is None and self.workload.measure in ("sustain", "curve")

    @property
    def title(self) -> str:
        """Return the text for the progress display."""
        at = "" if self.share is None else f" at {self.share * 100:g} %"
        return f"{self.contender.name} · {self.workload.name}{at}"


def block_units(experiment: Experiment, *, block: int) -> list[Unit]:
    """Return the units of a block, in a random order from the seed, one workload after another.

    Contenders are compared within a workload, so its trials come close together: the less the
    machine changes between them, the smaller a difference can be detected.
    In the first block, searches for the sustained rates of load curves come first. An A/A control
    is measured at the rates of its original, since the two must not differ.
    """
    order = random.Random(f"{experiment.seed}:{block}")
    searches = [
        Unit(contender=contender, workload=workload)
        for contender, workload in itertools.product(experiment.contenders, experiment.workloads)
        if workload.measure == "curve" and block == 0 and not contender.twin_of
    ]
    order.shuffle(searches)
    units = []
    for workload in order.sample(experiment.workloads, k=len(experiment.workloads)):
        shares = CURVE_SHARES if workload.measure == "curve" else (None,)
        group = [
            Unit(contender=contender, workload=workload, share=share)
            for contender, share in itertools.product(experiment.contenders, shares)
        ]
        order.shuffle(group)
        units += group
    return searches + units


def trial_count(experiment: Experiment) -> int:
    """Return the number of trials in a block, a search counted as one, without pilots."""
    return len(block_units(experiment, block=1))


def measure_unit(unit: Unit, *, run: Run, worker: LabWorker, repeats: int | None = None) -> bool:
    """Run a unit's trials; return whether all are valid.

    There are none if no rate was sustained. The first invalid trial ends the unit, since its worker
    may be faulty. ``repeats`` is the trial that a unit's only one replaces.
    """
    workload, load = unit.workload, None
    if workload.measure == "start":
        measure_start(run, worker, workload, repeats=repeats)
        # the block's worker did not take part
        return True
    if workload.measure == "idle":
        return measure_idle(run, worker, workload, repeats=repeats).is_valid
    if unit.share is not None:
        rate_per_s = _middle(run.sustained_per_s.get((unit.original, workload.name), []))
        if not rate_per_s:
            return True
        load = _paced(unit, run=run, block=worker.block, rate_per_s=rate_per_s * unit.share)
    elif unit.is_search:
        return _search(unit, run=run, worker=worker)
    elif replay := run.experiment.replays.get(workload.name):
        load = replayed_load(replay) if workload.arrivals is not None else None
    elif workload.arrivals is not None:
        schedule = read_schedule(workload.arrivals)
        seed = _seed(unit, run=run, block=worker.block)
        load = Load(schedule=schedule, offsets_s=schedule.draw(seed))
    count = 0 if load else run.counts[unit.original, workload.name]
    result, _ = conduct(run, worker, workload, count=count, load=load, repeats=repeats)
    return result.is_valid


def _search(unit: Unit, *, run: Run, worker: LabWorker) -> bool:
    """Search for the highest rate that is sustained; return whether all of its trials are valid."""
    contender, workload, block = unit.contender.name, unit.workload, worker.block
    rates_per_s = run.sustained_per_s.setdefault((contender, workload.name), [])
    search = begin_search(
        pilot_per_s=run.rates_per_s[unit.original, workload.name],
        earlier_per_s=_middle(rates_per_s),
        most_per_s=PRODUCER_SHARE * (run.ceilings.producer_per_s or math.inf),
        trial_s=run.experiment.trial_s,
        seed=f"{run.experiment.seed}:{block}:{workload.name}:{contender}",
    )
    repeats = 0
    while not search.is_over:
        rate_per_s, step = search.next_per_s(), search.steps + repeats
        load = _paced(unit, run=run, block=block, rate_per_s=rate_per_s, step=step)
        result, view = conduct(run, worker, workload, load=load)
        if not result.is_valid:
            return False
        is_sustained = bool(result.is_sustained)
        if not is_sustained and repeats < MAX_REPEATS and late_reason(by_job(view.records())):
            repeats += 1
            continue
        search.record(rate_per_s, is_sustained=is_sustained, spent_s=load.offsets_s[-1])
    rates_per_s.append(search.sustained_per_s)
    return True


def _paced(unit: Unit, *, run: Run, block: int, rate_per_s: float, step: int | None = None) -> Load:
    if replay := run.experiment.replays.get(unit.workload.name):
        return replayed_load(
            replay,
            rate_per_s=rate_per_s,
            trial_s=run.experiment.trial_s,
            measure=unit.workload.measure,
            step=step,
            share=unit.share,
        )
    return paced_load(
        str((unit.workload.arrivals or {})["how"]),
        rate_per_s=rate_per_s,
        trial_s=run.experiment.trial_s,
        seed=_seed(unit, run=run, block=block),
        measure=unit.workload.measure,
        step=step,
        share=unit.share,
    )


def _seed(unit: Unit, *, run: Run, block: int) -> int:
    return draw_seed(run.experiment.seed, block=block, workload=unit.workload.name)


def _middle(found: list[float | None]) -> float | None:
    known = [one for one in found if one]
    return statistics.median(known) if known else None
