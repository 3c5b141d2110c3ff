"""Measures each trial of a run from its records and samples; decides what is invalid, and says why.

A faulty trial keeps its account and its reasons: nothing is dropped here.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import polars as pl

from collector.ledger import ledger_faults, ledgers
from collector.metrics import Figures, figures, known
from collector.reasons import Code, Reason, Severity, strongest
from collector.run_manifest import Interpreter, Manifest, TrialEntry, TrialResult
from collector.schema import RECORD_SCHEMA
from collector.trial_records import TrialRecords
from poolbench.evidence import pool_name
from poolbench.pools import POOLS
from poolbench.summaries import Ledger, Percentiles
from report.trials.disturbances import doubts
from report.trials.latency_spans import measure_spans
from report.trials.loop_blocking import TrialBlocking, measure_blocking
from report.trials.offered_load import TrialLoad, measure_load

#: What a trial is measured from; other columns of a record stay on disk.
COLUMNS = (
    "trial", "seq", "attempt", "due_ns", "sent_ns", "received_ns", "started_ns", "finished_ns",
    "finished_again_ns", "outcome", "boot_id", "pid", "pool_seen", "sockets_patched",
    "gil_enabled", "blocked_ns",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Who really ran a trial's jobs, as the slots themselves tell."""

    #: Pool classes seen, as module:name.
    pools_seen: tuple[str, ...] = ()
    #: Processes that ran at least one job; of several trials, the most.
    processes: int = 0
    #: Whether sockets were patched for greenlets in all of them; None if none reports it.
    sockets_patched: bool | None = None
    #: Whether an interpreter held its GIL in any of them; None if none reports it.
    gil_enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a worker's process tree used in a trial, seen from outside."""

    #: User + system, seconds; None without two samples.
    cpu_s: float | None
    #: The same of the probe's recorder.
    recorder_cpu_s: float | None
    pss_bytes: int | None
    connections: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """One contender × one workload × one repetition."""

    trial: int
    #: Its repetition, from 0.
    block: int
    contender: str
    workload: str
    is_pilot: bool = False
    #: Unix ns; None for a trial that was cut.
    start_ns: int | None = None
    end_ns: int | None = None
    ledger: Ledger = field(default_factory=Ledger)
    measure: str = "capacity"
    #: Which step of a search it is, from 0; the share of the sustained rate, of a curve's point.
    step: int | None = None
    load_share: float | None = None
    #: Of jobs that came at a rate: the rate, whether it was sustained, and why not.
    rate_per_s: float | None = None
    is_sustained: bool | None = None
    why_not_sustained: tuple[Reason, ...] = ()
    #: Whether it is one of its row's repetitions; others are of a search, or of a curve.
    is_shown: bool = True
    throughput_per_s: float | None = None
    wait_s: Percentiles | None = None
    execution_s: Percentiles | None = None
    ceiling_per_s: float | None = None
    cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None
    peak_in_flight: int = 0
    #: Shares of the machine's CPU: what others took, and the part of it that the host took.
    foreign_cpu_share: float | None = None
    stolen_cpu_share: float | None = None
    #: How far the wall clock was set, seconds.
    clock_step_s: float | None = None
    mark: Severity = Severity.NOTE
    reasons: tuple[Reason, ...] = ()

    @property
    def is_repetition(self) -> bool:
        """Whether it is a valid repetition of its row."""
        return not self.is_pilot and self.is_shown and self.mark is not Severity.INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(TrialSummary):
    """A trial with all that rows and analyses are made from."""

    is_backlog: bool
    slots: int
    workers_up: int | None
    figures: Figures
    usage: Usage
    evidence: Evidence
    #: CPU-seconds of one job without Celery, in the contender's own Python; None for waits.
    gauged_s: float | None
    redis_commands: int | None
    redis_bytes: int | None
    #: Raw times by name, ns: see `report.trials.latency_spans`; of a pilot none. Its records are in
    #: the folder.
    spans: Mapping[str, pl.Series]
    blocking: TrialBlocking
    #: What came, where jobs came at a rate; None for a backlog.
    load: TrialLoad | None = None

    @property
    def is_valid(self) -> bool:
        """Whether its figures count."""
        return self.mark is not Severity.INVALID

    @property
    def summary(self) -> TrialSummary:
        """What is shown of it."""
        return TrialSummary(**{one.name: getattr(self, one.name) for one in fields(TrialSummary)})

    @property
    def redis_commands_per_job(self) -> float | None:
        """Commands that the worker's connections sent to Redis, for each job."""
        return _per_job(self.redis_commands, jobs=self.ledger.done)

    @property
    def redis_bytes_per_job(self) -> float | None:
        """Bytes that the worker's connections and Redis exchanged, for each job."""
        return _per_job(self.redis_bytes, jobs=self.ledger.done)

    @property
    def ceiling_share(self) -> float | None:
        """Its figure as a share of its ceiling."""
        per_s = self.throughput_per_s
        return per_s / self.ceiling_per_s if per_s and self.ceiling_per_s else None

    @property
    def busy_cores(self) -> float | None:
        """CPU-seconds that the worker's processes spent in a second of its throughput."""
        per_s, cost_s = self.figures.throughput_per_s, self.cpu_s_per_1000_jobs
        return per_s * cost_s / 1_000 if per_s and cost_s else None

    @property
    def per_busy_core_per_s(self) -> float | None:
        """Jobs a second for each core that the worker kept busy: jobs for a CPU-second."""
        cost_s = self.cpu_s_per_1000_jobs
        return 1_000 / cost_s if cost_s else None

    @property
    def per_gb_per_s(self) -> float | None:
        """Jobs a second for each gigabyte (10^9 bytes) of the worker's PSS."""
        per_s, pss_bytes = self.figures.throughput_per_s, self.usage.pss_bytes
        return per_s / (pss_bytes / 1e9) if per_s and pss_bytes else None

    @property
    def recorder_cpu_s_per_1000_jobs(self) -> float | None:
        """CPU-seconds of the probe's recorder for a thousand jobs done."""
        return _per_1000(self.usage.recorder_cpu_s, jobs=self.ledger.done)


def measure_trials(
    manifest: Manifest, *, records: TrialRecords, samples: pl.DataFrame
) -> list[Trial]:
    """Return the run's trials, pilots too, in the order of the manifest.

    Raises:
        StorageError: if the records can't be read.
    """
    freed = free_threaded(manifest)
    samples_by_trial = _by_trial(samples.sort("trial", "contender", "t_ns"))

    entries = {entry.plan.trial: entry for entry in manifest.trials}
    sent = {trial: entry.result.sent for trial, entry in entries.items()}

    def measure(trial: int, found: pl.DataFrame, account: Ledger) -> Trial:
        return _measure(
            entries[trial],
            ledger=account,
            records=found,
            samples=samples_by_trial.get(trial, samples.clear()),
            cores=int(manifest.machine.cores),
            slo=manifest.slo,
            freed=freed.get(entries[trial].plan.contender),
        )

    measured: dict[int, Trial] = {}
    for window in records.windows(columns=COLUMNS):
        accounts = ledgers(window, sent=sent)
        for trial, found in _by_trial(window).items():
            if trial in entries:
                measured[trial] = measure(trial, found, accounts[trial])
    nothing = RECORD_SCHEMA.to_frame().select(COLUMNS)
    accounts = ledgers(nothing, sent=sent)
    return [measured.get(trial) or measure(trial, nothing, accounts[trial]) for trial in entries]


def free_threaded(manifest: Manifest) -> dict[str, Interpreter]:
    """Return contender → what its Python is, for those whose Python can run without the GIL."""
    return {
        contender.name: found
        for contender in manifest.contenders
        if (found := manifest.interpreters.get(contender.interpreter)) and found.is_free_threaded
    }


def _by_trial(frame: pl.DataFrame) -> dict[int, pl.DataFrame]:
    parts = frame.partition_by("trial", as_dict=True, maintain_order=True)
    return {int(key): part for (key,), part in parts.items() if key is not None}


def _measure(
    entry: TrialEntry,
    *,
    ledger: Ledger,
    records: pl.DataFrame,
    samples: pl.DataFrame,
    cores: int,
    slo: Mapping[str, float],
    freed: Interpreter | None,
) -> Trial:
    plan, result = entry.plan, entry.result
    is_backlog = plan.arrivals == "burst"
    found = figures(records, slots=plan.slots, is_capacity=is_backlog)
    evidence = _evidence(records)
    load = measure_load(plan, records=records, slo=slo)
    usage = _usage(samples.filter(pl.col("contender") == plan.contender))
    disturbance = result.disturbance
    reasons = (
        *_invalid(entry, ledger=ledger, evidence=evidence, freed=freed, load=load),
        *_unstable(result, ledger=ledger, found=found),
    )
    return Trial(
        trial=plan.trial,
        block=plan.block,
        contender=plan.contender,
        workload=plan.workload,
        is_pilot=plan.is_pilot,
        start_ns=result.start_ns,
        end_ns=result.end_ns,
        ledger=ledger,
        measure=load.measure if load else "capacity",
        step=load.step if load else None,
        load_share=load.share if load else None,
        rate_per_s=load.rate_per_s if load else None,
        is_sustained=load.verdict.is_sustained if load else None,
        why_not_sustained=load.verdict.reasons if load else (),
        throughput_per_s=_figure_per_s(found, load=load),
        wait_s=found.wait_s,
        execution_s=found.execution_s,
        ceiling_per_s=_ceiling_per_s(entry, cores=cores),
        cpu_s_per_1000_jobs=_per_1000(usage.cpu_s, jobs=ledger.done),
        pss_bytes=usage.pss_bytes,
        peak_in_flight=found.peak_in_flight,
        foreign_cpu_share=disturbance.foreign_cpu_share if disturbance else None,
        stolen_cpu_share=disturbance.stolen_cpu_share if disturbance else None,
        clock_step_s=disturbance.clock_step_s if disturbance else None,
        mark=strongest(reasons),
        reasons=reasons,
        is_backlog=is_backlog,
        slots=plan.slots,
        workers_up=plan.workers_up,
        figures=found,
        usage=usage,
        evidence=evidence,
        gauged_s=_gauged_s(result),
        redis_commands=result.redis.commands if result.redis else None,
        redis_bytes=result.redis.net_bytes if result.redis else None,
        spans={} if plan.is_pilot else measure_spans(records),
        blocking=measure_blocking(records),
        load=load,
    )


def _figure_per_s(found: Figures, *, load: TrialLoad | None) -> float | None:
    """Return what a trial adds to its row: its throughput; of a search, the rate if sustained."""
    if load is None or load.measure != "sustain":
        return found.throughput_per_s
    return load.rate_per_s if load.verdict.is_sustained else None


def _invalid(
    entry: TrialEntry,
    *,
    ledger: Ledger,
    evidence: Evidence,
    freed: Interpreter | None,
    load: TrialLoad | None,
) -> list[Reason]:
    """Return why a trial's figures don't count."""
    plan, result = entry.plan, entry.result
    reasons = [] if result.end_ns else [Reason.of(Code.INTERRUPTED)]
    reasons += (*result.reasons, *ledger_faults(ledger))
    if plan.pool == "gevent" and evidence.sockets_patched is False:
        reasons.append(Reason.of(Code.SOCKETS_UNPATCHED))
    reasons.extend(
        Reason.of(Code.WRONG_POOL, pool=plan.pool, seen=seen)
        for seen in dict.fromkeys(map(pool_name, evidence.pools_seen))
        if plan.pool in POOLS and seen != plan.pool
    )
    # a rate that was sustained though jobs were sent late would have been without that too
    if load and load.late and (load.step is None or not load.verdict.is_sustained):
        reasons.append(load.late)
    if freed is not None and evidence.gil_enabled and not plan.is_pilot:
        packages = freed.gil_turned_on_by
        reasons.append(
            Reason.of(Code.GIL_TURNED_ON, packages=packages, path=freed.path)
            if packages
            else Reason.of(Code.GIL_ON)
        )
    return reasons


def _unstable(result: TrialResult, *, ledger: Ledger, found: Figures) -> list[Reason]:
    """Return what makes a trial less sure, and not invalid."""
    reasons = [*doubts(result)]
    if ledger.failed:
        reasons.append(Reason.of(Code.JOBS_FAILED, failed=ledger.failed, sent=ledger.sent))
    return [*reasons, *(found.reasons if ledger.done else ())]


def _ceiling_per_s(entry: TrialEntry, *, cores: int) -> float | None:
    """Return the lesser of slots ÷ (wait + CPU-seconds a job) and cores ÷ CPU-seconds a job.

    Work that only waits is bound by its slots alone; work that only computes, by cores as soon as
    there is a slot for each. That one pool runs Python code one at a time is no ceiling: it is what
    a run finds out.
    """
    slots = entry.plan.slots
    wait_s, cpu_s = entry.plan.ideal_wait_s or 0.0, _gauged_s(entry.result) or 0.0
    if not slots or not wait_s + cpu_s:
        return None
    by_slots_per_s = slots / (wait_s + cpu_s)
    return min(by_slots_per_s, cores / cpu_s) if cpu_s else by_slots_per_s


def _gauged_s(result: TrialResult) -> float | None:
    """Return the mean of what a job cost without Celery before the trial and after it."""
    both = [result.cost_before.cpu_s, result.cost_after.cpu_s]
    known = [gauge_s for gauge_s in both if gauge_s]
    return statistics.fmean(known) if known else None


def _usage(samples: pl.DataFrame) -> Usage:
    return Usage(
        cpu_s=_spent(known(samples["cpu_s"]).to_list()),
        recorder_cpu_s=_spent(known(samples["recorder_cpu_s"]).to_list()),
        pss_bytes=max(known(samples["pss_bytes"]).to_list(), default=None),
        connections=max(known(samples["connections"]).to_list(), default=None),
    )


def _spent(cumulative_s: Sequence[float]) -> float | None:
    """Return last - first; a smaller last one means that processes ended uncounted."""
    if len(cumulative_s) < 2 or cumulative_s[-1] < cumulative_s[0]:
        return None
    return cumulative_s[-1] - cumulative_s[0]


def _evidence(records: pl.DataFrame) -> Evidence:
    patched = known(records["sockets_patched"])
    gil = known(records["gil_enabled"])
    return Evidence(
        pools_seen=tuple(sorted(known(records["pool_seen"].unique()).to_list())),
        processes=known(records["pid"]).n_unique(),
        sockets_patched=bool(patched.all()) if len(patched) else None,
        gil_enabled=bool(gil.any()) if len(gil) else None,
    )


def _per_job(total: int | None, *, jobs: int) -> float | None:
    return None if total is None or not jobs else total / jobs


def _per_1000(spent_s: float | None, *, jobs: int) -> float | None:
    return None if spent_s is None or not jobs else 1_000 * spent_s / jobs
