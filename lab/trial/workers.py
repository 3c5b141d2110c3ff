"""The workers of a block: started at the same time, checked for readiness, and ended together."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from collector.run_manifest import Contender, Workload
from lab.experiment.interpreter import python_command, python_environment
from lab.experiment.worker_settings import Tuning
from lab.instruments.process_sampler import Sampler
from lab.instruments.stream_follower import TrialView
from lab.system import children
from lab.trial.context import Bench, LabWorker
from lab.trial.plan import plan_trial
from poolbench.errors import StackError
from poolbench.jobs import find_kind

#: Length of the sleeps that prove a worker's slots, milliseconds.
READY_SLEEP_MS = 500.0

#: Most warm-up jobs of a CPU-bound kind: all workers run theirs at the same time.
MAX_WARM_UP_CPU_JOBS = 8

#: How long a worker may take until it is ready, seconds.
READY_TIMEOUT_S = 60.0


def start_worker(bench: Bench, contender: Contender, *, block: int) -> LabWorker:
    """Start a contender's worker in a new process, with its own Python or else the lab's."""
    interpreter = bench.experiment.interpreters.get(contender.interpreter)
    command = python_command(interpreter, "worker", "--pool", contender.pool)
    command += ["--contender", contender.name, "--slots", str(contender.slots)]
    command += options(Tuning.model_validate(contender.settings))
    proxy = bench.proxies.get(contender.name)
    child = children.start(
        command,
        name=contender.name,
        log=bench.logs / f"{block:03d}-{contender.name}.log",
        environment={
            **bench.environment,
            **python_environment(interpreter),
            **({"POOLBENCH_WORKER_REDIS_URL": proxy.url} if proxy else {}),
        },
    )
    return LabWorker(
        contender=contender,
        block=block,
        child=child,
        sampler=Sampler(child.pid, contender=contender.name),
        started_at_s=time.monotonic(),
    )


def options(tuning: Tuning) -> list[str]:
    """Return a contender's settings as options of ``python -m worker``."""
    switches = {
        "events": tuning.events,
        "results": tuning.result_backend,
        **({} if tuning.acks_late is None else {"acks-late": tuning.acks_late}),
    }
    words = [f"--{name}" if is_on else f"--no-{name}" for name, is_on in switches.items()]
    if tuning.prefetch_multiplier is not None:
        words += ["--prefetch-multiplier", str(tuning.prefetch_multiplier)]
    return words


def await_ready(bench: Bench, workers: Collection[LabWorker]) -> None:
    """Wait until each worker has run as many sleeps at once as it has slots.

    No-op jobs would not prove that all slots work, since a few threads could run all of them. The
    sleeps are jobs of the run, in trials of their own. The workers of the previous block are still
    ending and read the same queues, so a worker gets no jobs before its predecessor has ended.

    Raises:
        StackError: if a worker ends or is not ready in time, with its log's last line.
    """
    sleep = Workload(name="ready", kind="io.sleep", parameters={"delay_ms": READY_SLEEP_MS})
    queued, waiting = list(workers), dict[int, LabWorker]()
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    leave_by_s = time.monotonic() + children.STOP_TIMEOUT_S
    while queued or waiting:
        if time.monotonic() > leave_by_s:
            children.await_end((one.child for one in bench.leaving), within_s=0.0)
        taken = {one.contender.name for one in bench.leaving if one.is_alive}
        for worker in [one for one in queued if one.contender.name not in taken]:
            queued.remove(worker)
            trial = _send_pilot(bench, worker, workload=sleep, count=worker.contender.slots)
            waiting[trial] = worker
        for worker, view in _end_pilots(bench, waiting, deadline_s=deadline_s):
            if view.peak_overlap() >= worker.contender.slots:
                worker.ready_s = time.monotonic() - worker.started_at_s
            else:
                queued.append(worker)


def warm_up(bench: Bench, workers: Collection[LabWorker]) -> None:
    """Run a first job of each workload in every slot, before anything is measured.

    In its first job a new slot imports modules, connects and fills its caches, which would be most
    of the CPU time of a short trial of forty jobs. Waiting jobs take long enough to reach every
    slot. All workers warm up at the same time.

    Raises:
        StackError: if a worker ends or is not done in time.
    """
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    for workload in (sort for each in bench.experiment.workloads for sort in each.sorts):
        sent = {_send_warm_up(bench, worker, workload=workload): worker for worker in workers}
        while sent:
            _end_pilots(bench, sent, deadline_s=deadline_s)


def first_jobs(
    kind: str, parameters: Mapping[str, int | float], *, slots: int
) -> tuple[dict[str, int | float], int]:
    """Return the parameters and the number of the warm-up jobs that reach every slot."""
    if find_kind(kind).is_cpu_bound:
        return dict(parameters), min(slots, MAX_WARM_UP_CPU_JOBS)
    if "delay_ms" not in parameters:
        # the duration of these jobs can't be set, so one slot may run two of them
        return dict(parameters), 2 * slots
    # the same wait for all jobs: with a tail, the worker would wait for the last one
    changed = {"delay_ms": READY_SLEEP_MS}
    if "units" in parameters:
        changed["units"] = min(parameters["units"], 1)
    kept = {name: value for name, value in parameters.items() if name != "tail_sigma"}
    return kept | changed, slots


def _send_warm_up(bench: Bench, worker: LabWorker, *, workload: Workload) -> int:
    parameters, count = first_jobs(
        workload.kind, bench.message_parameters(workload), slots=worker.contender.slots
    )
    warm = Workload(name="warm", kind=workload.kind, parameters=parameters)
    return _send_pilot(bench, worker, workload=warm, count=count)


def _send_pilot(bench: Bench, worker: LabWorker, *, workload: Workload, count: int) -> int:
    """Send jobs that are in the ledger and excluded from all figures; return their trial."""
    plan = plan_trial(bench, worker, workload, count=count, is_pilot=True)
    bench.send(plan)
    return plan.trial


def _end_pilots(
    bench: Bench, pilots: dict[int, LabWorker], *, deadline_s: float
) -> list[tuple[LabWorker, TrialView]]:
    """Read the stream once; remove the pilots whose jobs have all ended, and return their views.

    Raises:
        StackError: if a worker of ``pilots`` has ended, or the deadline has passed.
    """
    bench.follower.read(wait_s=0.1)
    ended = []
    for trial, worker in list(pilots.items()):
        _check_alive(worker, is_late=time.monotonic() > deadline_s)
        if len(bench.follower.view(trial).ended) >= bench.trials[trial].plan.count:
            bench.record(trial, end_ns=time.time_ns())
            ended.append((pilots.pop(trial), bench.follower.forget(trial)))
    return ended


def _check_alive(worker: LabWorker, *, is_late: bool) -> None:
    name, child = worker.contender.name, worker.child
    if child.exit_code is not None:
        what = f"ended with exit code {child.exit_code} before it was ready"
    elif is_late:
        what = f"was not ready within {READY_TIMEOUT_S:.0f} s"
    else:
        return
    raise StackError(f"worker {name} {what}: {child.last_line()} (log: {child.log})")
