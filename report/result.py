"""The result of a run, as one frozen value: what terminal, page, comparison and `--json` read.

Types alone, with their units; `report.summary` fills them. ``summary.json`` is this value with six
significant digits, and docs/schemas/summary.schema.json its schema: `make schemas` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final, Literal

from pydantic import TypeAdapter

from collector.reasons import Reason, Severity
from collector.run_manifest import RunInfo
from poolbench.summaries import Ledger, Percentiles
from report.conditions import Conditions
from report.statistics.percentiles import Tail
from report.statistics.ratios import Median, Ratio, rounded
from report.statistics.scalability import Scaling
from report.statistics.significance import Decision, noise_floor_of
from report.trials.lag_histogram import LagBin
from report.trials.latency_spans import WaitParts
from report.trials.loop_blocking import Blocking
from report.trials.slowdown import Slowdown
from report.trials.timeline import Timeline
from report.trials.trial import Evidence, TrialSummary

#: Version of ``summary.json``; 1 had reasons in words.
SUMMARY_FORMAT: Final = 2

#: `Verdict.figure` where jobs came at a rate: its ratios are those of 1 ÷ that, so that more is
#: better in them too.
RESPONSE = "p95 response"
#: `Verdict.figure` of a search.
SUSTAINED = "sustained rate"

#: A setting of a contender, or a parameter of a job.
Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSummary:
    """One contender × one workload, over its valid repetitions. Medians unless noted."""

    contender: str
    pool: str
    slots: int
    #: Whether it is a contender a second time, for the A/A check.
    is_twin: bool = False
    #: Whether its jobs ran without the GIL; where none ran, whether they were to.
    is_without_gil: bool = False
    workload: str
    kind: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    repetitions: int = 0
    valid_repetitions: int = 0
    #: Jobs a second; of a search, the sustained rate.
    throughput_per_s: Median | None = None
    #: Standard deviation of the repetitions as a share of their mean.
    spread: float | None = None
    #: What the workload allows this contender without Celery, jobs a second, and the throughput
    #: as a share of it.
    ceiling_per_s: float | None = None
    ceiling_share: float | None = None
    #: Of the worker's whole process tree, and of the probe's recorder apart.
    cpu_s_per_1000_jobs: float | None = None
    recorder_cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None
    #: Jobs a second for each core kept busy, and for each 10^9 bytes of PSS.
    per_busy_core_per_s: float | None = None
    per_gb_per_s: float | None = None
    connections: int | None = None
    redis_commands_per_job: float | None = None
    redis_bytes_per_job: float | None = None
    #: What was measured: `capacity`, `rate`, `sustain` or `curve`.
    measure: str = "capacity"
    #: Of jobs that came at a rate: that rate, and in how many valid repetitions it kept up.
    offered_per_s: float | None = None
    kept_up: int | None = None
    sustained_per_s: Median | None = None
    lag_histogram: tuple[LagBin, ...] = ()
    #: Percentiles over the jobs of all valid repetitions together: first start - due,
    #: finish - start, sent - due, finish - due.
    wait_s: Tail | None = None
    execution_s: Tail | None = None
    lag_s: Tail | None = None
    response_s: Tail | None = None
    wait_parts_s: WaitParts = field(default_factory=WaitParts)
    blocking: Blocking | None = None
    #: Whether the whole backlog was sent at once.
    is_backlog: bool = True
    peak_in_flight: int | None = None
    #: Jobs done in valid repetitions.
    jobs: int = 0
    #: Of all its trials, valid or not.
    ledger: Ledger = field(default_factory=Ledger)
    evidence: Evidence = field(default_factory=Evidence)
    mark: Severity = Severity.NOTE
    #: The strongest first.
    reasons: tuple[Reason, ...] = ()

    @property
    def name(self) -> str:
        """What conditions and messages call the row."""
        return f"{self.contender}/{self.workload}"

    @property
    def is_near_limit(self) -> bool:
        """Whether the harness itself may be the limit."""
        return any(one.severity is Severity.LIMITED for one in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One comparison of two contenders, and what it shows."""

    contender: str
    against: str
    #: How many times ``against``'s jobs ``contender`` did.
    ratio: Ratio
    decision: Decision

    def inverse(self) -> Decided:
        """Return the same comparison the other way round."""
        return Decided(
            contender=self.against,
            against=self.contender,
            ratio=self.ratio.inverse(),
            decision=self.decision.inverse(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualPair:
    """A contender and its twin: the same under two names, so all their difference is noise."""

    contender: str
    twin: str
    #: How many times the contender's jobs the twin did; None where one of them has no figure.
    ratio: Ratio | None

    @property
    def noise_floor(self) -> float | None:
        """By how much two equals may differ here, as a share; None without a claim."""
        return noise_floor_of(self.ratio) if self.ratio else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a workload's numbers show."""

    workload: str
    #: Who did most and by how much, in one sentence; and all sentences.
    headline: str = ""
    text: str
    #: The contender that did most, or None where no difference to the one it is compared with
    #: shows, or nothing could be compared. Below `CLAIM_BLOCKS` blocks: who led, no claim.
    best: str | None
    #: Who did most, be it by a difference or not; None where nothing could be compared.
    ahead: str | None
    #: Whom `ratio` is against: solo, or the runner-up where solo leads or wasn't measured.
    against: str | None
    ratio: Ratio | None
    #: Whom every row is compared with: solo, or the slowest where solo has no figure.
    baseline: str | None
    #: Contender → its ratio to the baseline, best first.
    to_baseline: Mapping[str, Ratio] = field(default_factory=dict)
    #: Contenders between whom and the best there is no difference.
    ties: tuple[str, ...] = ()
    #: The minimum detectable difference, as a share: every comparison named here would have shown
    #: it with a power of 80 %; None without a claim.
    smallest_difference: float | None = None
    #: What each comparison that a reader is shown comes to.
    decisions: tuple[Decided, ...] = ()
    #: The contender that was measured twice, and its twin; None without one.
    equal_pair: EqualPair | None = None
    mark: str = ""
    #: What was compared: jobs a second, `RESPONSE` or `SUSTAINED`.
    figure: str = "jobs/s"

    @property
    def noise_floor(self) -> float | None:
        """By how much two equal contenders may differ here, as a share; None if unknown."""
        return self.equal_pair.noise_floor if self.equal_pair else None

    def decided(self, contender: str, *, against: str | None) -> Decided | None:
        """Return the comparison of two contenders; None if it was not made."""
        pairs = {(one.contender, one.against): one for one in self.decisions}
        return pairs.get((contender, against or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverPoint:
    """A contender's throughput at one share of computing, jobs a second."""

    share: float
    median: float
    low: float
    high: float
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverLine:
    """One contender over the shares."""

    contender: str
    pool: str
    points: tuple[CrossoverPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The share from which on a contender leads every other pool."""

    contender: str
    #: The last measured share at which it is behind one of them; None if it is at none.
    after: float | None
    #: Measured shares between, at which no difference shows.
    even: tuple[float, ...]
    #: The measured share from which on it leads at all of them.
    until: float
    #: Where the straight lines between the medians cross, on a logarithmic axis; None where it is
    #: behind nowhere, so that nothing crosses.
    share: float | None
    #: The same for each repetition alone: the least and the most.
    low: float | None
    high: float | None
    #: Whether there were repetitions enough at every share.
    is_claim: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """Throughput over the share of a job that computes, and where pools change places."""

    kind: str
    axis: str
    #: What the workloads have in common.
    parameters: Mapping[str, float]
    shares: tuple[float, ...]
    lines: tuple[CrossoverLine, ...]
    boundaries: tuple[Boundary, ...]
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFigures:
    """A contender at one value of the setting; jobs a second, None without a figure."""

    value: Value
    contender: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawPoint:
    """Throughput by the fitted law, jobs a second."""

    slots: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One contender at several values of one setting, in one workload."""

    setting: str
    #: Contender that all points come from, and its pool.
    of: str
    pool: str
    workload: str
    #: By value, ascending.
    points: tuple[SweepFigures, ...]
    #: The scalability law of a sweep over slots, and its curve; None and why there is none.
    usl: Scaling | None = None
    usl_curve: tuple[LawPoint, ...] = ()
    usl_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one setting does to one workload's throughput."""

    workload: str
    setting: str
    #: The contender that has it, and the one that is the same without.
    contender: str
    against: str
    value: Value
    against_value: Value
    #: Throughput with it ÷ without it, paired by block.
    ratio: Ratio
    #: CPU time of the worker for each job, likewise; None where it isn't known.
    cpu_ratio: Ratio | None
    #: What that shows, among the other effects of the workload.
    decision: Decision
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """Latency at one share of the sustained rate; None where no trial is valid."""

    share: float
    rate_per_s: float | None = None
    #: Whether the rate was sustained in each repetition.
    is_sustained: bool | None = None
    wait_s: Percentiles | None = None
    response_s: Percentiles | None = None
    repetitions: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCurve:
    """Latency against load of one row."""

    workload: str
    contender: str
    pool: str
    sustained_per_s: float | None = None
    points: tuple[LoadPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MixFairness:
    """How the parts of a mix fared beside each other."""

    workload: str
    contender: str
    pool: str
    by_kind: Mapping[str, Slowdown]
    #: Median slowdown of the part that fared worst ÷ of the one that fared best: 1 is fair. None
    #: unless two parts have one.
    unfairness: float | None = None
    #: Parts without figures, with the reason in words.
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """The interval of one workload's headline, against what `--until` asked for."""

    workload: str
    #: Who is ahead, and whom it is compared with.
    contender: str
    against: str
    #: Half of the interval's width, as a share of the ratio; None below `CLAIM_BLOCKS`.
    half_width: float | None
    blocks: int
    #: How many blocks it would take at the spread seen so far; None if unknown.
    blocks_needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """What `--until` asked for, and what came of it."""

    half_width: float
    at_most_s: float
    is_reached: bool
    widths: tuple[Width, ...]
    text: str


class Status(StrEnum):
    """What became of a threshold in a row."""

    MET = "met"
    MISSED = "missed"
    #: The row is invalid or has no such figure: nobody knows.
    UNCHECKED = "not checked"
    #: This run measured no such row: another profile does.
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of a threshold in a row."""

    #: As the user wrote it.
    condition: str
    #: The row's; empty where no row was measured.
    contender: str
    workload: str
    #: The name of the figure, with its unit if it is no ratio.
    figure: str
    #: The number, the ratio or the end of its interval; None if there is none.
    number: float | None
    status: Status
    #: The row and the number, for people.
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(RunInfo):
    """All that is shown of a run: how it was made, and what came of it."""

    format: Literal[2] = SUMMARY_FORMAT
    #: By topic, see `report.conditions`.
    conditions: Conditions = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    #: What a reader must know before the numbers, in whole sentences.
    notes: tuple[str, ...] = ()
    #: What helps to read them, likewise.
    remarks: tuple[str, ...] = ()
    rows: tuple[RowSummary, ...] = ()
    precision: Precision | None = None
    #: By workload: by how much two equal contenders may differ, as a share; None if unknown.
    noise_floor: Mapping[str, float | None] = field(default_factory=dict)
    #: One a workload, in their order.
    verdicts: tuple[Verdict, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    effects: tuple[Effect, ...] = ()
    curves: tuple[LoadCurve, ...] = ()
    fairness: tuple[MixFairness, ...] = ()
    trials: tuple[TrialSummary, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    thresholds: tuple[Checked, ...] = ()

    @property
    def title(self) -> str:
        """The experiment's title."""
        return self.experiment.title

    def of_workload(self, name: str) -> list[RowSummary]:
        """Return the rows of a workload, in the order of the contenders."""
        return [row for row in self.rows if row.workload == name]

    def row(self, contender: str, *, workload: str) -> RowSummary | None:
        """Return a row; None if there is none."""
        found = (row for row in self.of_workload(workload) if row.contender == contender)
        return next(found, None)

    def repetitions_of(self, row: RowSummary) -> list[TrialSummary]:
        """Return the row's valid repetitions."""
        return [
            trial
            for trial in self.trials
            if trial.is_repetition
            and (trial.contender, trial.workload) == (row.contender, row.workload)
        ]


@cache
def _adapter() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)


def to_json(summary: Summary) -> str:
    """Return the summary's text, the same for the same content."""
    content = rounded(_adapter().dump_python(summary, mode="json"))
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str | bytes) -> Summary:
    """Return the summary that a text contains.

    Raises:
        ValidationError: pydantic's, if it contains none.
    """
    return _adapter().validate_json(text)


def summary_schema() -> dict[str, object]:
    """Return the JSON Schema of ``summary.json``."""
    return _adapter().json_schema(mode="serialization") | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "summary.json of a Poolbench run",
    }
