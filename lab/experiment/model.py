"""An experiment, resolved for this machine: its contenders, its workloads, its thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.run_manifest import App, Contender, Interpreter, Skipped, Until, Workload
from lab.app.python import AppDescription
from lab.replay.replay import Replay
from report.statistics.ratios import CLAIM_BLOCKS

#: Kind of a workload with jobs of several kinds.
MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment resolved for this machine and one profile."""

    file: str
    #: Text of the file.
    text: str
    title: str
    #: Comment at the top of the file: one line for each paragraph, with blank lines between them.
    question: str
    profile: str
    seed: int
    #: Number of blocks; the least number where `until` ends the run.
    repetitions: int
    #: Approximate duration of a trial, seconds.
    trial_s: float
    #: A trial that reports no line for this time is stopped and invalid, seconds.
    stall_s: float
    contenders: tuple[Contender, ...]
    workloads: tuple[Workload, ...]
    #: The user's app whose tasks the workloads call; None for Poolbench's own jobs.
    app: App | None = None
    #: What the app's own Python reports about it; None before it was asked, or without an app.
    described: AppDescription | None = None
    #: The jobs of recorded workloads, by the workload's name.
    replays: Mapping[str, Replay] = field(default_factory=dict)
    #: Workloads that lanes are also drawn of, after all blocks.
    lanes: tuple[Workload, ...] = ()
    #: Interpreters of the contenders that name one, by that name.
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    #: Thresholds, as `report.verdicts.fail_on` reads them.
    fail_on: tuple[str, ...] = ()
    #: Bounds on jobs that arrive at a rate, seconds by name (`report.trials.slo`).
    slo: Mapping[str, float] = field(default_factory=dict)
    #: Contender of the A/A control, the file's `twin`; empty for the first contender.
    controlled: str = ""
    #: Stopping rule of the run; None for a fixed number of repetitions.
    until: Until | None = None

    @property
    def drawn_or_measured(self) -> tuple[Workload, ...]:
        """Return all workloads: those of lanes are measured too, or they are the only ones."""
        return self.workloads or self.lanes

    @property
    def makes_claims(self) -> bool:
        """Return whether a complete run has enough blocks for a statistical claim."""
        return self.until is not None or self.repetitions >= CLAIM_BLOCKS

    @property
    def originals(self) -> tuple[Contender, ...]:
        """Return the contenders without the A/A control."""
        return tuple(one for one in self.contenders if not one.twin_of)

    @property
    def sha256(self) -> str:
        """Return the digest of the file's text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()
