"""An experiment, resolved for this machine: its contenders, its workloads, and what it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.experiment.interpreter import Interpreter
from lab.experiment.stopping_rule import Until
from lab.experiment.sweep import SweepPoint
from lab.experiment.worker_settings import Tuning, Value
from report.statistics.ratios import CLAIM_BLOCKS

#: Stands for the kind of a workload whose jobs are of several.
MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One column of the comparison."""

    name: str
    pool: str
    slots: int
    note: str
    #: The Python that runs its worker: a path, or `FREE_THREADED`. Empty: the lab's own.
    interpreter: str = ""
    #: The contender that it is a second time, to show the noise; empty for all others.
    twin_of: str = ""
    #: What it is set to beside that, by `lab.experiment.worker_settings.Tuning`; what isn't said
    #: is left out.
    settings: Mapping[str, Value] = field(default_factory=dict)
    #: Which point of a sweep it is; None for a contender of its own.
    sweep: SweepPoint | None = None

    @property
    def tuning(self) -> Tuning:
        """Its settings, with what holds where nothing is said."""
        return Tuning.model_validate(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A contender that can't run here; an entry of the manifest's ``skipped``."""

    contender: str
    reason: str
    #: The command that helps.
    remedy: str

    def __str__(self) -> str:
        return f"{self.contender}: {self.reason}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sort of job in a mix."""

    name: str
    kind: str
    parameters: Mapping[str, int | float]
    #: How many of a mix's jobs are of this sort, above 0; those of all parts make about 1.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The jobs that every contender gets."""

    name: str
    #: `MIX` where its jobs are of several sorts.
    kind: str
    parameters: Mapping[str, int | float]
    #: One of `lab.experiment.arrivals.MEASURES`.
    measure: str = "capacity"
    #: How its jobs come, as `producer.arrivals.read_schedule` takes it, complete for a rate; where
    #: a rate is looked for, ``how`` alone. None: the whole backlog at once.
    arrivals: Mapping[str, Any] | None = None
    #: Its parts, or none.
    mix: tuple[Part, ...] = ()

    @property
    def sorts(self) -> tuple[Workload, ...]:
        """A workload of one kind for each sort of its jobs, in the order of the mix."""
        if not self.mix:
            return (self,)
        return tuple(
            Workload(name=f"{self.name}/{part.name}", kind=part.kind, parameters=part.parameters)
            for part in self.mix
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """How many of its jobs are of each of the `sorts`; together 1."""
        whole = sum(part.share for part in self.mix)
        return tuple(part.share / whole for part in self.mix) or (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment resolved for this machine and one profile."""

    file: str
    #: The file's text, as it was read.
    text: str
    title: str
    #: The comment that opens the file: a line a paragraph, a blank one between two.
    question: str
    profile: str
    seed: int
    repetitions: int
    #: How long a trial should last, about, seconds.
    trial_s: float
    #: A trial without a line for so long is over and invalid, seconds.
    stall_s: float
    contenders: tuple[Contender, ...]
    workloads: tuple[Workload, ...]
    #: What the contenders' own Pythons are, by the name that a contender gives.
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    #: Thresholds, by `report.compare.fail_on`.
    fail_on: tuple[str, ...] = ()
    #: What a rate has to keep in order to be held: bounds in seconds by name (`report.trials.slo`).
    slo: Mapping[str, float] = field(default_factory=dict)
    #: The contender to be measured a second time; empty: the first.
    twin: str = ""
    #: What ends the run; None: the number of repetitions.
    until: Until | None = None

    @property
    def makes_claims(self) -> bool:
        """Whether a whole run of it has blocks enough for a claim."""
        return self.until is not None or self.repetitions >= CLAIM_BLOCKS

    @property
    def originals(self) -> tuple[Contender, ...]:
        """The contenders without the twin."""
        return tuple(one for one in self.contenders if not one.twin_of)

    @property
    def sha256(self) -> str:
        """Return the digest of the file's text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()
