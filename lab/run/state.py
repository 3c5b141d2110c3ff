"""The state of a run while it is carried out, and its manifest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from collector.run_manifest import (
    Ceilings,
    Commit,
    ExperimentSource,
    Machine,
    Manifest,
    State,
    Until,
)
from collector.store import RunFolder
from lab.experiment.model import Experiment
from lab.fixtures.broker import Broker
from lab.run.progress import RunProgress
from lab.system import environment
from lab.trial.context import Bench, LabWorker


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
    #: The same by the monotonic clock, seconds.
    began_at_s: float = field(default_factory=time.monotonic)
    #: Duration of each block that has ended, seconds.
    blocks_s: list[float] = field(default_factory=list)
    workers: list[LabWorker] = field(default_factory=list)
    #: Workers of the block before, which end while the next block starts.
    leaving: list[LabWorker] = field(default_factory=list)
    #: Backlog by contender and workload, from the pilots.
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    #: Jobs a second by contender and workload, from the pilots; 0 if unknown.
    rates_per_s: dict[tuple[str, str], float] = field(default_factory=dict)
    #: Sustained rate in each block by contender and workload, jobs a second; None if none was.
    sustained_per_s: dict[tuple[str, str], list[float | None]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=environment.describe_versions)
    machine: Machine = field(default_factory=environment.describe_machine)
    cgroup: Mapping[str, str] = field(default_factory=environment.describe_cgroup)
    commit: Commit = field(default_factory=environment.describe_commit)
    #: Name, version and origin of the broker's server.
    server: Mapping[str, str] = field(default_factory=dict)
    ceilings: Ceilings = field(default_factory=Ceilings)
    #: How many of the bench's trials have their records in the folder.
    kept_trials: int = 0
    #: The configuration in effect, by contender.
    celery: dict[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Return the folder of the workers' logs."""
        return self.folder.path / "logs"

    @property
    def repetitions(self) -> int:
        """Return the number of blocks asked for; with a stopping rule, of those that have ended."""
        return len(self.blocks_s) if self.experiment.until else self.experiment.repetitions

    def manifest(self, *, state: State) -> Manifest:
        """Return everything needed to repeat the run, and what became of each trial."""
        experiment = self.experiment
        return Manifest(
            run=self.name,
            created_ns=self.created_ns,
            finished_ns=time.time_ns(),
            state=state,
            command=self.command,
            profile=experiment.profile,
            experiment=ExperimentSource(
                file=experiment.file,
                sha256=experiment.sha256,
                title=experiment.title,
                question=experiment.question,
                text=experiment.text,
            ),
            seed=experiment.seed,
            repetitions=self.repetitions,
            until=self._until(),
            trial_s=experiment.trial_s,
            contenders=experiment.contenders,
            interpreters=experiment.interpreters,
            skipped=experiment.skipped,
            workloads=experiment.workloads,
            slo=experiment.slo,
            calibration=self.bench.calibration,
            fail_on=experiment.fail_on,
            versions=self.versions,
            machine=self.machine,
            cgroup=self.cgroup,
            git=self.commit,
            broker=self.server,
            celery=self.celery,
            proxies={name: one.round_trip for name, one in self.bench.proxies.items()},
            ceilings=self.ceilings,
            workers=tuple(worker.describe(folder=self.folder.path) for worker in self.workers),
            trials=tuple(self.bench.trials),
        )

    def _until(self) -> Until | None:
        until = self.experiment.until
        if until is None or not self.blocks_s:
            return until
        return replace(until, block_s=statistics.fmean(self.blocks_s))
