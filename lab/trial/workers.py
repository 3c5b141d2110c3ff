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

#: Job kind of the sleeps that prove a worker's slots, and their length at first, milliseconds.
SLEEP = "io.sleep"
READY_SLEEP_MS = 300.0

#: Workload of the first jobs.
WARM_UP = "warm"

#: How long a first job waits, milliseconds: until all slots have begun theirs.
FIRST_WAIT_MS = 500.0

#: Most first jobs of a CPU-bound kind: all workers run theirs at the same time.
MAX_WARM_UP_CPU_JOBS = 8

#: How long a worker may take until it is ready and warm, seconds.
READY_TIMEOUT_S = 90.0


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
            "POOLBENCH_SCOPE": bench.scope(block),
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


def get_ready(bench: Bench, workers: Collection[LabWorker]) -> None:
    """Prove the slots of new workers, and run a first job of each workload in every slot.

    A worker has proved its slots when it has run as many sleeps at once: no-op jobs would not prove
    them, since a few threads could run all of them. If fewer overlap, it gets sleeps twice as long.
    In its first job a slot imports modules, connects and fills its caches, which would be most of
    the CPU time of a short trial of forty jobs. Waiting jobs take long enough to reach every slot.

    Raises:
        StackError: if a worker ends or isn't ready in time, with its log's last line.
    """
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    pilots = {_send_sleeps(bench, one, delay_ms=READY_SLEEP_MS): one for one in workers}
    while pilots:
        for trial, view in _end_pilots(bench, pilots, deadline_s=deadline_s):
            worker, plan = pilots.pop(trial), bench.trials[trial].plan
            if plan.workload == WARM_UP:
                continue
            if view.peak_overlap() < worker.contender.slots:
                delay_ms = 2 * plan.parameters["delay_ms"]
                pilots[_send_sleeps(bench, worker, delay_ms=delay_ms)] = worker
                continue
            worker.ready_s = time.monotonic() - worker.started_at_s
            for workload in bench.experiment.workloads:
                for sort in workload.sorts:
                    # the slots have already run sleeps
                    if sort.kind != SLEEP:
                        pilots[_send_first_jobs(bench, worker, workload=sort)] = worker


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
    changed = {"delay_ms": FIRST_WAIT_MS}
    if "units" in parameters:
        changed["units"] = min(parameters["units"], 1)
    kept = {name: value for name, value in parameters.items() if name != "tail_sigma"}
    return kept | changed, slots


def _send_sleeps(bench: Bench, worker: LabWorker, *, delay_ms: float) -> int:
    sleep = Workload(name="ready", kind=SLEEP, parameters={"delay_ms": delay_ms})
    return _send_pilot(bench, worker, workload=sleep, count=worker.contender.slots)


def _send_first_jobs(bench: Bench, worker: LabWorker, *, workload: Workload) -> int:
    parameters, count = first_jobs(
        workload.kind, bench.message_parameters(workload), slots=worker.contender.slots
    )
    warm = Workload(name=WARM_UP, kind=workload.kind, parameters=parameters)
    return _send_pilot(bench, worker, workload=warm, count=count)


def _send_pilot(bench: Bench, worker: LabWorker, *, workload: Workload, count: int) -> int:
    """Send jobs that are in the ledger and excluded from all figures; return their trial."""
    plan = plan_trial(bench, worker, workload, count=count, is_pilot=True)
    bench.send(plan)
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
        _check_alive(worker, is_late=time.monotonic() > deadline_s)
        if len(bench.follower.view(trial).ended) >= bench.trials[trial].plan.count:
            bench.record(trial, end_ns=time.time_ns())
            ended.append((trial, bench.follower.forget(trial)))
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
