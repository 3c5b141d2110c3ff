"""What a trial is to be, before its first job goes out: its plan, its mix, what its jobs cost."""

from __future__ import annotations

from typing import Literal

from lab.experiment.arrivals import Load, draw_order
from lab.experiment.model import Workload
from lab.instruments.job_cost import Gauge
from lab.trial.context import Bench, PartFacts, TrialFacts
from lab.trial.workers import LabWorker
from poolbench.jobs import find_kind, ideal_wait_s
from poolbench.records import TrialPlan
from producer.template import Mix, MixPart


def new_facts(
    bench: Bench,
    *,
    worker: LabWorker,
    workload: Workload,
    count: int,
    load: Load | None,
    workers_up: int,
    is_pilot: bool,
) -> TrialFacts:
    """Return the facts of a trial that has not begun."""
    contender = worker.contender
    parts = [
        PartFacts(
            name=part.name,
            kind=sort.kind,
            parameters=bench.message_parameters(sort),
            share=part.share,
            ideal_wait_s=ideal_wait_s(find_kind(sort.kind), sort.parameters),
        )
        for part, sort in zip(workload.mix, workload.sorts, strict=False)
    ]
    plan = TrialPlan(
        trial=bench.next_trial(),
        contender=contender.name,
        pool=contender.pool,
        slots=contender.slots,
        kind=workload.kind,
        parameters={} if parts else bench.message_parameters(workload),
        arrivals=load.schedule.how if load else "burst",
        rate_per_s=load.schedule.mean_per_s if load else 0.0,
        shape=load.schedule.shape if load else {},
        count=len(load.offsets_s) if load else count,
        payload_bytes=contender.tuning.payload_bytes,
        stores_result=contender.tuning.result_backend,
    )
    return TrialFacts(
        plan=plan,
        block=worker.block,
        workload=workload.name,
        is_pilot=is_pilot,
        ideal_wait_s=(
            _mean([part.ideal_wait_s for part in parts], shares=workload.shares)
            if parts
            else ideal_wait_s(find_kind(workload.kind), plan.parameters)
        ),
        parts=parts,
        measure=load.measure if load else "capacity",
        step=load.step if load else None,
        load_share=load.share if load else None,
        workers_up=workers_up,
    )


def draw_mix(facts: TrialFacts, *, seed: int) -> Mix | None:
    """Return which part each job of a trial is; None for a workload of one kind."""
    if not facts.parts:
        return None
    shares = {part.name: part.share for part in facts.parts}
    return Mix(
        parts=tuple(
            MixPart(name=part.name, kind=part.kind, parameters=part.parameters)
            for part in facts.parts
        ),
        order=draw_order(shares, count=facts.plan.count, seed=seed),
    )


def gauge_jobs(gauge: Gauge, *, facts: TrialFacts, moment: Literal["before", "after"]) -> None:
    """Measure what a trial's jobs cost without Celery; of a mix, each part and their mean."""
    field = f"cpu_s_per_job_{moment}"
    if not facts.parts:
        setattr(facts, field, gauge.measure(facts.plan.kind, parameters=facts.plan.parameters))
        return
    for part in facts.parts:
        setattr(part, field, gauge.measure(part.kind, parameters=part.parameters))
    whole = sum(part.share for part in facts.parts)
    shares = tuple(part.share / whole for part in facts.parts)
    setattr(facts, field, _mean([getattr(part, field) for part in facts.parts], shares=shares))


def _mean(values: list[float | None], *, shares: tuple[float, ...]) -> float | None:
    """Return the mean by share; parts without a value add nothing, and nobody's value is None."""
    pairs = [(value, share) for value, share in zip(values, shares, strict=True) if value]
    return sum(value * share for value, share in pairs) if pairs else None
