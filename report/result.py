"""Types of a run's result: one frozen value, which terminal, page, compare and `--json` read.

This module contains no logic; `report.summary` creates the value. ``summary.json`` is this value
with six significant digits. `make schemas` writes its schema, docs/schemas/summary.schema.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final, Literal

from pydantic import TypeAdapter

from collector.reasons import Reason, Severity
from collector.run_manifest import RunInfo
from collector.worker_figures import IdleFigures, StartFigures
from poolbench.summaries import Ledger, Percentiles
from report.conditions import Conditions
from report.statistics.percentiles import Tail
from report.statistics.ratios import CLAIM_BLOCKS, Median, Ratio, rounded
from report.statistics.scalability import Scaling
from report.statistics.significance import Decision
from report.trials.groups import GroupSummary
from report.trials.lag_histogram import LagBin
from report.trials.latency_spans import WaitParts
from report.trials.levels import OverTime
from report.trials.limits import RowLimits
from report.trials.loop_blocking import Blocking
from report.trials.slowdown import Slowdown
from report.trials.start_order import StartOrder
from report.trials.timeline import Timeline
from report.trials.trial import Evidence, TrialSummary
from report.trials.wait_causes import Cause, WaitCauses
from report.trials.worker_figures import PingFigures

#: Version of ``summary.json``; version 1 contained reasons as text.
SUMMARY_FORMAT: Final = 2

#: `Verdict.figure` if jobs arrived at a rate. Its ratios are ratios of 1 ÷ p95, so that more is
#: better.
RESPONSE = "p95 response"
#: `Verdict.figure` of a workload whose jobs are sent all at once.
THROUGHPUT = "jobs/s"
#: `Verdict.figure` of a search.
SUSTAINED = "sustained rate"

#: `Verdict.figure` of a part whose jobs are sent all at once. Its ratios are of 1 ÷ p95 too.
WAIT = "p95 wait"
#: `Verdict.figure` if the worker itself is measured, by the measure. Its ratios are ratios of
#: 1 ÷ the figure, so that more is better.
WORKER_VERDICTS: Final[Mapping[str, str]] = {
    "start": "time until all slots are busy",
    "idle": "Redis commands/s",
    "ping": "p95 answer to a ping",
}
#: The figures of which less is better.
LESS_IS_BETTER: Final = frozenset({RESPONSE, WAIT, *WORKER_VERDICTS.values()})
#: The figures that are times, in seconds.
IN_SECONDS: Final = frozenset({RESPONSE, WAIT, WORKER_VERDICTS["start"], WORKER_VERDICTS["ping"]})

#: A setting of a contender, or a parameter of a job.
Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSummary:
    """One part of a mix in a row: percentiles of its jobs of all valid repetitions, seconds."""

    jobs: int
    wait_s: Tail | None = None
    execution_s: Tail | None = None
    response_s: Tail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """One bound of an SLO in a row, on all jobs or on those of one part.

    Jobs of a repetition are not independent: one burst delays many of them. So the repetitions are
    what is counted, as everywhere: how many met the bound, and each one's share of jobs that missed
    it. See `report.rows.targets`.
    """

    #: Name of the part; empty for all jobs.
    part: str
    #: A name of `report.trials.slo.SLO_KEYS`, and its bound in seconds.
    figure: str
    bound_s: float
    #: The percentile in the median repetition, seconds; None if too many of its jobs were not done.
    seen_s: float | None
    #: Number of valid repetitions that met it, and of all valid repetitions.
    met: int
    repetitions: int
    #: Share of the jobs that exceeded the bound or were not done: the median repetition, with an
    #: interval that covers the true median in at least 94 % of runs; with fewer than `CLAIM_BLOCKS`
    #: repetitions their range.
    missed_share: Median
    #: Whether it is met; None if the repetitions don't agree.
    is_met: bool | None

    @property
    def is_claim(self) -> bool:
        """Whether there are enough repetitions for a claim."""
        return self.repetitions >= CLAIM_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSummary:
    """One contender × one workload, over its valid repetitions. Medians unless noted."""

    contender: str
    pool: str
    slots: int
    #: Whether it is the A/A control: another contender, measured a second time.
    is_twin: bool = False
    #: Whether its jobs ran without the GIL; if none ran, whether its Python can.
    is_without_gil: bool = False
    workload: str
    kind: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    repetitions: int = 0
    valid_repetitions: int = 0
    #: Jobs per second; for a search, the sustained rate.
    throughput_per_s: Median | None = None
    #: Standard deviation of the repetitions as a share of their mean.
    spread: float | None = None
    #: Ceiling of this contender in this workload without Celery, jobs per second, and the
    #: throughput as a share of it.
    ceiling_per_s: float | None = None
    ceiling_share: float | None = None
    #: CPU-seconds of the worker's whole process tree, and of the probe's recorder alone.
    cpu_s_per_1000_jobs: float | None = None
    recorder_cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None
    #: Jobs per second for each busy core, and for each 10^9 bytes of PSS.
    per_busy_core_per_s: float | None = None
    per_gb_per_s: float | None = None
    connections: int | None = None
    #: Limits of its workers, and what they did in all repetitions; None without limits.
    limits: RowLimits | None = None
    #: Most processes of its workers at once; None unless it has limits, or Celery decides.
    processes: int | None = None
    #: For a user's app: executions of a job, with all that it leads to, such as a chain's links.
    executions_per_job: float | None = None
    redis_commands_per_job: float | None = None
    redis_bytes_per_job: float | None = None
    #: What was measured: `capacity`, `rate`, `sustain`, `curve`, `start`, `idle` or `ping`.
    measure: str = "capacity"
    #: If jobs arrived at a rate: the rate, where each execution of a chain, group or chord counts,
    #: and the valid repetitions in which the row kept up.
    offered_per_s: float | None = None
    kept_up: int | None = None
    sustained_per_s: Median | None = None
    lag_histogram: tuple[LagBin, ...] = ()
    #: Percentiles of the jobs of all valid repetitions together, seconds: first start - due,
    #: finish - start, sent - due, finish - due.
    wait_s: Tail | None = None
    execution_s: Tail | None = None
    lag_s: Tail | None = None
    response_s: Tail | None = None
    wait_parts_s: WaitParts = field(default_factory=WaitParts)
    #: The waits by cause: of all jobs, then of each part of a mix; empty for a plain backlog.
    wait_causes: tuple[WaitCauses, ...] = ()
    #: How far jobs started in the order of their priorities; None without priorities.
    start_order: StartOrder | None = None
    #: Part of a mix → its latencies; only the execution, if a wait is the place in the queue.
    parts: Mapping[str, PartSummary] = field(default_factory=dict)
    #: The bounds of the SLO, if jobs arrived at a given rate.
    targets: tuple[TargetSummary, ...] = ()
    blocking: Blocking | None = None
    over_time: OverTime | None = None
    #: Whether the whole backlog was sent at once.
    is_backlog: bool = True
    #: The figure that verdicts compare if the worker itself is measured: the time until all slots
    #: are busy, seconds; Redis commands per second; p95 of the answer to a ping, seconds.
    lead: Median | None = None
    start: StartFigures | None = None
    idle: IdleFigures | None = None
    #: With the numbers of all pings.
    ping: PingFigures | None = None
    peak_in_flight: int | None = None
    #: Jobs done in valid repetitions.
    jobs: int = 0
    #: Account of all its trials, valid or not.
    ledger: Ledger = field(default_factory=Ledger)
    evidence: Evidence = field(default_factory=Evidence)
    mark: Severity = Severity.NOTE
    #: Reasons of the mark and notes, the strongest first.
    reasons: tuple[Reason, ...] = ()
    #: Figures by group, for a contender with groups.
    groups: tuple[GroupSummary, ...] = ()

    @property
    def name(self) -> str:
        """The row's name in conditions and messages."""
        return f"{self.contender}/{self.workload}"

    @property
    def is_near_limit(self) -> bool:
        """Whether the harness itself may limit the row."""
        return any(one.severity is Severity.LIMITED for one in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One comparison of two contenders, with its decision."""

    contender: str
    against: str
    #: Ratio of ``contender`` to ``against``.
    ratio: Ratio
    decision: Decision

    def inverse(self) -> Decided:
        """Return the comparison with both sides swapped."""
        return Decided(
            contender=self.against,
            against=self.contender,
            ratio=self.ratio.inverse(),
            decision=self.decision.inverse(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualPair:
    """A contender and its A/A control: both are equal, so any difference is noise."""

    contender: str
    #: The name of the A/A control.
    twin: str
    #: Ratio of the control to the contender; None if one of them has no figure.
    ratio: Ratio | None

    @property
    def is_different(self) -> bool:
        """Whether the two differ, by an interval of 95 % of their own: 1 pair in 20, by chance."""
        ratio = self.ratio
        return ratio is not None and ratio.is_claim and not ratio.low <= 1 <= ratio.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of one workload, or of one part of a mix."""

    workload: str
    #: The part of a mix whose jobs it compares; empty for all jobs.
    part: str = ""
    #: The best contender and its ratio in one sentence; and all sentences.
    headline: str = ""
    text: str
    #: The best contender; None if there is no difference to `against`, or no comparison. With
    #: fewer than `CLAIM_BLOCKS` blocks, it leads so far, without a claim.
    best: str | None
    #: The contender with the largest figure, with a difference or not; None without a comparison.
    ahead: str | None
    #: The denominator of `ratio`: solo, or the runner-up if solo leads or wasn't measured; of a
    #: part, the contender that is furthest behind.
    against: str | None
    ratio: Ratio | None
    #: The baseline of every row: solo, or the first contender that has a figure.
    baseline: str | None
    #: Contender → its ratio to the baseline, best first.
    to_baseline: Mapping[str, Ratio] = field(default_factory=dict)
    #: The best against the contender furthest behind, if the headline begins with it because it
    #: is a larger finding than the lead of the best; otherwise None.
    furthest_behind: Decided | None = None
    #: Contenders without a difference from the best.
    ties: tuple[str, ...] = ()
    #: Minimum detectable difference of the comparisons named in the text, as a share, with a power
    #: of 80 %; None without a claim.
    smallest_difference: float | None = None
    #: Every comparison that is shown.
    decisions: tuple[Decided, ...] = ()
    #: Figure of `report.verdicts.metrics` → each contender against the baseline, as a question of
    #: its own; throughput is in `decisions`.
    figures: Mapping[str, tuple[Decided, ...]] = field(default_factory=dict)
    #: The contender that was measured twice, and its A/A control; None without one.
    equal_pair: EqualPair | None = None
    mark: str = ""
    #: The compared figure: `THROUGHPUT`, `RESPONSE`, `SUSTAINED`, `WAIT` or one of
    #: `WORKER_VERDICTS`.
    figure: str = THROUGHPUT
    #: The verdict on each part of a mix, the largest difference first. At a rate, the verdict on
    #: the workload has the comparisons of the first.
    parts: tuple[Verdict, ...] = ()

    @property
    def lead(self) -> Decided | None:
        """Return the comparison of `ahead` with `against`; None without one."""
        return self.decided(self.ahead, against=self.against) if self.ahead else None

    def decided(self, contender: str, *, against: str | None) -> Decided | None:
        """Return the comparison of two contenders; None if it was not made."""
        return find_decided(self.decisions, contender=contender, against=against)


def find_decided(
    decisions: Iterable[Decided], *, contender: str, against: str | None
) -> Decided | None:
    """Return the comparison of two contenders, whichever way round it is; None without one."""
    for one in decisions:
        if (one.contender, one.against) == (contender, against):
            return one
        if (one.against, one.contender) == (contender, against):
            return one.inverse()
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossoverPoint:
    """A contender's throughput at one share of computing, jobs per second."""

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
    """The share above which a contender leads every other pool."""

    contender: str
    #: The last measured share at which it is behind another pool; None if there is none.
    after: float | None
    #: Measured shares in between, without a difference.
    even: tuple[float, ...]
    #: The first measured share from which it leads at all shares.
    until: float
    #: The share at which the straight lines between the medians cross, on a logarithmic axis; None
    #: if it is never behind, so that no lines cross.
    share: float | None
    #: Smallest and largest of these shares, computed for each repetition alone.
    low: float | None
    high: float | None
    #: Whether there are enough repetitions at every share.
    is_claim: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """Throughput over the share of computing in a job, and the crossover points of pools."""

    kind: str
    axis: str
    #: Parameters that the workloads have in common.
    parameters: Mapping[str, float]
    shares: tuple[float, ...]
    lines: tuple[CrossoverLine, ...]
    boundaries: tuple[Boundary, ...]
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFigures:
    """A contender at one value of the setting, by the figure of its sweep; None without one."""

    value: Value
    contender: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawPoint:
    """Throughput of the fitted law, jobs per second."""

    slots: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One contender at several values of one setting, in one workload."""

    setting: str
    #: The contender that the sweep varies, and its pool.
    of: str
    pool: str
    workload: str
    #: The part of a mix that arrives at a rate; empty for all jobs.
    part: str = ""
    #: The figure of the points: `THROUGHPUT` or `SUSTAINED`, jobs per second; at a given rate
    #: `RESPONSE`, seconds; or that of `WORKER_VERDICTS`.
    figure: str = THROUGHPUT
    #: In ascending order of the value; texts in the order of the experiment.
    points: tuple[SweepFigures, ...]
    #: The scalability law of a sweep over slots, its curve, and the reason if there is no law.
    usl: Scaling | None = None
    usl_curve: tuple[LawPoint, ...] = ()
    usl_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseChange:
    """The mean wait of a job for one cause, without a setting and with it, seconds."""

    cause: Cause
    before_s: float
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of one setting on one workload, or on one part of a mix."""

    workload: str
    #: The part of the mix; empty for all jobs.
    part: str = ""
    setting: str
    #: The figure of `ratio`: `THROUGHPUT`; `SUSTAINED` for a search; `RESPONSE` at a given rate;
    #: `WAIT` for a part in a backlog; or that of `WORKER_VERDICTS`.
    figure: str = THROUGHPUT
    #: The contender with the setting, and the one that is the same without it.
    contender: str
    against: str
    value: Value
    against_value: Value
    #: The figure with the setting ÷ without it, paired by block.
    ratio: Ratio
    #: With `RESPONSE`: the ratio of the p95 wait, likewise. With both: the mean wait by cause.
    wait_ratio: Ratio | None = None
    causes: tuple[CauseChange, ...] = ()
    #: Ratio of the worker's CPU time per job, likewise; None if unknown.
    cpu_ratio: Ratio | None
    #: The decision on `ratio`, corrected for the other effects of the workload.
    decision: Decision
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """Latency at one share of the sustained rate; fields are None without a valid trial."""

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
    """The slowdowns of the parts of a mix."""

    workload: str
    contender: str
    pool: str
    by_kind: Mapping[str, Slowdown]
    #: Largest median slowdown of a part ÷ the smallest: 1 is fair. None unless two parts have one.
    unfairness: float | None = None
    #: Parts without figures, with the reason as text.
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """The width of the interval in the verdict on a workload, or on a part of a mix."""

    #: Name of the workload; with ``/`` and the part of a mix.
    workload: str
    #: The contender that is ahead, and the one that it is compared with.
    contender: str
    against: str
    #: Half-width of the interval, as a share of the ratio; None with fewer than `CLAIM_BLOCKS`.
    half_width: float | None
    blocks: int
    #: Number of blocks needed for the requested width, at the measured spread; None if unknown.
    blocks_needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The precision that `--until` asked for, and whether the run reached it."""

    half_width: float
    at_most_s: float
    is_reached: bool
    widths: tuple[Width, ...]
    text: str


class Status(StrEnum):
    """The result of a threshold in a row."""

    MET = "met"
    MISSED = "missed"
    #: The row is invalid or has no such figure.
    UNCHECKED = "not checked"
    #: This run measured no such row; another profile does.
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A threshold in a row, with its result."""

    #: The text that the user wrote.
    condition: str
    #: Contender and workload of the row; empty if no row was measured.
    contender: str
    workload: str
    #: The part of a mix, if the threshold is about one.
    part: str = ""
    #: The name of the figure, with its unit unless it is a ratio.
    figure: str
    #: The number, the ratio or the end of its interval; None if there is none.
    number: float | None
    status: Status
    #: The row and the number as text.
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(RunInfo):
    """The result of a run, with its conditions."""

    format: Literal[2] = SUMMARY_FORMAT
    #: Conditions by topic, see `report.conditions`.
    conditions: Conditions = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    #: Warnings to read before the numbers, in whole sentences.
    notes: tuple[str, ...] = ()
    #: Explanations of the numbers, in whole sentences.
    remarks: tuple[str, ...] = ()
    rows: tuple[RowSummary, ...] = ()
    precision: Precision | None = None
    #: One verdict per workload, in the order of the workloads.
    verdicts: tuple[Verdict, ...] = ()
    #: Whether all pairs of contenders were compared, as one question.
    is_every_pair: bool = False
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

    def verdict(self, workload: str) -> Verdict:
        """Return the verdict on a workload of the run."""
        return next(one for one in self.verdicts if one.workload == workload)

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
    """Return the summary as JSON; equal summaries give equal text."""
    content = rounded(_adapter().dump_python(summary, mode="json"))
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str | bytes) -> Summary:
    """Return the summary from its JSON.

    Raises:
        ValidationError: pydantic's, if the text isn't a valid summary.
    """
    return _adapter().validate_json(text)


def summary_schema() -> dict[str, object]:
    """Return the JSON Schema of ``summary.json``."""
    return _adapter().json_schema(mode="serialization") | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "summary.json of a Poolbench run",
    }
