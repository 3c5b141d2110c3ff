"""Trials of a worker itself: how a fresh one starts, and what a ready one costs without jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from collector.reasons import Code, Reason
from collector.run_manifest import Contender, Part, PlannedTrial, TrialResult, Workload
from collector.worker_figures import IdleFigures, StartFigures
from lab.experiment.model import MIX
from lab.instruments.overlap import first_in_flight
from lab.instruments.process_sampler import Sample
from lab.instruments.stream_follower import TrialView
from lab.system import children
from lab.system.signals import uninterrupted
from lab.trial.context import Bench, LabWorker
from lab.trial.plan import draw_mix, plan_trial
from lab.trial.queues import spread
from lab.trial.redis_usage import read_connections, used
from lab.trial.runner import follow
from lab.trial.watch import REST_S
from lab.trial.workers import READY_TIMEOUT_S, SLEEP, SLEEPS_OF_SEVERAL, start_worker
from poolbench.start import IMPORT_MB, IMPORT_MS

#: How long the jobs sleep that show when all slots are busy, milliseconds: longer than from the
#: first slot's start to the last one's.
SLOT_SLEEP_MS = 2_000.0

#: Time between two checks that an idle worker is alive, seconds.
_CHECK_S = 0.1


def measure_start(
    bench: Bench,
    ready: LabWorker,
    workload: Workload,
    *,
    repeats: int | None = None,
) -> TrialResult:
    """Start a contender's workers once more, measure them until all slots are busy, and end them.

    They have queues of their own, with a job that does nothing and sleeps for all slots. The trial
    is invalid if not all jobs end, or if the slots are never busy at once. Slots that its settings
    keep idle don't count.

    Args:
        bench: instruments and results of the run.
        ready: the block's workers of the contender, which stay idle.
        workload: with the ballast of the app.
        repeats: index of the trial that it replaces.
    """
    contender, block, label = ready.contender, ready.block, f"start-{len(bench.trials)}"
    slots = min(contender.slots, ready.busy_slots or contender.slots)
    before = bench.monitor.read()
    with uninterrupted():
        if bench.databases is not None:
            bench.broker(contender.name, block=block, is_beside=True).flushdb()
        worker = start_worker(
            bench, contender, block=block, label=label, environment=_ballast(workload)
        )
        bench.workers.append(worker)
    try:
        sleeps_per_slot = SLEEPS_OF_SEVERAL if len(worker.processes) > 1 else 1
        count = 1 + sleeps_per_slot * contender.slots
        jobs = first_and_sleeps(workload, contender=contender, count=count)
        plan = plan_trial(bench, worker, jobs, count=count, repeats=repeats)
        mix = draw_mix(
            plan,
            contender=contender,
            seed=0,
            is_in_sequence=True,
            described=bench.experiment.described,
            messages=bench.messages,
        )
        bench.send(plan, mix=mix, label=label)
        watch = _Watch(bench=bench, worker=worker, plan=plan, slots=slots)
        why_over = follow(
            bench,
            worker,
            plan=plan,
            look=watch.look,
            sent_in_all=lambda _: plan.count,
            stall_s=READY_TIMEOUT_S,
        )
        end_ns = time.time_ns()
        disturbance = bench.monitor.since(before)
        killed = worker.kill_reason(worker.read_limits())
    finally:
        children.request_end(worker.processes)
        children.await_end(worker.processes)
        limits = worker.cgroup.read() if worker.cgroup else None
        worker.close()
    view = bench.follower.forget(plan.trial)
    found = _start_figures(view, seen=watch)
    if found is None and why_over is None:
        peak = view.peak_overlap()
        why_over = Reason.of(
            Code.SLOTS_NOT_BUSY, peak=peak, slots=slots, sleep_s=SLOT_SLEEP_MS / 1_000
        )
    bench.samples += [watch.sample] if watch.sample else []
    return bench.record(
        plan.trial,
        start_ns=watch.executed_ns or bench.trials[plan.trial].result.start_ns,
        end_ns=end_ns,
        disturbance=disturbance,
        limits=limits,
        start=found,
        reasons=tuple(filter(None, (why_over, killed))),
    )


def measure_idle(
    bench: Bench, worker: LabWorker, workload: Workload, *, repeats: int | None = None
) -> TrialResult:
    """Measure a ready worker from when it reports that it has no job; return the result.

    The trial is invalid if the worker exits.
    """
    plan = plan_trial(bench, worker, workload, count=0, repeats=repeats)
    bench.begin_trial(plan)
    # commands of its last jobs, such as acknowledgements, are not those of an idle worker
    levels = bench.level_reader(worker)
    levels.read_at_rest(since_ns=time.time_ns(), within_s=REST_S)
    bench.record(plan.trial, start_ns=time.time_ns())
    before, use_before = bench.monitor.read(), worker.read_limits()
    first, connections = worker.sampler.sample(trial=plan.trial), read_connections(bench, worker)
    began_s = time.monotonic()
    until_s = began_s + workload.measure_parameters["idle_s"]
    while worker.is_alive and (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(_CHECK_S, left_s))
    lasted_s, now = time.monotonic() - began_s, read_connections(bench, worker)
    last = worker.sampler.sample(trial=plan.trial, is_whole=True)
    use, limit_use = used(connections, after=now), worker.limits_since(use_before)
    found: IdleFigures | None = None
    reasons = [worker.kill_reason(limit_use)]
    if first and last:
        bench.samples += (first, last)
        spent_ms, minutes = (last.cpu_s - first.cpu_s) * 1e3, (last.t_ns - first.t_ns) / 60e9
        found = IdleFigures(
            lasted_s=lasted_s,
            commands_per_s=use.commands / lasted_s if use else None,
            connections=use.connections if use else None,
            cpu_ms_per_minute=spent_ms / minutes,
            children=last.processes - len(worker.processes),
            pss_bytes=last.pss_bytes,
        )
    else:
        reasons = [worker.exit_reason(sent=0, missing=0)]
    return bench.record(
        plan.trial,
        end_ns=time.time_ns(),
        disturbance=bench.monitor.since(before),
        redis=use,
        limits=limit_use,
        idle=found,
        reasons=tuple(filter(None, reasons)),
    )


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Samples a starting worker as soon as all its slots are seen busy."""

    bench: Bench
    worker: LabWorker
    plan: PlannedTrial
    #: How many are to be busy at once.
    slots: int
    sample: Sample | None = None
    #: When it executed ``celery``, Unix ns.
    executed_ns: int | None = None

    def look(self) -> None:
        """Take the sample if it is time."""
        if self.sample is None and self.busy_ns(self.bench.follower.view(self.plan.trial)):
            sampler = self.worker.sampler
            self.sample = sampler.sample(trial=self.plan.trial, is_whole=True)
            self.executed_ns = sampler.executed_ns()

    def busy_ns(self, view: TrialView) -> int | None:
        """Return the first instant at which all slots were busy, Unix ns; None if none was."""
        starts_ns, ends_ns = view.started_ns.values(), view.finished_ns.values()
        return first_in_flight(starts_ns, ends_ns, jobs=self.slots)


def _start_figures(view: TrialView, *, seen: _Watch) -> StartFigures | None:
    """Return how workers started; None if their slots were never seen busy at once."""
    busy_ns = seen.busy_ns(view)
    if busy_ns is None or seen.executed_ns is None or not view.finished_ns:
        return None
    return StartFigures(
        first_job_s=(min(view.finished_ns.values()) - seen.executed_ns) / 1e9,
        all_slots_s=(busy_ns - seen.executed_ns) / 1e9,
        pss_bytes=seen.sample.pss_bytes if seen.sample else None,
        processes=seen.sample.processes if seen.sample else None,
    )


def first_and_sleeps(workload: Workload, *, contender: Contender, count: int) -> Workload:
    """Return the jobs of a start: one that does nothing, then sleeps for all groups' slots."""
    sleep = Workload(name="slots", kind=SLEEP, parameters={"delay_ms": SLOT_SLEEP_MS})
    alone = Part(name=sleep.name, kind=SLEEP, parameters=sleep.parameters, share=1.0)
    sleeps = spread(sleep, contender=contender).mix or (alone,)
    first = replace(sleeps[0], name="first-job", parameters={"delay_ms": 0.0}, share=1 / count)
    others = [replace(one, share=one.share * (count - 1) / count) for one in sleeps]
    return replace(workload, kind=MIX, mix=(first, *others))


def _ballast(workload: Workload) -> dict[str, str]:
    """Return the environment in which the worker's app is as slow and large as asked for."""
    asked = workload.measure_parameters
    return {IMPORT_MS: str(asked["import_ms"]), IMPORT_MB: str(asked["import_mb"])}
