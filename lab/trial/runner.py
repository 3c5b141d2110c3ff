"""One trial: its jobs sent, followed to the last one, measured from outside."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.experiment.arrivals import MAX_JOBS, Load
from lab.experiment.model import Workload
from lab.instruments.stream_follower import TrialView
from lab.trial.context import Bench, TrialFacts
from lab.trial.plan import draw_mix, gauge_jobs, new_facts
from lab.trial.rate_sender import Sending
from lab.trial.redis_usage import begin_use, end_use
from lab.trial.workers import LabWorker

#: Between two looks at the worker's processes, seconds.
SAMPLE_EVERY_S = 0.5

#: A capacity trial needs so many jobs for each in flight, for its steady part.
JOBS_IN_FLIGHT = 5

#: So many times as many as in a pilot may be in flight in a trial: three times were seen, of a
#: hundred coroutines that had just opened their connections.
MORE_THAN_PILOT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What to measure next."""

    worker: LabWorker
    workload: Workload
    count: int
    #: How its jobs come; None: all at once.
    load: Load | None = None
    #: Of what is drawn for it beside the load: which part of a mix each job is.
    draw_seed: int = 0
    is_pilot: bool = False
    #: Without a line for so long, the trial is over and invalid, seconds.
    stall_s: float = 10.0
    workers_up: int = 1


def conduct(bench: Bench, order: TrialOrder) -> TrialFacts:
    """Run one trial to its end and return how it went.

    It ends when every job has ended, when the worker dies, or when no line has come for the stall
    limit; in the last two cases its facts carry the reason, and it is invalid. Jobs that come at a
    rate are sent meanwhile, whatever the worker does.
    """
    facts = new_facts(
        bench,
        worker=order.worker,
        workload=order.workload,
        count=order.count,
        load=order.load,
        workers_up=order.workers_up,
        is_pilot=order.is_pilot,
    )
    gauge = bench.gauges[order.worker.contender.interpreter]
    mix = draw_mix(facts, seed=order.draw_seed)
    if not order.is_pilot:
        gauge_jobs(gauge, facts=facts, moment="before")
    use = begin_use(bench, order.worker)
    _sample(bench, order, facts=facts, is_whole=False)
    before = bench.watch.look()
    if order.load is None:
        bench.send(facts, mix=mix)
        _follow(bench, order, facts=facts)
    else:
        with Sending(bench, facts=facts, load=order.load, mix=mix) as sending:
            _follow(bench, order, facts=facts, sending=sending)
    facts.end_ns = time.time_ns()
    facts.take(bench.watch.since(before))
    _sample(bench, order, facts=facts, is_whole=not order.is_pilot)
    end_use(bench, order.worker, before=use, facts=facts)
    if not order.is_pilot:
        gauge_jobs(gauge, facts=facts, moment="after")
    return facts


def measured_rate_per_s(view: TrialView) -> float:
    """Return the jobs a second that a view has seen, start to end, for sizing; 0 if it can't tell.

    Jobs that wait finish in waves, so the span begins at the first start and not at a finish.
    """
    if not view.finished_ns or not view.started_ns:
        return 0.0
    span_ns = max(view.finished_ns.values()) - min(view.started_ns.values())
    return len(view.finished_ns) * 1e9 / span_ns if span_ns > 0 else 0.0


def busy_slots(peak: int, *, jobs: int, slots: int) -> int:
    """Return how many slots may be busy at once in a trial, from the peak of a pilot of ``jobs``.

    Where the pilot came near to what it could show, all of them; else `MORE_THAN_PILOT` times what
    it showed. While jobs compute, gevent runs one at a time whatever its slots, and a backlog for a
    hundred would last ten times as long as it need.
    """
    may_be = MORE_THAN_PILOT * max(1, peak)
    return slots if may_be >= min(jobs, slots) else may_be


def backlog_size(rate_per_s: float, *, slots: int, trial_s: float) -> int:
    """Return how many jobs make a trial of about ``trial_s``, at least `JOBS_IN_FLIGHT` a slot.

    A whole number of jobs a slot: equal waits end in waves, and a last wave that is half empty
    would count as slowness.
    """
    waves = max(JOBS_IN_FLIGHT, round(rate_per_s * trial_s / slots))
    return min(MAX_JOBS // slots, waves) * slots


def _follow(
    bench: Bench, order: TrialOrder, *, facts: TrialFacts, sending: Sending | None = None
) -> None:
    """Read the stream until the trial is over; say in the facts why, if not by its last job."""
    view = bench.tail.view(facts.plan.trial)
    view.last_line_at_s = sampled_at_s = time.monotonic()
    while (sending and not sending.look(view)) or len(view.ended) < facts.sent:
        bench.tail.read(wait_s=0.1)
        now_s = time.monotonic()
        reason = _why_over(order, facts=facts, view=view, now_s=now_s)
        if reason:
            facts.reasons.append(reason)
            return
        if now_s - sampled_at_s >= SAMPLE_EVERY_S:
            sampled_at_s = now_s
            _sample(bench, order, facts=facts, is_whole=False)


def _why_over(order: TrialOrder, *, facts: TrialFacts, view: TrialView, now_s: float) -> str:
    """Return why a trial can't go on, or nothing."""
    quiet_s = now_s - view.last_line_at_s
    sent = facts.sent or facts.plan.count
    missing = f"{sent - len(view.ended)} of {sent} jobs not done"
    if not order.worker.is_alive and quiet_s > 1.0:
        child = order.worker.child
        return (
            f"the worker ended with exit code {child.exit_code} in the trial, "
            f"{missing} (log kept: {child.log.name})"
        )
    if quiet_s > order.stall_s:
        return f"no line for {order.stall_s:g} s, {missing}"
    return ""


def _sample(bench: Bench, order: TrialOrder, *, facts: TrialFacts, is_whole: bool) -> None:
    sample = order.worker.sampler.sample(trial=facts.plan.trial, is_whole=is_whole)
    if sample is not None:
        bench.samples.append(sample)
