"""Conducts an experiment: blocks of trials in a seeded order; it keeps every trial."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path

import redis

from collector.files import make_folder
from collector.fold import fold_parts
from collector.ingest import Ingest
from collector.reasons import Code, Reason
from collector.run_manifest import Ceilings, Contender, State
from collector.store import RunFolder
from lab.experiment.model import Experiment
from lab.fixtures.broker import Broker, open_broker, remove_results
from lab.fixtures.disk_reserve import DiskReserve
from lab.fixtures.proxies import open_proxies
from lab.fixtures.sender import Sender
from lab.fixtures.upstream import open_upstream
from lab.instruments.calibration import calibrate
from lab.instruments.ceilings import upstream_ceilings_per_s
from lab.instruments.job_cost import Gauge
from lab.instruments.machine_monitor import MachineMonitor
from lab.instruments.remote_control import RemoteControl
from lab.instruments.stream_follower import StreamFollower
from lab.run.blocks import blocks
from lab.run.flower import watching
from lab.run.pilots import (
    NOBODY,
    ask_configuration,
    ceiling_run,
    producer_ceiling_per_s,
    size_backlogs,
)
from lab.run.progress import RunProgress
from lab.run.state import Run
from lab.run.trial_sequences import Unit, block_units, measure_unit
from lab.system import environment
from lab.system.signals import uninterrupted
from lab.trial.context import Bench, LabWorker
from lab.trial.runner import conduct
from lab.trial.workers import (
    ask_to_end,
    await_end,
    await_ready,
    start_worker,
    stop_workers,
    warm_up,
)
from poolbench.errors import PoolbenchError, StackError, StorageError
from poolbench.keys import (
    new_run_name,
    queue_name,
    records_stream,
    result_prefix,
    run_key,
    unacked_keys,
)
from poolbench.settings import Settings
from producer.publisher import open_run


def conduct_experiment(
    experiment: Experiment,
    *,
    settings: Settings,
    results_dir: Path,
    command: str,
    progress: RunProgress,
) -> tuple[RunFolder, PoolbenchError | KeyboardInterrupt | None]:
    """Conduct an experiment and write its folder.

    Returns:
        The folder, and the error that interrupted the run, None for a complete one. The folder of
        an interrupted run contains the results so far, and its manifest the state ``unfinished``.

    Raises:
        StackError: if the broker or upstream could not be started.
        StorageError: if the results can't be written.
    """
    name = new_run_name()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(open_broker(settings))
        folder = RunFolder(results_dir / name)
        make_folder(folder.path / "logs")
        reserve = stack.enter_context(DiskReserve(folder.path))
        run = Run(
            experiment=experiment,
            name=name,
            folder=folder,
            command=command,
            broker=broker,
            bench=_open_bench(
                experiment, run=name, broker=broker, logs=folder.path / "logs", stack=stack
            ),
            progress=progress,
        )
        stack.callback(_leave_broker, run)
        return folder, _carry_out(run, reserve=reserve)


def trial_count(experiment: Experiment) -> int:
    """Return the number of trials in a block, a search counted as one, without pilots."""
    return len(block_units(experiment, block=1))


def _open_bench(
    experiment: Experiment,
    *,
    run: str,
    broker: Broker,
    logs: Path,
    stack: contextlib.ExitStack,
) -> Bench:
    """Start what a run needs in addition to its workers: upstream, proxies and gauges."""
    variables = stack.enter_context(open_upstream(logs))
    proxies = open_proxies(experiment.contenders, url=broker.url, logs=logs)
    return Bench(
        run=run,
        client=broker.client,
        tail=StreamFollower(broker.client, run=run),
        gauges=_open_gauges(experiment, stack=stack),
        watch=MachineMonitor(server_cpu_s=broker.cpu_s),
        control=RemoteControl(broker.url, run=run),
        proxies=stack.enter_context(proxies),
        sender=_open_sender(experiment, stack=stack, redis_url=broker.url),
        environment={**variables, "POOLBENCH_REDIS_URL": broker.url, "POOLBENCH_SCOPE": run},
    )


def _open_gauges(experiment: Experiment, *, stack: contextlib.ExitStack) -> dict[str, Gauge]:
    """Start a gauge in each Python that runs a worker."""
    own = {
        name: stack.enter_context(Gauge(interpreter))
        for name, interpreter in experiment.interpreters.items()
    }
    return {"": stack.enter_context(Gauge()), **own}


def _open_sender(
    experiment: Experiment, *, stack: contextlib.ExitStack, redis_url: str
) -> Sender | None:
    """Start the sender, if any workload has a rate."""
    if all(workload.arrivals is None for workload in experiment.workloads):
        return None
    return stack.enter_context(Sender(redis_url=redis_url))


def _carry_out(run: Run, *, reserve: DiskReserve) -> PoolbenchError | KeyboardInterrupt | None:
    """Run the blocks; return the error that interrupted them."""
    cut: PoolbenchError | KeyboardInterrupt | None = None
    try:
        _open(run)
        for block in blocks(run):
            began_at_s = time.monotonic()
            run.progress.block(block + 1)
            _carry_out_block(run, block=block)
            run.blocks_s.append(time.monotonic() - began_at_s)
    except (PoolbenchError, KeyboardInterrupt) as error:
        cut = error
    except redis.RedisError as error:
        cut = StackError(f"the broker was lost in the run: {error}")
    with uninterrupted():
        _await_leaving(run)
        if isinstance(cut, StackError) and reserve.is_disk_full:
            # a worker whose log can't be written ends, and anything else may break as well
            cut = StorageError(f"{run.folder.path}: the disk is full; free some space ({cut})")
        reserve.release()
        try:
            _keep(run, state="unfinished" if cut else "finished")
        except redis.RedisError as error:
            cut = cut or StackError(f"the broker was lost at the run's end: {error}")
            run.bench.invalidate(
                run.bench.trials[run.kept_trials :],
                reason=Reason.of(Code.BROKER_LOST),
            )
            run.folder.write_manifest(run.manifest(state="unfinished"))
    return cut


def _open(run: Run) -> None:
    """Record the conditions, and measure the ceilings of producer and upstream."""
    bench = run.bench
    run.server = environment.describe_broker(bench.client, origin=run.broker.origin)
    bench.calibration = calibrate(run.experiment.workloads)
    open_run(bench.client, run=run.name, source="lab", plans=[], calibration=bench.calibration)
    run.ceilings = Ceilings(
        producer_per_s=producer_ceiling_per_s(run),
        upstream_per_s=upstream_ceilings_per_s(
            int(bench.environment["POOLBENCH_UPSTREAM_PORT"]), workloads=run.experiment.workloads
        ),
    )
    run.folder.write_manifest(run.manifest(state="unfinished"))


def _carry_out_block(run: Run, *, block: int) -> None:
    """Measure every contender × workload once, with fresh workers, in a seeded random order."""
    experiment = run.experiment
    workers: dict[str, LabWorker] = {}
    try:
        for contender in experiment.contenders:
            _start(run, workers, contender=contender, block=block)
        run.progress.now("workers getting ready")
        await_ready(run.bench, list(workers.values()), leaving=run.leaving)
        _await_leaving(run)
        warm_up(run.bench, list(workers.values()), workloads=experiment.workloads)
        if block == 0:
            ask_configuration(run)
            size_backlogs(run, workers)
        for unit in block_units(experiment, block=block):
            _measure(run, workers, unit=unit)
            run.progress.advance()
    finally:
        run.progress.now("workers ending")
        with uninterrupted():
            run.leaving += workers.values()
            ask_to_end(workers.values())
    with uninterrupted():
        _keep(run, state="unfinished")


def _await_leaving(run: Run) -> None:
    """Wait for the workers that were asked to end."""
    with uninterrupted():
        await_end(run.leaving)
    run.leaving.clear()


def _start(
    run: Run, workers: dict[str, LabWorker], *, contender: Contender, block: int
) -> LabWorker:
    """Start a contender's worker and add it to those to end; a signal can't separate the two."""
    with uninterrupted():
        worker = start_worker(
            run.bench,
            contender,
            block=block,
            logs=run.logs,
            interpreter=run.experiment.interpreters.get(contender.interpreter),
        )
        run.workers.append(worker)
        workers[contender.name] = worker
    return worker


def _measure(run: Run, workers: dict[str, LabWorker], *, unit: Unit) -> None:
    """Run a unit's trials; replace the worker after a faulty trial."""
    worker = workers[unit.contender.name]
    with watching(run, unit.contender, block=worker.block) as flower:
        run.progress.now(unit.title)
        are_valid = measure_unit(
            unit,
            run=run,
            worker=worker,
            workers_up=len(workers),
            conduct=partial(conduct, run.bench, count_events=flower.events if flower else None),
        )
    if not are_valid:
        _replace(run, workers, contender=unit.contender)


def _replace(run: Run, workers: dict[str, LabWorker], *, contender: Contender) -> None:
    """Replace a contender's worker by a new one, with an empty queue."""
    old = workers[contender.name]
    run.progress.now(f"{contender.name}: fresh worker")
    stop_workers([old])
    run.bench.client.delete(queue_name(contender.name, scope=run.name))
    fresh = _start(run, workers, contender=contender, block=old.block)
    await_ready(run.bench, [fresh])
    warm_up(run.bench, [fresh], workloads=run.experiment.workloads)


def _keep(run: Run, *, state: State) -> None:
    """Write all results so far into the run's folder."""
    run.folder.write_samples(run.bench.samples_frame())
    with Ingest(run.bench.client, run=run.name, folder=run.folder.path) as ingest:
        ingest.drain()
    run.folder.write_jobs(fold_parts(run.folder.iter_lines()))
    run.bench.count_interrupted()
    run.kept_trials = len(run.bench.trials)
    run.folder.write_manifest(run.manifest(state=state))


def _leave_broker(run: Run) -> None:
    """Delete the run's keys from a broker that outlives the run."""
    names = [*(contender.name for contender in run.experiment.contenders), NOBODY]
    queues = [queue_name(name, scope=run.name) for name in names]
    kinds = ("binding", "binding_permanent")
    bindings = [f"_kombu.{kind}.{queue}" for kind in kinds for queue in queues]
    with contextlib.suppress(redis.RedisError):
        run.bench.client.delete(
            *(run_key(run.name), run_key(ceiling_run(run.name)), records_stream(run.name)),
            *(*queues, *bindings, *unacked_keys(run.name).values()),
        )
        remove_results(run.bench.client, prefix=result_prefix(run.name))
