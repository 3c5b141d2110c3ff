"""An experiment, resolved for this machine: its contenders, its workloads, and what it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.run_manifest import Contender, Interpreter, Skipped, Until, Workload
from report.statistics.ratios import CLAIM_BLOCKS

#: Stands for the kind of a workload whose jobs are of several.
MIX = "mix"


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
