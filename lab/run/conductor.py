"""Conducts an experiment: blocks of trials in a seeded order; it keeps every trial."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import redis

from collector.files import make_folder
from collector.fold import fold_parts
from collector.ingest import Ingest
from collector.job_trees import collect_published
from collector.reasons import Code, Reason
from collector.run_manifest import Ceilings, Contender, State
from collector.schema import SAMPLE_SCHEMA
from collector.store import RunFolder
from lab.app.databases import Databases, count_databases
from lab.experiment.app import describe_at
from lab.experiment.model import Experiment
from lab.fixtures.broker import Broker, open_broker, remove_keys
from lab.fixtures.disk_reserve import DiskReserve
from lab.fixtures.pinger import Pinger
from lab.fixtures.proxies import open_proxies
from lab.fixtures.sender import Sender
from lab.fixtures.upstream import open_upstream
from lab.instruments.calibration import calibrate
from lab.instruments.ceilings import upstream_ceilings_per_s
from lab.instruments.job_cost import Gauge
from lab.instruments.machine_monitor import MachineMonitor
from lab.instruments.remote_control import WorkerSettings, in_effect, read_settings, unmet
from lab.instruments.stream_follower import StreamFollower
from lab.run.blocks import blocks
from lab.run.flower import watching
from lab.run.lanes import record_lanes
from lab.run.pilots import producer_ceiling_per_s, size_backlogs
from lab.run.progress import RunProgress
from lab.run.state import Run, first_manifest
from lab.run.trial_sequences import Unit, block_units, measure_unit
from lab.system import children
from lab.system.children import Child
from lab.system.signals import uninterrupted
from lab.trial.app_messages import capture_messages
from lab.trial.context import LabWorker
from lab.trial.workers import get_ready, start_worker
from poolbench.errors import PoolbenchError, StackError, StorageError, UsageError
from poolbench.keys import (
    new_run_name,
    queue_lists,
    queue_name,
    records_stream,
    run_key,
    unacked_keys,
)
from poolbench.settings import Settings
from producer.publisher import open_run
from report.trials.disturbances import from_outside

#: How many processes import a user's app at once, to describe it.
APPS_AT_ONCE = 4


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
        UsageError: if a user's app refuses the run; nothing was measured, and there is no folder.
    """
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(_open_broker(experiment, settings=settings))
        name = new_run_name()
        folder = RunFolder(results_dir / name)
        stack.push(partial(_remove_refused, folder))
        make_folder(folder.path / "logs")
        reserve = stack.enter_context(DiskReserve(folder.path))
        variables = stack.enter_context(open_upstream(folder.path / "logs"))
        proxies = stack.enter_context(
            open_proxies(experiment.contenders, url=broker.url, logs=folder.path / "logs")
        )
        gauges, databases, scratch = {}, None, None
        if experiment.app is None:
            gauges = {
                python: stack.enter_context(Gauge(interpreter))
                for python, interpreter in {"": None, **experiment.interpreters}.items()
            }
        else:
            names = [one.name for one in experiment.contenders]
            databases = Databases(broker.url, contenders=names)
            stack.callback(databases.close)
            private = tempfile.TemporaryDirectory(prefix="poolbench-")
            scratch = Path(stack.enter_context(private))
        sender = None
        if any(workload.arrivals is not None for workload in experiment.workloads):
            sender = stack.enter_context(Sender(redis_url=broker.url))
        pinger = None
        if any(workload.measure == "ping" for workload in experiment.workloads):
            pinger = stack.enter_context(Pinger(redis_url=broker.url))
        run = Run(
            name=name,
            experiment=experiment,
            folder=folder,
            client=broker.client,
            follower=StreamFollower(broker.client, run=name, is_app=experiment.app is not None),
            gauges=gauges,
            environment={**variables, "POOLBENCH_REDIS_URL": broker.url},
            monitor=MachineMonitor(server_cpu_s=broker.cpu_s),
            proxies=proxies,
            sender=sender,
            pinger=pinger,
            databases=databases,
            scratch=scratch,
            progress=progress,
            conditions=first_manifest(
                experiment, run=name, command=command, broker=broker.description
            ),
        )
        stack.callback(_leave_broker, run)
        return folder, _carry_out(run, reserve=reserve)


def _remove_refused(
    folder: RunFolder, kind: type[BaseException] | None, _error: object, _traceback: object
) -> None:
    """Remove the folder of a run that was refused before its first trial."""
    if kind is UsageError:
        shutil.rmtree(folder.path, ignore_errors=True)


def _open_broker(
    experiment: Experiment, *, settings: Settings
) -> contextlib.AbstractContextManager[Broker]:
    """Return the broker of a run; that of a user's app is always a server of the run's own."""
    if experiment.app is None:
        return open_broker(settings)
    own = replace(settings, redis_is_explicit=False)
    return open_broker(own, databases=count_databases(len(experiment.contenders)))


def _carry_out(run: Run, *, reserve: DiskReserve) -> PoolbenchError | KeyboardInterrupt | None:
    """Run the blocks; return the error that interrupted them."""
    cut: PoolbenchError | KeyboardInterrupt | None = None
    try:
        _open(run)
        for block in blocks(run):
            run.progress.block(block + 1)
            began_at_s = time.monotonic()
            pilots_s = _carry_out_block(run, block=block)
            run.blocks_s.append(time.monotonic() - began_at_s - pilots_s)
        if run.experiment.lanes:
            _await_leaving(run)
            record_lanes(run)
    except (PoolbenchError, KeyboardInterrupt) as error:
        if isinstance(error, UsageError) and not run.trials:
            raise
        cut = error
    except redis.RedisError as error:
        cut = StackError(f"the broker was lost in the run: {error}")
    with uninterrupted():
        _await_leaving(run)
        if isinstance(cut, StackError) and reserve.is_disk_full:
            # workers end if they can't write their log, and other errors may follow from it
            cut = StorageError(f"{run.folder.path}: the disk is full ({cut}). Free some space.")
        reserve.release()
        try:
            _keep(run, state="unfinished" if cut else "finished")
        except redis.RedisError as error:
            cut = cut or StackError(f"the broker was lost at the run's end: {error}")
            run.invalidate(
                range(run.kept_trials, len(run.trials)), reason=Reason.of(Code.BROKER_LOST)
            )
            run.folder.write_manifest(run.manifest(state="unfinished"))
    return cut


def _open(run: Run) -> None:
    """Record the conditions, and measure the ceilings of producer and upstream.

    Raises:
        UsageError: if a user's app doesn't use the broker of one of its contenders.
    """
    if run.databases is not None and run.scratch is not None:
        run.progress.now("asking the app where it sends")
        urls = [run.broker_url(one.name, block=0) for one in run.experiment.contenders]
        with ThreadPoolExecutor(APPS_AT_ONCE) as threads:
            describe = partial(describe_at, run.experiment)
            list(threads.map(lambda url: describe(broker_url=url), urls))
        run.messages = capture_messages(run.experiment, folder=run.scratch)
    run.calibration = calibrate(run.experiment.drawn_or_measured)
    open_run(run.client, run=run.name, source="lab", plans=[], calibration=run.calibration)
    run.ceilings = Ceilings(
        producer_per_s=producer_ceiling_per_s(run) if run.experiment.workloads else None,
        upstream_per_s=upstream_ceilings_per_s(
            int(run.environment["POOLBENCH_UPSTREAM_PORT"]), workloads=run.experiment.workloads
        ),
    )
    run.folder.write_manifest(run.manifest(state="unfinished"))


def _carry_out_block(run: Run, *, block: int) -> float:
    """Measure every contender × workload once, with fresh workers, in a seeded random order.

    Returns how long pilots took, seconds: other blocks than the first have none.
    """
    pilots_s = 0.0
    try:
        for contender in run.experiment.contenders:
            _start(run, contender, block=block)
        run.progress.now("workers getting ready")
        get_ready(run, run.up.values())
        _await_leaving(run)
        if block == 0:
            found = _read_settings(run, block=block)
            run.celery, run.settings_unmet = in_effect(found), unmet(found)
            began_at_s = time.monotonic()
            size_backlogs(run, replace_worker=partial(_replace, run))
            pilots_s = time.monotonic() - began_at_s
        _measure_units(run, block_units(run.experiment, block=block))
    finally:
        run.progress.now("workers ending")
        with uninterrupted():
            run.leaving += run.up.values()
            run.up.clear()
            # a warm shutdown, during the next block's start: gevent takes up to six seconds
            children.request_end(_processes(run.leaving))
    with uninterrupted():
        _keep(run, state="unfinished")
    return pilots_s


def _read_settings(run: Run, *, block: int) -> list[WorkerSettings]:
    """Return the settings in effect in the block's workers, asked over each of their brokers."""
    contenders: dict[str, list[Contender]] = {}
    for worker in run.up.values():
        url = run.broker_url(worker.contender.name, block=block)
        contenders.setdefault(url, []).append(worker.contender)
    is_app = run.experiment.app is not None
    return [
        one
        for url, known in contenders.items()
        for one in read_settings(url, scope=run.scope(block), contenders=known, is_app=is_app)
    ]


def _await_leaving(run: Run) -> None:
    """Wait for the workers that were sent a signal to end."""
    with uninterrupted():
        children.await_end(_processes(run.leaving))
        for worker in run.leaving:
            worker.close()
    run.leaving.clear()


def _processes(workers: Iterable[LabWorker]) -> list[Child]:
    return [process for worker in workers for process in worker.processes]


def _start(run: Run, contender: Contender, *, block: int) -> LabWorker:
    """Start a contender's workers and register them for their end, not interrupted by a signal."""
    with uninterrupted():
        if run.databases is not None:
            # what the workers of two blocks ago have left
            run.broker(contender.name, block=block).flushdb()
        worker = start_worker(run, contender, block=block)
        run.workers.append(worker)
        run.up[contender.name] = worker
    return worker


def _measure_units(run: Run, units: Iterable[Unit]) -> None:
    """Measure each unit, and those disturbed from outside once more, in the order of their trials.

    The disturbance alone decides, never the result. Searches are not repeated.
    """
    disturbed: list[tuple[Unit, int]] = []
    for unit in units:
        trial = len(run.trials)
        _measure(run, unit)
        run.progress.advance()
        # a point of a curve has no trial where its contender sustains no rate
        measured = [] if unit.is_search else run.trials[trial : trial + 1]
        disturbed += [
            (unit, trial) for one in measured if any(from_outside(one.result.disturbance))
        ]
    for unit, trial in disturbed:
        _measure(run, unit, repeats=trial)


def _measure(run: Run, unit: Unit, *, repeats: int | None = None) -> None:
    """Run a unit's trials; after a faulty trial, replace the workers."""
    contender = unit.contender
    worker = run.up[contender.name]
    with watching(run, worker):
        run.progress.now(unit.title if repeats is None else f"{unit.title} once more")
        are_valid = measure_unit(unit, run=run, worker=worker, repeats=repeats)
    if not are_valid:
        _replace(run, worker)


def _replace(run: Run, worker: LabWorker) -> None:
    """Replace workers that may be faulty, and empty their queues."""
    contender = worker.contender
    run.progress.now(f"{contender.name}: fresh worker")
    children.request_end(worker.processes)
    children.await_end(worker.processes)
    worker.close()
    if run.databases is not None:
        get_ready(run, [_start(run, contender, block=worker.block)])
        return
    scope = run.scope(worker.block)
    # jobs may have been sent to the default queue in any case
    for queue in {"", *contender.queues_consumed}:
        name = queue_name(contender.name, scope=scope, queue=queue)
        run.client.delete(*queue_lists(name, steps=range(10)))
    # a short visibility timeout would return them during later trials
    run.client.delete(*unacked_keys(contender.name, scope=scope).values())
    get_ready(run, [_start(run, contender, block=worker.block)])


def _keep(run: Run, *, state: State) -> None:
    """Write all results so far to the run's folder."""
    run.folder.write_samples(pl.DataFrame(run.samples, schema=SAMPLE_SCHEMA))
    with Ingest(run.client, run=run.name, folder=run.folder.path) as ingest:
        ingest.drain()
    run.folder.write_jobs(fold_parts(run.folder.iter_lines()))
    if run.experiment.app is not None:
        run.folder.write_published(collect_published(run.folder.iter_lines()))
    run.count_interrupted()
    run.kept_trials = len(run.trials)
    run.folder.write_manifest(run.manifest(state=state))


def _leave_broker(run: Run) -> None:
    """Delete the run's keys from a broker that outlives the run."""
    with contextlib.suppress(redis.RedisError):
        run.client.delete(run_key(run.name), records_stream(run.name))
        # queues with their bindings, what was not acknowledged, results: all have the scope's name
        remove_keys(run.client, pattern=f"*poolbench.{run.name}.*")
