"""Records what each slot does when: a few jobs of a workload, on workers of their own.

These workers are sampled often, so that their jobs are in no comparison and in no ledger. Each
records itself into a file of the run's folder; what the jobs did is read from there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from collector.run_manifest import LaneTrial, Workload
from lab.experiment.model import Experiment
from lab.run.state import Run
from lab.system import children
from lab.system.signals import uninterrupted
from lab.trial.context import LabWorker
from lab.trial.plan import draw_mix, plan_trial
from lab.trial.queues import spread
from lab.trial.workers import READY_TIMEOUT_S, WARM_UP, first_jobs, start_worker
from poolbench.errors import Fault, StackError, UsageError
from poolbench.keys import run_key
from poolbench.recording.settings import LANES, RECORD
from poolbench.records import Moment, line_start
from producer.publisher import publish
from report.legend import describe_jobs

#: Jobs of a workload in each lane trial: every contender gets the same ones.
LANE_JOBS = 32

#: Folder of the recordings, in the run's.
FOLDER = "lanes"

#: Scope of the workers and of their queues.
_LABEL = "lanes"

#: Time between two looks at the recordings, and from a trial's last job to the next trial, seconds.
_LOOK_S, PAUSE_S = 0.05, 0.2

#: Looks without a job in flight that show that the last one has ended.
_QUIET_LOOKS = 3

_READY, _RECEIVED, _FINISHED = (
    line_start(one).encode() for one in (Moment.WORKER, Moment.RECEIVED, Moment.FINISHED)
)
_RETRIED = b'"state":"RETRY"'


class _Recordings:
    """The lines that a contender's workers have written so far.

    All of them are given the same path; from the second one on, a file has a number.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.path = folder.absolute() / "worker.pbrec"
        self._read: dict[Path, int] = {}
        self.workers = self.ends = 0
        #: Executions that have been received and have not ended.
        self.in_flight = 0
        #: How many jobs are to have ended.
        self.expected = 0

    @property
    def files(self) -> list[Path]:
        """The files, in the order of their names."""
        return sorted(self._folder.glob("*.pbrec"))

    def look(self) -> None:
        """Count the lines that are new."""
        for path in self.files:
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + len(whole) + len(newline)
            for line in whole.split(b"\n"):
                self.workers += line.startswith(_READY)
                self.in_flight += line.startswith(_RECEIVED)
                self.in_flight -= line.startswith(_FINISHED)
                # the job of an execution that is to be retried has not ended
                self.ends += line.startswith(_FINISHED) and _RETRIED not in line


def record_lanes(run: Run) -> None:
    """Run the jobs of `Experiment.lanes` on workers of all contenders, one trial after another.

    The recordings and the trials are in `Run.lanes`. Contenders of an A/A control have none.

    Raises:
        StackError: if a worker ends or isn't ready in time.
    """
    run.progress.print_line("lanes: starting workers")
    workers: list[tuple[LabWorker, _Recordings]] = []
    try:
        for contender in run.experiment.originals:
            recordings = _Recordings(run.folder.path / FOLDER / contender.name)
            settings = {RECORD: str(recordings.path), LANES: "1"}
            with uninterrupted():
                if run.databases is not None:
                    run.broker(contender.name, block=0, is_beside=True).flushdb()
                worker = start_worker(run, contender, block=0, label=_LABEL, environment=settings)
                run.workers.append(worker)
                workers.append((worker, recordings))
        for worker, recordings in workers:
            if not _await(worker, recordings, within_s=READY_TIMEOUT_S):
                raise StackError(
                    f"lanes of {worker.contender.name}: its worker was not ready within "
                    f"{READY_TIMEOUT_S:.0f} s (log: {worker.child.log})"
                )
        for workload in run.experiment.lanes:
            _warm_up(run, workers, workload=workload)
            for worker, recordings in workers:
                run.progress.now(f"{worker.contender.name} · lanes of {workload.name}")
                _run_trial(run, worker, recordings, workload=workload)
                run.progress.advance()
    finally:
        with uninterrupted():
            for worker, _ in workers:
                children.request_end(worker.processes)
            for worker, _ in workers:
                children.await_end(worker.processes)
                worker.close()
            run.client.delete(run_key(_run_name(run)))


def _warm_up(
    run: Run, workers: Sequence[tuple[LabWorker, _Recordings]], *, workload: Workload
) -> None:
    """Run the first jobs of a workload in all workers at the same time; no picture shows them."""
    for sort in workload.sorts:
        for worker, recordings in workers:
            parameters, count = first_jobs(
                sort.kind, run.message_parameters(sort), slots=worker.contender.slots
            )
            warm = Workload(name=WARM_UP, kind=sort.kind, parameters=parameters, mix=sort.mix)
            recordings.expected += _send(run, worker, workload=warm, count=count)
    for worker, recordings in workers:
        _await(worker, recordings, within_s=run.experiment.stall_s)


def _run_trial(run: Run, worker: LabWorker, recordings: _Recordings, *, workload: Workload) -> None:
    """Run the jobs of a workload in a worker, while all others have none."""
    time.sleep(PAUSE_S)
    ended_before = recordings.ends
    from_ns = time.time_ns()
    sent = _send(run, worker, workload=workload, count=LANE_JOBS)
    recordings.expected = ended_before + sent
    try:
        _await(worker, recordings, within_s=run.experiment.stall_s)
    finally:
        # an interrupted trial has lanes too
        run.lanes.append(
            LaneTrial(
                contender=worker.contender.name,
                workload=workload.name,
                jobs=describe_jobs(workload),
                files=tuple(str(one.relative_to(run.folder.path)) for one in recordings.files),
                from_ns=from_ns,
                to_ns=time.time_ns(),
                sent=sent,
                done=recordings.ends - ended_before,
            )
        )


def _send(run: Run, worker: LabWorker, *, workload: Workload, count: int) -> int:
    """Send jobs at once; return the number of their executions."""
    contender, experiment = worker.contender, run.experiment
    addressed = spread(workload, contender=contender)
    plan = replace(
        plan_trial(run, worker, addressed, count=count, is_pilot=True),
        # each trial of a run counts its jobs; those of lanes are of another run
        trial=run.lane_sends,
    )
    run.lane_sends += 1
    mix = draw_mix(
        plan,
        contender=contender,
        seed=experiment.seed,
        is_in_sequence=addressed.is_in_sequence,
        described=experiment.described,
        messages=run.messages,
    )
    publish(
        run.broker(contender.name, block=0, is_beside=True),
        run=_run_name(run),
        plan=plan,
        offsets_s=[0.0] * (len(mix.order) if mix else count),
        scope=run.scope(0, label=_LABEL),
        mix=mix,
    )
    # a chain, a group or a chord has several
    return mix.first_seqs[-1] if mix else count


def _await(worker: LabWorker, recordings: _Recordings, *, within_s: float) -> bool:
    """Wait until all workers are ready and have ended their jobs.

    Returns:
        Whether they have; False if none has ended for ``within_s``.

    Raises:
        StackError: if a worker ends before.
    """
    seen, deadline_s = recordings.ends, time.monotonic() + within_s
    quiet = 0
    while True:
        recordings.look()
        is_ready = recordings.workers >= len(worker.processes)
        if is_ready and recordings.ends >= recordings.expected and not recordings.in_flight:
            # jobs of an app may have sent others, which are not received at once
            quiet += 1
            if quiet == _QUIET_LOOKS or not recordings.expected:
                return True
        else:
            quiet = 0
        if recordings.ends > seen:
            seen, deadline_s = recordings.ends, time.monotonic() + within_s
        if not worker.is_alive:
            child = worker.child
            raise StackError(
                f"worker {worker.contender.name} ended with exit code {child.exit_code} while its "
                f"lanes were recorded: {child.last_line()} (log: {child.log})"
            )
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_S)


def _run_name(run: Run) -> str:
    return f"{run.name}.{FOLDER}"


def only_lanes(planned: Experiment) -> Experiment:
    """Return an experiment that draws its workloads' jobs, and measures nothing.

    Raises:
        UsageError: if no workload has jobs of its own.
    """
    workloads = tuple(one for one in planned.workloads if one.kind and not one.recorded)
    if not workloads:
        problem = "no workload has jobs that lanes can show"
        remedy = "record the worker with poolbench record --lanes"
        raise UsageError(Fault(where=planned.file, problem=problem, remedy=remedy))
    return replace(planned, workloads=(), lanes=workloads, repetitions=0, until=None, fail_on=())
