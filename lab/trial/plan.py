"""Plans a trial before its first job is sent: its messages, its mix, the cost of its jobs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from collector.run_manifest import Contender, JobCost, Part, PlannedPart, PlannedTrial, Workload
from collector.worker_figures import WORKER_MEASURES
from lab.app.python import AppDescription
from lab.experiment.app import queue_of
from lab.experiment.arrivals import Load, draw_seed
from lab.experiment.worker_settings import Tuning
from lab.instruments.job_cost import Gauge
from lab.replay.replay import Replay
from lab.trial.app_messages import TaskMessages, path_of
from lab.trial.context import Bench, LabWorker
from poolbench.job_options import JobOptions
from poolbench.jobs import ideal_wait_s, kind_of
from producer.mixes import Mix, MixCanvas, MixPart, MixStandIns, draw_in_sequence


def plan_trial(
    bench: Bench,
    worker: LabWorker,
    workload: Workload,
    *,
    count: int,
    load: Load | None = None,
    is_pilot: bool = False,
    repeats: int | None = None,
) -> PlannedTrial:
    """Return the plan of the next trial: of a load, or of a backlog of ``count`` jobs."""
    contender, tuning = worker.contender, Tuning.model_validate(worker.contender.settings)
    parts = tuple(
        PlannedPart(
            name=part.name,
            kind=part.kind,
            parameters=bench.message_parameters(sort),
            share=part.share,
            options=options_of(part, contender=contender, described=bench.experiment.described),
            canvas=part.canvas,
            call=part.call,
            ideal_wait_s=ideal_wait_s(kind_of(part.kind), sort.parameters),
        )
        for part, sort in zip(workload.mix, workload.sorts, strict=False)
    )
    measure = load.measure if load else "capacity"
    # a pilot of any workload is a backlog
    if workload.measure in WORKER_MEASURES and not is_pilot:
        measure = workload.measure
    parameters = bench.message_parameters(workload) if workload.kind and not parts else {}
    return PlannedTrial(
        trial=len(bench.trials),
        contender=contender.name,
        pool=contender.pool,
        slots=contender.slots,
        kind=workload.kind,
        parameters=parameters,
        arrivals=load.schedule.how if load else "burst",
        rate_per_s=load.schedule.mean_per_s if load else 0.0,
        shape=load.schedule.shape if load else {},
        count=len(load.offsets_s) if load else count,
        payload_bytes=tuning.payload_bytes,
        stores_result=tuning.result_backend,
        block=worker.block,
        workload=workload.name,
        is_pilot=is_pilot,
        ideal_wait_s=(
            _mean({part.name: part.ideal_wait_s for part in parts}, parts=parts)
            if parts
            else ideal_wait_s(kind_of(workload.kind), parameters)
            if workload.kind
            else None
        ),
        parts=parts,
        measure=measure,
        step=load.step if load else None,
        load_share=load.share if load else None,
        workers_up=len(bench.experiment.contenders),
        repeats=repeats,
    )


def draw_mix(
    plan: PlannedTrial,
    *,
    contender: Contender,
    seed: int,
    is_in_sequence: bool = False,
    described: AppDescription | None = None,
    messages: Sequence[TaskMessages] = (),
    replay: Replay | None = None,
) -> Mix | None:
    """Return the part of each job in a trial of a mix; None for a workload of one kind.

    Jobs that fail or are retried are drawn like parts, since they are as different in their work.

    Args:
        plan: of the trial; all contenders have the same draw in a block and a workload.
        contender: of the trial.
        seed: of the experiment.
        is_in_sequence: whether the parts are sent one after another.
        described: the user's app; None without one.
        messages: the messages of the app's tasks.
        replay: the recorded jobs, which are not drawn; None for other workloads.
    """
    if replay and not plan.is_pilot:
        mix = replay.mix(plan.count)
        return replace(
            mix,
            parts=tuple(
                _addressed(
                    one, plan=plan, contender=contender, described=described, messages=messages
                )
                for one in replay.kinds
            ),
            priority_steps=_priority_steps(contender, described=described),
            has_plain_queues=described is not None,
        )
    if not plan.parts:
        return None
    groups = [
        _drawn_alike(list(parts), messages=messages)
        for _, parts in itertools.groupby(plan.parts, lambda one: one.canvas or one.name)
    ]
    if not is_in_sequence:
        groups = [list(itertools.chain.from_iterable(groups))]
    shares = [[share for share, _ in group] for group in groups]
    jobs = plan.count
    if plan.arrivals == "burst":
        # the count is of executions
        jobs = max(1, round(jobs * sum(map(sum, shares)) / sum(part.share for part in plan.parts)))
    return Mix(
        parts=tuple(part for group in groups for _, part in group),
        order=draw_in_sequence(
            shares, count=jobs, seed=draw_seed(seed, block=plan.block, workload=plan.workload)
        ),
        priority_steps=_priority_steps(contender, described=described),
        has_plain_queues=described is not None,
    )


def _addressed(
    jobs: MixStandIns | MixPart,
    *,
    plan: PlannedTrial,
    contender: Contender,
    described: AppDescription | None,
    messages: Sequence[TaskMessages],
) -> MixStandIns | MixPart:
    """Return recorded jobs with the queue that they go to; for a task of the app, its messages."""
    if isinstance(jobs, MixPart):
        (part,) = (one for one in plan.parts if one.name == jobs.name)
        return replace(jobs, messages=path_of(part, among=messages))
    options = routed(jobs.options, contender=contender)
    if described is not None and not options.queue:
        options = replace(options, queue=described.default_queue)
    return replace(jobs, options=options)


def _priority_steps(
    contender: Contender, *, described: AppDescription | None
) -> dict[str, Sequence[int]]:
    """Return the steps of priority in each queue whose consumer has a setting for them.

    A contender's setting changes that of the app which it runs.
    """
    of_app = described.priority_steps if described else ()
    return {
        queue: steps
        for group in contender.crew
        for queue in group.queues or ("",)
        if (steps := group.celery.get("broker_transport_options", {}).get("priority_steps", of_app))
    }


def _drawn_alike(
    parts: Sequence[PlannedPart], *, messages: Sequence[TaskMessages]
) -> list[tuple[float, MixPart | MixCanvas]]:
    """Return the jobs of a part by their end, or the job of several parts, with their shares."""

    def mixed(part: PlannedPart, options: JobOptions) -> MixPart:
        return MixPart(
            name=part.name,
            kind=part.kind,
            parameters=part.parameters,
            options=options,
            messages=path_of(part, among=messages),
        )

    first = parts[0]
    if first.canvas:
        steps = tuple(mixed(part, part.options) for part in parts)
        return [(first.share, MixCanvas(shape=first.canvas.shape, steps=steps))]
    return [(first.share * share, mixed(first, options)) for share, options in first.options.fates]


def options_of(part: Part, *, contender: Contender, described: AppDescription | None) -> JobOptions:
    """Return the options of a part's jobs, with the queue that the contender's workers consume.

    Of a user's task it is the one that the app's routes give, where groups consume different ones.
    """
    if part.call is None or described is None:
        return routed(part.options, contender=contender)
    if not contender.groups:
        return part.options
    return replace(part.options, queue=queue_of(part, described=described))


def routed(options: JobOptions, *, contender: Contender) -> JobOptions:
    """Return options with the queue that the contender's workers consume.

    Workers of a user's app have no default queue: the first one is used instead.
    """
    consumed = contender.queues_consumed
    if options.queue in consumed:
        return options
    return replace(options, queue="" if "" in consumed else min(consumed))


def measure_job_cost(gauge: Gauge | None, *, plan: PlannedTrial, is_after: bool = False) -> JobCost:
    """Return what a trial's jobs cost without Celery; for a mix, also by part; none for a pilot.

    Without a gauge, nothing is measured.

    Before a trial, the measurement after the one before it is used again, if that had the same jobs
    and ended just now: two of them would follow each other.
    """
    if plan.is_pilot or gauge is None:
        return JobCost()
    jobs = [(part.kind, part.parameters) for part in plan.parts or (plan,)]
    if not is_after and (recent := gauge.recent(jobs)):
        return recent
    if plan.parts:
        found = {
            part.name: gauge.measure(part.kind, parameters=part.parameters) for part in plan.parts
        }
        cost = JobCost(cpu_s=_mean(found, parts=plan.parts), parts=found)
    else:
        cost = JobCost(cpu_s=gauge.measure(plan.kind, parameters=plan.parameters))
    if is_after:
        gauge.keep(cost, jobs=jobs)
    return cost


def _mean(values: Mapping[str, float | None], *, parts: Sequence[PlannedPart]) -> float | None:
    """Return the mean weighted by share; None if no part has a value. Others count as 0."""
    whole = sum(part.share for part in parts)
    known = [(value, part.share / whole) for part in parts if (value := values[part.name])]
    return sum(value * share for value, share in known) if known else None
