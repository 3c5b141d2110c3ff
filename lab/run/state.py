"""A run while it is carried out: its parts, what is known of it, and its manifest."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from collector.store import RunFolder
from lab.experiment.model import Experiment
from lab.fixtures.broker import Broker
from lab.run.progress import RunProgress
from lab.trial.context import Bench
from lab.trial.workers import LabWorker


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
    #: How long each block took that is over, seconds.
    blocks_s: list[float] = field(default_factory=list)
    workers: list[LabWorker] = field(default_factory=list)
    #: Those of the block before, told to end while the next block's start.
    leaving: list[LabWorker] = field(default_factory=list)
    #: Backlog by contender and workload, from the pilots.
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    #: Jobs a second by contender and workload, from the pilots; 0 where they could not tell.
    rates_per_s: dict[tuple[str, str], float] = field(default_factory=dict)
    #: By contender and workload, what each block's search found: jobs a second, or None.
    sustained_per_s: dict[tuple[str, str], list[float | None]] = field(default_factory=dict)
    ceilings: dict[str, Any] = field(default_factory=dict)
    #: How many of the bench's trials have their records in the folder.
    kept_trials: int = 0
    celery: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Return the folder of the workers' logs."""
        return self.folder.path / "logs"

    @property
    def repetitions(self) -> int:
        """Return how many blocks were ordered, or where that is open, how many are over."""
        return len(self.blocks_s) if self.experiment.until else self.experiment.repetitions

    def manifest(self, *, state: str) -> dict[str, Any]:
        """Return everything needed to repeat the run, and what became of each trial."""
        experiment = self.experiment
        return {
            "run": self.name,
            "source": "lab",
            "created_ns": self.created_ns,
            "finished_ns": time.time_ns(),
            "state": state,
            "command": self.command,
            "profile": experiment.profile,
            "experiment": {
                "file": experiment.file,
                "sha256": experiment.sha256,
                "title": experiment.title,
                "question": experiment.question,
                "text": experiment.text,
            },
            "seed": experiment.seed,
            "repetitions": self.repetitions,
            "until": self._until(),
            "trial_s": experiment.trial_s,
            "contenders": [asdict(contender) for contender in experiment.contenders],
            "interpreters": {name: asdict(one) for name, one in experiment.interpreters.items()},
            "skipped": [asdict(skip) for skip in experiment.skipped],
            "workloads": [asdict(workload) for workload in experiment.workloads],
            "slo": dict(experiment.slo),
            "calibration": dict(self.bench.calibration),
            "fail_on": list(experiment.fail_on),
            **self.facts,
            "celery": self.celery,
            "proxies": {name: one.as_manifest() for name, one in self.bench.proxies.items()},
            "ceilings": self.ceilings,
            "workers": [worker.describe(folder=self.folder.path) for worker in self.workers],
            "trials": [facts.as_manifest() for facts in self.bench.trials],
        }

    def _until(self) -> dict[str, float] | None:
        if self.experiment.until is None:
            return None
        took = {"block_s": statistics.fmean(self.blocks_s)} if self.blocks_s else {}
        return asdict(self.experiment.until) | took
