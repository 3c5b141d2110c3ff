"""Conducts an experiment: blocks of trials in a seeded order, every one of them kept."""

from __future__ import annotations

import contextlib
import random
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis
from celery import Celery

from collector.fold import fold
from collector.ingest import Ingest
from collector.store import RunFolder
from lab import children, environment, server
from lab.bench import Bench
from lab.broker import Broker, open_broker
from lab.experiment import Contender, Experiment, Workload
from lab.gauge import Gauge
from lab.progress import RunProgress
from lab.tail import Tail
from lab.trial import TrialOrder, backlog_size, conduct, measured_rate_per_s
from lab.workers import LabWorker, await_ready, start_worker, stop_workers
from poolbench.errors import PoolbenchError, StackError
from poolbench.keys import queue_name, records_stream, run_key
from poolbench.records import FORMAT, TrialPlan
from poolbench.settings import Settings
from producer.publisher import open_run, publish

#: Jobs of the trial that measures a worker's ceiling with jobs that do nothing.
NOOP_JOBS = 400
#: Messages of the burst that measures the producer's ceiling.
PRODUCER_JOBS = 5_000
UPSTREAM_TIMEOUT_S = 15.0


@dataclass(slots=True, kw_only=True)
class Run:
    """An experiment while it is carried out."""

    experiment: Experiment
    name: str
    folder: RunFolder
    command: str
    broker: Broker
    bench: Bench
    progress: RunProgress
    created_ns: int = field(default_factory=time.time_ns)
    workers: list[LabWorker] = field(default_factory=list)
    #: Backlog by contender and workload, from the pilots.
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    ceilings: dict[str, Any] = field(default_factory=dict)
    celery: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Return the folder of the workers' logs."""
        return self.folder.path / "logs"


def new_run_name() -> str:
    """Return a run id that sorts by time and doesn't repeat."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def conduct_experiment(
    experiment: Experiment,
    *,
    settings: Settings,
    results_dir: Path,
    command: str,
    progress: RunProgress,
) -> tuple[RunFolder, PoolbenchError | KeyboardInterrupt | None]:
    """Carry out an experiment and write its folder.

    Returns:
        The folder, and what cut the run short: what was measured until then is in the folder, and
        its manifest says ``unfinished``. None for a whole run.

    Raises:
        StackError: if the broker or upstream could not be started: then there is no folder.
    """
    name = new_run_name()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(open_broker(settings))
        folder = RunFolder(results_dir / name)
        variables = stack.enter_context(_upstream(folder.path / "logs"))
        bench = Bench(
            run=name,
            client=broker.client,
            tail=Tail(broker.client, run=name),
            gauge=stack.enter_context(Gauge()),
            environment={
                **variables,
                "POOLBENCH_REDIS_URL": broker.url,
                "POOLBENCH_SCOPE": name,
            },
        )
        run = Run(
            experiment=experiment,
            name=name,
            folder=folder,
            command=command,
            broker=broker,
            bench=bench,
            progress=progress,
        )
        stack.callback(_leave_broker, run)
        return folder, _carry_out(run)


def trial_count(experiment: Experiment) -> int:
    """Return how many trials a whole run of an experiment has, pilots and no-ops left out."""
    return len(experiment.contenders) * len(experiment.workloads) * experiment.repetitions


def _carry_out(run: Run) -> PoolbenchError | KeyboardInterrupt | None:
    """Run the blocks; return what cut them short."""
    cut: PoolbenchError | KeyboardInterrupt | None = None
    try:
        _open(run)
        for block in range(run.experiment.repetitions):
            run.progress.block(block + 1, of=run.experiment.repetitions)
            _carry_out_block(run, block=block)
    except (PoolbenchError, KeyboardInterrupt) as error:
        cut = error
    except redis.RedisError as error:
        cut = StackError(f"the broker was lost in the run: {error}")
    with contextlib.suppress(redis.RedisError):
        _keep(run, state="unfinished" if cut else "finished")
        return cut
    run.folder.write_manifest(_manifest(run, state="unfinished"))
    return cut


def _open(run: Run) -> None:
    """Write down the conditions, and measure what the producer alone can do."""
    open_run(run.bench.client, run=run.name, source="lab", plans=[], is_listed=False)
    run.facts = {
        "versions": environment.describe_versions(),
        "machine": environment.describe_machine(),
        "cgroup": environment.describe_cgroup(),
        "git": environment.describe_commit(),
        "broker": environment.describe_broker(run.bench.client, origin=run.broker.origin),
    }
    run.ceilings["producer_per_s"] = _producer_ceiling_per_s(run)
    run.folder.write_manifest(_manifest(run, state="unfinished"))


def _carry_out_block(run: Run, *, block: int) -> None:
    """Measure every contender × workload once, with fresh workers, in a seeded random order."""
    experiment = run.experiment
    workers: dict[str, LabWorker] = {}
    try:
        for contender in experiment.contenders:
            workers[contender.name] = _start(run, contender, block=block)
        run.progress.now("workers getting ready")
        await_ready(run.bench, list(workers.values()))
        if block == 0:
            _ask_configuration(run)
            _pilot(run, workers)
        pairs = [
            (contender, workload)
            for contender in experiment.contenders
            for workload in experiment.workloads
        ]
        random.Random(f"{experiment.seed}:{block}").shuffle(pairs)
        for contender, workload in pairs:
            _measure(run, workers, contender=contender, workload=workload, block=block)
            run.progress.advance()
    finally:
        run.progress.now("workers ending")
        stop_workers(list(workers.values()))
    _keep(run, state="unfinished")


def _start(run: Run, contender: Contender, *, block: int) -> LabWorker:
    worker = start_worker(run.bench, contender, block=block, logs=run.logs)
    run.workers.append(worker)
    return worker


def _measure(
    run: Run,
    workers: dict[str, LabWorker],
    *,
    contender: Contender,
    workload: Workload,
    block: int,
) -> None:
    """Run one trial; replace the worker afterwards if it can't be trusted with the next."""
    run.progress.now(f"{contender.name} · {workload.name}")
    order = TrialOrder(
        worker=workers[contender.name],
        workload=workload,
        count=run.counts[contender.name, workload.name],
        stall_s=run.experiment.stall_s,
        workers_up=len(workers),
    )
    facts = conduct(run.bench, order)
    run.bench.tail.forget(facts.plan.trial)
    if facts.reasons:
        run.progress.now(f"{contender.name}: fresh worker")
        stop_workers([workers[contender.name]])
        run.bench.client.delete(queue_name(contender.name, scope=run.name))
        workers[contender.name] = _start(run, contender, block=block)
        await_ready(run.bench, [workers[contender.name]])


def _pilot(run: Run, workers: Mapping[str, LabWorker]) -> None:
    """Size every backlog, and measure each worker's ceiling with jobs that do nothing."""
    noop = Workload(name="no-op", kind="io.sleep", parameters={"delay_ms": 0.0})
    rates_per_s: dict[str, float] = {}
    for contender in run.experiment.contenders:
        worker = workers[contender.name]
        rates_per_s[contender.name] = round(_pilot_rate_per_s(run, worker, noop, NOOP_JOBS), 1)
        for workload in run.experiment.workloads:
            count = 2 * contender.slots
            if not workload.kind.startswith("io."):
                count = min(count, 8) + 8
            rate_per_s = _pilot_rate_per_s(run, worker, workload, count)
            run.counts[contender.name, workload.name] = backlog_size(
                rate_per_s, slots=contender.slots, trial_s=run.experiment.trial_s
            )
    run.ceilings["noop_per_s"] = rates_per_s


def _pilot_rate_per_s(run: Run, worker: LabWorker, workload: Workload, count: int) -> float:
    run.progress.now(f"pilot: {worker.contender.name} · {workload.name}")
    order = TrialOrder(
        worker=worker,
        workload=workload,
        count=count,
        is_pilot=True,
        stall_s=run.experiment.stall_s,
        workers_up=len(run.experiment.contenders),
    )
    facts = conduct(run.bench, order)
    if facts.reasons:
        reason = "; ".join(facts.reasons)
        raise StackError(f"{worker.contender.name} failed its pilot of {workload.name}: {reason}")
    view = run.bench.tail.view(facts.plan.trial)
    rate_per_s = measured_rate_per_s(view, slots=worker.contender.slots)
    run.bench.tail.forget(facts.plan.trial)
    return rate_per_s


def _producer_ceiling_per_s(run: Run) -> float:
    """Return the messages a second that the producer puts in at once, nobody reading."""
    queue = queue_name("nobody", scope=run.name)
    plan = TrialPlan(
        trial=0, contender="nobody", pool="", slots=0, kind="io.sleep", parameters={"delay_ms": 0}
    )
    began_s = time.perf_counter()
    publish(
        run.bench.client,
        run=f"{run.name}-ceiling",
        plan=plan,
        offsets_s=[0.0] * PRODUCER_JOBS,
        scope=run.name,
    )
    spent_s = time.perf_counter() - began_s
    run.bench.client.delete(queue, run_key(f"{run.name}-ceiling"))
    return round(PRODUCER_JOBS / spent_s, 1)


def _ask_configuration(run: Run) -> None:
    """Ask each worker for the Celery configuration in effect; Celery censors the secrets."""
    app = Celery(broker=run.broker.url, set_as_current=False)
    names = {contender.name for contender in run.experiment.contenders}
    with app.connection_for_write() as connection:
        answers = app.control.inspect(connection=connection, timeout=3.0, limit=len(names)).conf()
    for hostname, configuration in (answers or {}).items():
        name = hostname.partition("@")[0]
        if name in names:
            run.celery[name] = configuration


def _keep(run: Run, *, state: str) -> None:
    """Bring everything known so far into the run's folder."""
    with Ingest(run.bench.client, run=run.name, folder=run.folder.path) as ingest:
        ingest.drain()
    run.folder.write_samples(run.bench.samples_frame())
    run.folder.write_jobs(fold(run.folder.read_lines()))
    run.folder.write_manifest(_manifest(run, state=state))


def _manifest(run: Run, *, state: str) -> dict[str, Any]:
    experiment = run.experiment
    return {
        "format": FORMAT,
        "run": run.name,
        "source": "lab",
        "created_ns": run.created_ns,
        "finished_ns": time.time_ns(),
        "state": state,
        "command": run.command,
        "profile": experiment.profile,
        "experiment": {
            "file": experiment.file,
            "sha256": experiment.sha256,
            "title": experiment.title,
            "question": experiment.question,
            "text": experiment.text,
        },
        "seed": experiment.seed,
        "repetitions": experiment.repetitions,
        "trial_s": experiment.trial_s,
        "contenders": [asdict(contender) for contender in experiment.contenders],
        "workloads": [asdict(workload) for workload in experiment.workloads],
        **run.facts,
        "celery": run.celery,
        "ceilings": run.ceilings,
        "workers": [worker.describe(folder=run.folder.path) for worker in run.workers],
        "trials": [facts.as_manifest() for facts in run.bench.trials],
    }


def _leave_broker(run: Run) -> None:
    """Take what the run put into a broker that goes on living."""
    names = [contender.name for contender in run.experiment.contenders]
    queues = [queue_name(name, scope=run.name) for name in names]
    bindings = [f"_kombu.binding.{queue}" for queue in queues]
    with contextlib.suppress(redis.RedisError):
        run.bench.client.delete(run_key(run.name), records_stream(run.name), *queues, *bindings)


@contextlib.contextmanager
def _upstream(logs: Path) -> Iterator[dict[str, str]]:
    """Run upstream on a free port; give the variables by which jobs find it."""
    port = server.free_port()
    command = [sys.executable, "-m", "upstream", "--host", "127.0.0.1", "--port", str(port)]
    child = children.start(command, name="upstream", log=logs / "upstream.log")
    try:
        deadline_s = time.monotonic() + UPSTREAM_TIMEOUT_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=1.0).is_success:
                    break
            if child.exit_code is not None or time.monotonic() > deadline_s:
                raise StackError(f"upstream did not start: {child.last_line()}")
            time.sleep(0.05)
        yield {"POOLBENCH_UPSTREAM_HOST": "127.0.0.1", "POOLBENCH_UPSTREAM_PORT": str(port)}
    finally:
        child.end()
