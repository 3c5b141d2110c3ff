"""The state of a run while it is carried out, and its manifest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from collector.reasons import Reason
from collector.run_manifest import Ceilings, ExperimentSource, LaneTrial, Manifest, State
from lab.experiment.model import Experiment
from lab.run.progress import RunProgress
from lab.system import environment
from lab.system.cgroup import Limits, describe
from lab.trial.context import Bench, LabWorker


@dataclass(slots=True, kw_only=True)
class Run(Bench):
    """An experiment while it is carried out."""

    progress: RunProgress
    #: The manifest as it was at the start.
    conditions: Manifest
    #: Start by the monotonic clock, seconds.
    began_at_s: float = field(default_factory=time.monotonic)
    #: Duration of each block that has ended, seconds, without the pilots of the first.
    blocks_s: list[float] = field(default_factory=list)
    #: The workers of this block, by contender.
    up: dict[str, LabWorker] = field(default_factory=dict)
    #: Backlog by contender and workload, from the pilots.
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    #: Jobs a second by contender and workload, from the pilots; 0 if unknown.
    rates_per_s: dict[tuple[str, str], float] = field(default_factory=dict)
    #: Sustained rate in each block by contender and workload, jobs a second; None if none was.
    sustained_per_s: dict[tuple[str, str], list[float | None]] = field(default_factory=dict)
    ceilings: Ceilings = field(default_factory=Ceilings)
    #: How many of the trials have their records in the folder.
    kept_trials: int = 0
    #: The configuration in effect by contender, or by ``contender/group``.
    celery: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: Settings that are not in effect as the experiment asks for them, by contender.
    settings_unmet: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    #: The trials of lanes so far, and how often jobs were sent for them, first jobs included.
    lanes: list[LaneTrial] = field(default_factory=list)
    lane_sends: int = 0

    def manifest(self, *, state: State) -> Manifest:
        """Return the manifest: everything needed to repeat the run, and the result of each trial.

        Where the number of repetitions is open, it is that of the blocks that have ended.
        """
        repetitions, until = self.experiment.repetitions, self.experiment.until
        if until:
            repetitions = len(self.blocks_s)
            block_s = statistics.fmean(self.blocks_s) if self.blocks_s else None
            until = replace(until, block_s=block_s)
        return replace(
            self.conditions,
            finished_ns=time.time_ns(),
            state=state,
            repetitions=repetitions,
            until=until,
            calibration=self.calibration,
            celery=self.celery,
            settings_unmet=self.settings_unmet,
            proxies={name: proxy.round_trip for name, proxy in self.proxies.items()},
            ceilings=self.ceilings,
            workers=tuple(
                end for worker in self.workers for end in worker.describe(folder=self.folder.path)
            ),
            trials=tuple(self.trials),
            lanes=tuple(self.lanes),
        )


def first_manifest(
    experiment: Experiment, *, run: str, command: str, broker: Mapping[str, str]
) -> Manifest:
    """Return the manifest of a run before its first trial, with the conditions of this moment."""
    return Manifest(
        run=run,
        created_ns=time.time_ns(),
        state="unfinished",
        command=command,
        profile=experiment.profile,
        experiment=ExperimentSource(
            file=experiment.file,
            sha256=experiment.sha256,
            title=experiment.title,
            question=experiment.question,
            text=experiment.text,
        ),
        seed=experiment.seed,
        trial_s=experiment.trial_s,
        contenders=experiment.contenders,
        app=experiment.app,
        app_versions=experiment.described.versions if experiment.described else {},
        interpreters=experiment.interpreters,
        skipped=experiment.skipped,
        workloads=experiment.workloads,
        slo=experiment.slo,
        fail_on=experiment.fail_on,
        versions=environment.describe_versions(),
        machine=environment.describe_machine(),
        cgroup=environment.describe_cgroup() | describe(_controllers(experiment)),
        git=environment.describe_commit(),
        broker=broker,
        trials=(),
    )


def _controllers(experiment: Experiment) -> list[str]:
    """Return the controllers that the contenders' limits need, each once."""
    names = [name for one in experiment.contenders for name in Limits.of(one).controllers]
    return [*dict.fromkeys(names)]
