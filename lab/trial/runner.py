"""Runs one trial: sends its jobs, waits for the last one, and measures the worker from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from collector.reasons import Code, Parameter, Reason
from collector.run_manifest import PlannedTrial, TrialResult, WorkerGroup, Workload
from lab.experiment.arrivals import MAX_JOBS, Load
from lab.experiment.worker_settings import instances
from lab.fixtures.pinger import Pinger
from lab.instruments.remote_control import RateLimit, limit_rates, nodes_of
from lab.instruments.stream_follower import TrialView
from lab.trial.context import Bench, LabWorker
from lab.trial.plan import draw_mix, measure_job_cost, plan_trial
from lab.trial.rate_sender import Sending
from lab.trial.redis_usage import read_connections, used
from lab.trial.watch import Watch
from poolbench.jobs import JOB_KINDS, STAND_IN, rough_job_s
from report.trials.slo import by_job, judge_rate, slo_of

#: Jobs that a capacity trial needs for each job in flight, for its steady state.
JOBS_IN_FLIGHT = 5

#: How long all jobs of a user's app must seem to have ended, seconds, where several workers run
#: them: the lines of one worker may arrive before those of another which were written earlier,
#: but not later than a recorder's pause of a tenth of a second.
SETTLE_S = 0.4

#: Most jobs in flight of a trial, as a multiple of its pilot's. The highest measured multiple is 3,
#: with a hundred coroutines that had just opened their connections.
MORE_THAN_PILOT = 4


def conduct(
    bench: Bench,
    worker: LabWorker,
    workload: Workload,
    *,
    count: int = 0,
    load: Load | None = None,
    is_pilot: bool = False,
    repeats: int | None = None,
) -> tuple[TrialResult, TrialView]:
    """Run one trial to its end; return its result and the start and end times of its jobs.

    A trial ends when every job has ended, when the worker exits, or when no line has arrived for
    `Experiment.stall_s`. In the last two cases it is invalid, and its result has the reason. It is
    also invalid if it has a Flower that received no event, or if a worker did not confirm a rate
    limit. After it, the workers have the limits of their settings again: they also run other jobs.

    Args:
        bench: instruments and results of the run.
        worker: the worker to measure.
        workload: the kind and parameters of the jobs.
        count: the number of jobs, all sent at once; ignored with a load.
        load: the due times of the jobs; None for a backlog.
        is_pilot: whether the trial is excluded from all figures.
        repeats: index of the trial that it replaces.
    """
    plan = plan_trial(
        bench, worker, workload, count=count, load=load, is_pilot=is_pilot, repeats=repeats
    )
    replay = bench.experiment.replays.get(workload.name)
    mix = draw_mix(
        plan,
        contender=worker.contender,
        seed=bench.experiment.seed,
        is_in_sequence=workload.is_in_sequence,
        described=bench.experiment.described,
        messages=bench.messages,
        replay=replay,
    )
    if mix:
        plan = replace(plan, count=mix.first_seqs[-1])
    # tasks of an app can't run without Celery
    gauge = bench.gauges.get(worker.contender.interpreter)
    cost_before = measure_job_cost(gauge, plan=plan)
    limits = {one.kind: one.options.rate_limit for one in plan.parts if one.options.rate_limit}
    unlimited = _limit_rates(bench, worker, limits)
    connections = None if is_pilot else read_connections(bench, worker)
    watch = Watch(bench, worker, plan=plan, has_options=workload.has_options)
    watch.begin()
    before = bench.monitor.read()
    use_before = worker.read_limits()
    # a recorded job may take longer than a trial may be silent
    longest_s = replay.longest_s if replay else _stand_in_s(plan)
    stall_s = bench.experiment.stall_s + longest_s
    pinger = _begin_pings(bench, worker, workload) if plan.measure == "ping" else None
    if load is None:
        bench.send(plan, mix=mix)
        why_over = follow(
            bench,
            worker,
            plan=plan,
            look=watch.look,
            sent_in_all=lambda _: plan.count,
            stall_s=stall_s,
        )
    else:
        with Sending(bench, plan=plan, load=load, mix=mix) as sending:
            why_over = follow(
                bench,
                worker,
                plan=plan,
                look=watch.look,
                sent_in_all=sending.sent_in_all,
                stall_s=stall_s,
            )
    pings = pinger.end() if pinger else None
    end_ns = time.time_ns()
    disturbance = bench.monitor.since(before)
    limit_use = worker.limits_since(use_before)
    watch.end()
    redis_use = used(connections, after=read_connections(bench, worker)) if connections else None
    if not why_over and not unlimited:
        # else the workers are replaced
        unlimited = _restore_rates(bench, worker, kinds=limits)
    cost_after = measure_job_cost(gauge, plan=plan, is_after=True)
    watch.rest(end_ns=end_ns)
    events = bench.count_events() if bench.count_events else None
    silent = Reason.of(Code.FLOWER_SILENT) if events == 0 else None
    no_ping = Reason.of(Code.NO_PING) if pings and not pings.answers_s else None
    view = bench.follower.forget(plan.trial)
    result = bench.record(
        plan.trial,
        end_ns=end_ns,
        cost_before=cost_before,
        cost_after=cost_after,
        disturbance=disturbance,
        redis=redis_use,
        limits=limit_use,
        flower_events=events,
        is_sustained=None if why_over else _is_sustained(bench, workload, plan=plan, view=view),
        ping=pings,
        reasons=tuple(
            one
            for one in (why_over, worker.kill_reason(limit_use), silent, unlimited, no_ping)
            if one
        ),
    )
    return result, view


def _stand_in_s(plan: PlannedTrial) -> float:
    """Return how long the longest stand-in of a plan takes, seconds; 0 without any."""
    kind = JOB_KINDS[STAND_IN]
    jobs = [one for one in plan.parts or (plan,) if one.kind == STAND_IN]
    return max((rough_job_s(kind, one.parameters) for one in jobs), default=0.0)


def measured_rate_per_s(view: TrialView) -> float:
    """Return the jobs a second from the first start to the last finish; 0 if there is no span.

    Waiting jobs finish in waves, so that a span from the first finish would be too short.
    """
    if not view.finished_ns or not view.started_ns:
        return 0.0
    span_ns = max(view.finished_ns.values()) - min(view.started_ns.values())
    return view.jobs_done * 1e9 / span_ns if span_ns > 0 else 0.0


def busy_slots(peak: int, *, jobs: int, slots: int) -> int:
    """Return how many slots may be busy at once in a trial, from the peak of a pilot of ``jobs``.

    The result is ``slots`` if the peak is near the highest possible one; else `MORE_THAN_PILOT`
    times the peak. gevent runs CPU-bound jobs one at a time, so a backlog for its hundred slots
    would take ten times too long.
    """
    may_be = MORE_THAN_PILOT * max(1, peak)
    return slots if may_be >= min(jobs, slots) else may_be


def backlog_size(rate_per_s: float, *, slots: int, trial_s: float) -> int:
    """Return how many jobs make a trial of about ``trial_s``, at least `JOBS_IN_FLIGHT` a slot.

    The result is a multiple of ``slots``: jobs of equal duration end in waves, and an incomplete
    last wave would lower the throughput.
    """
    waves = max(JOBS_IN_FLIGHT, round(rate_per_s * trial_s / slots))
    return min(MAX_JOBS // slots, waves) * slots


def follow(
    bench: Bench,
    worker: LabWorker,
    *,
    plan: PlannedTrial,
    look: Callable[[], None],
    sent_in_all: Callable[[TrialView], int | None],
    stall_s: float = 0.0,
) -> Reason | None:
    """Read the stream until the trial has ended; return why it is invalid, None if all jobs ended.

    ``look`` is called several times a second. ``sent_in_all`` returns the number of jobs sent, or
    None while more are to be sent. ``stall_s`` replaces `Experiment.stall_s` if it is larger.
    """
    # no line comes while all jobs wait for a countdown
    pauses_s = (part.options.longest_pause_s for part in plan.parts)
    stall_s = max(stall_s, bench.experiment.stall_s) + max(pauses_s, default=0.0)
    view = bench.follower.view(plan.trial)
    view.last_line_at_s = time.monotonic()
    settle_s = SETTLE_S if bench.experiment.app and len(worker.processes) > 1 else 0.0
    ended_at_s: float | None = None
    while True:
        sent = sent_in_all(view)
        if sent is None or len(view.ended) < sent:
            ended_at_s = None
        else:
            ended_at_s = ended_at_s or time.monotonic()
            if time.monotonic() - ended_at_s >= settle_s:
                break
        bench.follower.read(wait_s=0.1)
        now_s = time.monotonic()
        missing = {"sent": sent or plan.count, "missing": (sent or plan.count) - len(view.ended)}
        quiet_s = now_s - view.last_line_at_s
        if not worker.is_alive and quiet_s > 1.0:
            return worker.exit_reason(**missing)
        if quiet_s > stall_s:
            return stall_reason(view, stall_s=stall_s, **missing)
        look()
    # other workers of the contender may have done all jobs
    return None if worker.is_alive else worker.exit_reason(sent=sent, missing=0)


def stall_reason(view: TrialView, *, stall_s: float, sent: int, missing: int) -> Reason:
    """Return the reason of a trial without lines, with what an app's jobs wait for, if known."""
    messages = view.open_jobs.describe_open() if view.open_jobs else []
    known: dict[str, Parameter] = {"stall_s": stall_s, "sent": sent, "missing": missing}
    if not messages:
        return Reason.of(Code.STALLED, **known)
    return Reason.of(Code.MESSAGES_OPEN, messages=messages, **known)


def _limit_rates(
    bench: Bench,
    worker: LabWorker,
    limits: Mapping[str, RateLimit],
    *,
    group: WorkerGroup | None = None,
) -> Reason | None:
    """Set the rate limits by kind of all workers, or of a group's.

    Returns why the trial is invalid, if a worker doesn't confirm one.
    """
    if not limits:
        return None
    contender = worker.contender
    nodes = nodes_of(contender, scope=bench.scope(worker.block))
    unconfirmed = limit_rates(
        bench.broker_url(contender.name, block=worker.block),
        nodes=[
            node
            for node, (own, _) in zip(nodes, instances(contender), strict=True)
            if group in (None, own)
        ],
        limits=limits,
    )
    if not unconfirmed:
        return None
    return Reason.of(Code.RATE_LIMIT_UNCONFIRMED, kinds=unconfirmed)


def _restore_rates(bench: Bench, worker: LabWorker, *, kinds: Collection[str]) -> Reason | None:
    """Set the rate limits of kinds as the workers' settings have them, as `_limit_rates` does."""
    if not kinds:
        return None
    reasons = [
        _limit_rates(bench, worker, {kind: group.rate_limit(kind) for kind in kinds}, group=group)
        for group in worker.contender.crew
    ]
    return next(filter(None, reasons), None)


def _begin_pings(bench: Bench, worker: LabWorker, workload: Workload) -> Pinger:
    assert bench.pinger is not None, "a run with pings has a pinger"
    asked = workload.measure_parameters
    nodes = nodes_of(worker.contender, scope=bench.scope(worker.block))
    bench.pinger.begin(
        nodes,
        every_s=asked["ping_every_s"],
        timeout_s=asked["ping_timeout_s"],
        url=bench.broker_url(worker.contender.name, block=worker.block),
    )
    return bench.pinger


def _is_sustained(
    bench: Bench, workload: Workload, *, plan: PlannedTrial, view: TrialView
) -> bool | None:
    """Return whether the rate of a search's step was sustained; None elsewhere."""
    if plan.step is None:
        return None
    found, slo = by_job(view.records()), slo_of(workload, slo=bench.experiment.slo)
    return judge_rate(found, jobs=plan.count, slots=plan.slots, slo=slo).is_sustained
