"""The workers of a block: started at the same time, checked for readiness, and ended together."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection, Mapping

from collector.run_manifest import Contender, WorkerGroup, Workload
from lab.app.python import WORKER_APP, worker_environment
from lab.experiment.interpreter import python_command, python_environment
from lab.experiment.worker_settings import (
    Tuning,
    celery_settings,
    instances,
    launch_options,
    limits_overlap,
)
from lab.instruments.process_sampler import Sampler
from lab.instruments.stream_follower import TrialView
from lab.system import children
from lab.system.cgroup import ControlGroup, Limits, open_group
from lab.system.children import Child
from lab.trial.context import Bench, LabWorker
from lab.trial.plan import draw_mix, plan_trial
from lab.trial.queues import spread
from poolbench.errors import StackError
from poolbench.format import listed
from poolbench.jobs import STAND_IN, WorkClass, kind_of
from poolbench.keys import worker_name
from poolbench.pipe import RECORDER_GROUPS
from poolbench.pools import POOLS
from poolbench.start import EXECUTED_NS

#: Job kind of the sleeps that prove a worker's slots, and their length at first, milliseconds.
SLEEP = "io.sleep"
READY_SLEEP_MS = 300.0

#: Sleeps for each slot where several workers share them: one of them may take more than its part.
SLEEPS_OF_SEVERAL = 4

#: Longest sleeps of a contender whose settings limit the overlap, milliseconds, and how long all
#: sleeps of such a contender may take to get another, seconds.
LIMITED_SLEEP_MS = 1_200.0
LIMITED_SLEEPS_S = 2.0

#: Workload of the first jobs.
WARM_UP = "warm"

#: How long a first job waits, milliseconds: until all slots have begun theirs.
FIRST_WAIT_MS = 500.0

#: Most first jobs of a CPU-bound kind: all workers run theirs at the same time.
MAX_WARM_UP_CPU_JOBS = 8

#: How long a worker may take until it is ready and warm, seconds.
READY_TIMEOUT_S = 90.0


def start_worker(
    bench: Bench,
    contender: Contender,
    *,
    block: int,
    label: str = "",
    environment: Mapping[str, str] | None = None,
) -> LabWorker:
    """Start a contender's workers in new processes, each with its own Python or else the lab's.

    ``label`` gives them queues and logs of their own, beside the block's workers; ``environment``
    has more variables.
    """
    started_at_s = time.monotonic()
    limits = Limits.of(contender)
    cgroup = open_group(limits) if limits.controllers else None
    of_groups: dict[str, list[Child]] = {}
    with contextlib.ExitStack() as stack:
        if cgroup:
            stack.callback(cgroup.remove)
        for group, instance in instances(contender):
            child = _start_process(
                bench,
                contender,
                group=group,
                instance=instance,
                block=block,
                label=label,
                environment=environment or {},
                cgroup=cgroup,
            )
            # if another one can't be started
            stack.callback(child.end)
            of_groups.setdefault(group.name, []).append(child)
        stack.pop_all()
    processes = [child for group in of_groups.values() for child in group]
    samplers = {
        name: Sampler(*(child.pid for child in group), contender=f"{contender.name}/{name}")
        for name, group in of_groups.items()
    }
    return LabWorker(
        contender=contender,
        block=block,
        processes=tuple(processes),
        cgroup=cgroup,
        sampler=Sampler(*(child.pid for child in processes), contender=contender.name),
        group_samplers=tuple(samplers.values()) if contender.groups else (),
        started_at_s=started_at_s,
    )


def _start_process(
    bench: Bench,
    contender: Contender,
    *,
    group: WorkerGroup,
    instance: str,
    block: int,
    label: str,
    environment: Mapping[str, str],
    cgroup: ControlGroup | None,
) -> Child:
    """Start one worker of a contender."""
    proxy = bench.proxies.get(contender.name)
    name = "-".join(filter(None, [contender.name, *instance.split(":"), label]))
    log = bench.logs / f"{block:03d}-{name}.log"
    # recorders belong to the observer: the workers' limits are not theirs
    outside = {RECORDER_GROUPS: os.pathsep.join(map(str, cgroup.outside))} if cgroup else {}
    if bench.experiment.app:
        command, inherited = _app_worker(
            bench, contender, group=group, instance=instance, block=block, label=label
        )
        return children.start(
            cgroup.enter(command) if cgroup else command,
            name=name,
            log=log,
            environment={
                **outside,
                EXECUTED_NS: str(time.time_ns()),
                **environment,
            },
            inherited=inherited,
            directory=bench.experiment.app.directory,
        )
    interpreter = bench.experiment.interpreters.get(group.interpreter)
    command = python_command(interpreter, "worker", "--pool", group.pool)
    command += ["--contender", contender.name]
    command += ["--instance", instance] if instance else []
    command += launch_options(group)
    return children.start(
        cgroup.enter(command) if cgroup else command,
        name=name,
        log=log,
        environment={
            **bench.environment,
            "POOLBENCH_SCOPE": bench.scope(block, label=label),
            "POOLBENCH_CELERY": json.dumps(celery_settings(group)),
            **python_environment(interpreter),
            **outside,
            **({"POOLBENCH_WORKER_REDIS_URL": proxy.url} if proxy else {}),
            **environment,
        },
    )


def _app_worker(
    bench: Bench, contender: Contender, *, group: WorkerGroup, instance: str, block: int, label: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a worker that runs a user's app."""
    app, described = bench.experiment.app, bench.experiment.described
    assert app is not None, "an app's worker has an app"
    assert described is not None, "the app is described before a worker starts"
    assert bench.databases is not None, "a run with an app has databases"
    pool, tuning = POOLS[group.pool], Tuning.model_validate(group.settings)
    node = worker_name(contender.name, scope=bench.scope(block, label=label), instance=instance)
    number = bench.databases.number(contender.name, block=block, is_beside=bool(label))
    proxy = bench.proxies.get(contender.name)
    url = bench.databases.url(number, through=proxy.url if proxy else "")
    switches = {
        "--without-mingle": not tuning.mingle,
        "--without-gossip": not tuning.gossip,
        "--without-heartbeat": not (tuning.heartbeat or tuning.events),
        "-E": tuning.events,
    }
    command = [
        *(app.python, "-m", "celery", "-A", WORKER_APP, "worker"),
        *("-P", pool.celery_value),
        *(() if group.is_unset else ("-c", str(group.slots))),
        *("-Q", ",".join(group.queues)),
        *("-n", f"{node}@%h"),
        *("-I", "poolbench.probe"),
        *("-l", "warning"),
        *(option for option, is_given in switches.items() if is_given),
        *group.arguments,
    ]
    environment = worker_environment(
        os.environ,
        app,
        broker_url=url,
        has_backend=described.has_backend,
        settings=celery_settings(group, is_app=True),
    )
    return command, {
        **environment,
        **dict(pool.environment),
        "POOLBENCH_REDIS_URL": bench.environment["POOLBENCH_REDIS_URL"],
        "POOLBENCH_CONTENDER": contender.name,
        "POOLBENCH_STATE_DIR": str(bench.folder.path.absolute()),
    }


def get_ready(bench: Bench, workers: Collection[LabWorker]) -> None:
    """Prove the slots of new workers, and run a first job of each workload in every slot.

    A contender has proved its slots when it has run as many sleeps at once: no-op jobs would not
    prove them, since a few threads could run all of them. If fewer overlap, it gets sleeps twice as
    long. Settings may keep the slots from being busy all at once: such a contender is taken as
    ready after at most three attempts, and `LabWorker.busy_slots` has the most that were seen.
    In its first job a slot imports modules, connects and fills its caches, which would be most of
    the CPU time of a short trial of forty jobs. Waiting jobs take long enough to reach every slot.

    A worker that the kernel kills at its memory limit is left as it is: its trials will be invalid,
    with that reason.

    Raises:
        StackError: if a worker ends or isn't ready in time, with its log's last line.
    """
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    sleeps_ms: dict[int, float] = {}

    def send_sleeps(worker: LabWorker, *, delay_ms: float) -> int:
        trial = _send_sleeps(bench, worker, delay_ms=delay_ms)
        sleeps_ms[trial] = delay_ms
        return trial

    pilots = {send_sleeps(one, delay_ms=READY_SLEEP_MS): one for one in workers}
    while pilots:
        _end_killed(bench, pilots)
        for trial, view in _end_pilots(bench, pilots, deadline_s=deadline_s):
            worker = pilots.pop(trial)
            if trial not in sleeps_ms:
                continue
            seen = worker.busy_slots = max(view.peak_overlap(), worker.busy_slots or 0)
            delay_ms = 2 * sleeps_ms[trial]
            if seen < worker.contender.slots and _may_show_more(worker, view, delay_ms=delay_ms):
                pilots[send_sleeps(worker, delay_ms=delay_ms)] = worker
                continue
            worker.ready_s = time.monotonic() - worker.started_at_s
            sorts = [sort for one in bench.experiment.workloads for sort in one.sorts]
            # all stand-ins run the same code
            alike = [sort for sort in sorts if sort.kind == STAND_IN][1:]
            for sort in sorts:
                # the slots have already run sleeps
                if sort.kind != SLEEP and not any(sort is other for other in alike):
                    pilots[_send_first_jobs(bench, worker, workload=sort)] = worker


def _may_show_more(worker: LabWorker, view: TrialView, *, delay_ms: float) -> bool:
    """Return whether longer sleeps may show more slots of a contender."""
    if not any(limits_overlap(group) for group in worker.contender.crew):
        return True
    span_ns = max(view.finished_ns.values(), default=0) - min(view.started_ns.values(), default=0)
    return delay_ms <= LIMITED_SLEEP_MS and span_ns < LIMITED_SLEEPS_S * 1e9


def first_jobs(
    kind: str, parameters: Mapping[str, int | float], *, slots: int
) -> tuple[dict[str, int | float], int]:
    """Return the parameters and the number of the warm-up jobs that reach every slot."""
    if kind_of(kind).is_cpu_bound:
        return dict(parameters), min(slots, MAX_WARM_UP_CPU_JOBS)
    if kind_of(kind).work_class is WorkClass.UNKNOWN:
        # the effects of an app's tasks are real, and their duration is unknown
        return dict(parameters), slots
    if kind == STAND_IN:
        return {"wait_ms": FIRST_WAIT_MS}, slots
    if "delay_ms" not in parameters:
        # the duration of these jobs can't be set, so one slot may run two of them
        return dict(parameters), 2 * slots
    # the same wait for all jobs: with a tail, the worker would wait for the last one
    changed = {"delay_ms": FIRST_WAIT_MS}
    if "units" in parameters:
        changed["units"] = min(parameters["units"], 1)
    kept = {name: value for name, value in parameters.items() if name != "tail_sigma"}
    return kept | changed, slots


def _send_sleeps(bench: Bench, worker: LabWorker, *, delay_ms: float) -> int:
    sleep = Workload(name="ready", kind=SLEEP, parameters={"delay_ms": delay_ms})
    sleeps_per_slot = SLEEPS_OF_SEVERAL if len(worker.processes) > 1 else 1
    return _send_pilot(
        bench, worker, workload=sleep, count=sleeps_per_slot * worker.contender.slots
    )


def _send_first_jobs(bench: Bench, worker: LabWorker, *, workload: Workload) -> int:
    parameters, count = first_jobs(
        workload.kind,
        bench.message_parameters(workload),
        # if fewer slots can be busy at once, the jobs of the others would only wait
        slots=min(worker.contender.slots, worker.busy_slots or worker.contender.slots),
    )
    warm = Workload(name=WARM_UP, kind=workload.kind, parameters=parameters, mix=workload.mix)
    return _send_pilot(bench, worker, workload=warm, count=count)


def _send_pilot(bench: Bench, worker: LabWorker, *, workload: Workload, count: int) -> int:
    """Send jobs that are in the ledger and excluded from all figures; return their trial."""
    workload = spread(workload, contender=worker.contender)
    plan = plan_trial(bench, worker, workload, count=count, is_pilot=True)
    mix = draw_mix(
        plan,
        contender=worker.contender,
        seed=bench.experiment.seed,
        is_in_sequence=workload.is_in_sequence,
        described=bench.experiment.described,
        messages=bench.messages,
    )
    bench.send(plan, mix=mix)
    return plan.trial


def _end_pilots(
    bench: Bench, pilots: Mapping[int, LabWorker], *, deadline_s: float
) -> list[tuple[int, TrialView]]:
    """Read the stream once; return the pilots whose jobs have all ended, with their views.

    Raises:
        StackError: if a worker of ``pilots`` has ended, or the deadline has passed.
    """
    bench.follower.read(wait_s=0.1)
    ended = []
    for trial, worker in pilots.items():
        if worker.is_oom_killed:
            continue
        _check_alive(worker, is_late=time.monotonic() > deadline_s)
        _check_first_jobs(bench, worker, trial=trial)
        if len(bench.follower.view(trial).ended) >= bench.trials[trial].plan.count:
            bench.record(trial, end_ns=time.time_ns())
            ended.append((trial, bench.follower.forget(trial)))
    return ended


def _end_killed(bench: Bench, pilots: dict[int, LabWorker]) -> None:
    """End the pilots of workers that the kernel killed at their memory limit, with the reason."""
    for trial in [trial for trial, worker in pilots.items() if worker.is_oom_killed]:
        sent = bench.trials[trial].plan.count
        missing = sent - len(bench.follower.forget(trial).ended)
        reason = pilots.pop(trial).exit_reason(sent=sent, missing=missing)
        bench.record(trial, end_ns=time.time_ns(), reasons=(reason,))


def _check_first_jobs(bench: Bench, worker: LabWorker, *, trial: int) -> None:
    """Check that the first jobs of a user's app do not wait for messages that never end.

    Raises:
        StackError: if no line has come for `Experiment.stall_s`, with the messages.
    """
    view, stall_s = bench.follower.view(trial), bench.experiment.stall_s
    messages = view.open_jobs.describe_open() if view.open_jobs else []
    if messages and time.monotonic() - view.last_line_at_s > stall_s:
        raise StackError(
            f"{worker.contender.name}: first jobs don't end, and no record arrived for "
            f"{stall_s:g} s; no end of {listed(messages)}. If no worker consumes their queue, add "
            f"it to queues; else raise stall_s (log: {worker.child.log})"
        )


def _check_alive(worker: LabWorker, *, is_late: bool) -> None:
    name, child = worker.contender.name, worker.child
    if child.exit_code is not None:
        what = f"ended with exit code {child.exit_code} before it was ready"
    elif is_late:
        what = f"was not ready within {READY_TIMEOUT_S:.0f} s"
    else:
        return
    if worker.cgroup and worker.cgroup.read().oom_kills:
        what += f" (the kernel killed processes at its memory limit of {worker.memory_mb:,.0f} MB)"
    raise StackError(f"worker {name} {what}: {child.last_line()} (log: {child.log})")
