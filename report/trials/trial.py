"""Measures each trial of a run from its records and samples, and decides whether it is valid.

An invalid trial keeps its ledger and its reasons: nothing is dropped here.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace

import polars as pl

from collector.job_trees import root_executions, trees
from collector.ledger import ledger_faults, ledgers
from collector.metrics import Figures, figures, known, peak_in_flight, percentiles
from collector.reasons import Code, Reason, Severity, strongest
from collector.run_manifest import (
    Contender,
    Interpreter,
    Manifest,
    PlannedTrial,
    TrialEntry,
    TrialResult,
    Workload,
)
from collector.schema import RECORD_SCHEMA
from collector.trial_records import TrialRecords
from collector.worker_figures import (
    JOBLESS_MEASURES,
    WORKER_MEASURES,
    IdleFigures,
    StartFigures,
)
from poolbench.evidence import pool_name
from poolbench.pools import POOLS
from poolbench.summaries import Ledger, Percentiles
from report.trials.disturbances import disturbances
from report.trials.groups import GroupTrial, measure_groups
from report.trials.latency_spans import JOB_SPANS, SPANS, measure_spans
from report.trials.levels import TrialLevels, measure_levels
from report.trials.limits import LimitedTrial
from report.trials.loop_blocking import TrialBlocking, measure_blocking
from report.trials.slo import (
    RateVerdict,
    SloByPart,
    Target,
    by_job,
    from_countdowns,
    judge_rate,
    judge_targets,
    late_reason,
    slo_of,
)
from report.trials.start_order import StartOrder, start_order
from report.trials.wait_causes import has_causes, predecessors, wait_causes
from report.trials.worker_figures import PingFigures, measure_pings

#: Columns of a record that are read; the others stay on disk.
COLUMNS = (
    "trial", "seq", "attempt", "part", "worker", "due_ns", "sent_ns", "eta_ns", "received_ns",
    "started_ns", "finished_ns", "finished_again_ns", "outcome", "error", "boot_id", "pid",
    "pool_seen", "sockets_patched", "gil_enabled", "blocked_ns",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The pools and processes that ran a trial's jobs, as recorded by the slots."""

    #: Pool classes, as module:name.
    pools_seen: tuple[str, ...] = ()
    #: Processes that ran at least one job; for several trials, the maximum.
    processes: int = 0
    #: Whether sockets were patched for greenlets in all processes; None if no job reports it.
    sockets_patched: bool | None = None
    #: Whether the GIL was on in any process; None if no job reports it.
    gil_enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTimes:
    """The latencies of one part's jobs in a trial; None without a job."""

    wait_s: Percentiles | None = None
    execution_s: Percentiles | None = None
    response_s: Percentiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """One contender × one workload × one repetition."""

    trial: int
    #: The repetition, from 0.
    block: int
    contender: str
    workload: str
    is_pilot: bool = False
    #: Unix ns; None for a trial that was interrupted.
    start_ns: int | None = None
    end_ns: int | None = None
    ledger: Ledger = field(default_factory=Ledger)
    measure: str = "capacity"
    #: Step of a search, from 0; share of the sustained rate, for a point of a load curve.
    step: int | None = None
    load_share: float | None = None
    #: If jobs arrived at a rate: the rate, whether it was sustained, and the reasons why not.
    rate_per_s: float | None = None
    is_sustained: bool | None = None
    why_not_sustained: tuple[Reason, ...] = ()
    #: The bounds of the SLO, if jobs arrived at a given rate.
    targets: tuple[Target, ...] = ()
    #: Part of a mix → its latencies; only the execution, if a wait is the place in the queue.
    parts: Mapping[str, PartTimes] = field(default_factory=dict)
    #: Whether it is a repetition of its row; other trials belong to a search or a load curve.
    is_shown: bool = True
    #: The trial that it measures once more, and whether it is such a trial itself: figures use the
    #: later one, unless the first is invalid.
    repeats: int | None = None
    is_replaced: bool = False
    throughput_per_s: float | None = None
    wait_s: Percentiles | None = None
    execution_s: Percentiles | None = None
    ceiling_per_s: float | None = None
    cpu_s_per_1000_jobs: float | None = None
    pss_bytes: int | None = None
    peak_in_flight: int = 0
    #: The figures of the worker itself, where they are the measure.
    start: StartFigures | None = None
    idle: IdleFigures | None = None
    ping: PingFigures | None = None
    #: Shares of the machine's CPU that other processes used, and that the host took away.
    foreign_cpu_share: float | None = None
    stolen_cpu_share: float | None = None
    #: Step of the wall clock during the trial, seconds.
    clock_step_s: float | None = None
    #: CPU-seconds by who spent them, and the name of the foreign process that spent most.
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    largest_foreign: str = ""
    mark: Severity = Severity.NOTE
    reasons: tuple[Reason, ...] = ()

    @property
    def is_repetition(self) -> bool:
        """Whether it is a valid repetition of its row."""
        return not self.is_pilot and self.is_shown and self.mark is not Severity.INVALID

    @property
    def processes_cpu_share(self) -> float | None:
        """Share of the machine's CPU that processes of others took; None if unknown."""
        share = self.foreign_cpu_share
        return None if share is None else share - (self.stolen_cpu_share or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(TrialSummary):
    """A trial with all figures that rows and analyses use."""

    is_backlog: bool
    workers_up: int | None
    figures: Figures
    evidence: Evidence
    connections: int | None
    #: Most processes of the worker's tree at once, without the probe's recorder.
    processes: int | None
    #: What its contender's limits did; None without limits.
    limits: LimitedTrial | None
    #: CPU-seconds of the probe's recorder per 1,000 jobs done.
    recorder_cpu_s_per_1000_jobs: float | None
    #: CPU-seconds of one job without Celery, in the contender's own Python; None for waits.
    gauged_s: float | None
    #: Redis commands, and bytes to and from Redis, per job done.
    redis_commands_per_job: float | None
    redis_bytes_per_job: float | None
    #: For a user's app: mean number of executions of a job, with all that it leads to.
    executions_per_job: float | None
    #: Raw times by name, ns: see `report.trials.latency_spans`; empty for a pilot.
    spans: Mapping[str, pl.Series]
    #: The waits of its jobs by cause (`report.trials.wait_causes`); None if they show nothing.
    waits: pl.DataFrame | None
    #: How far jobs started in the order of their priorities; None without priorities.
    start_order: StartOrder | None
    #: Part of a mix → its spans; only the execution, if a wait is the place in the queue.
    part_spans: Mapping[str, Mapping[str, pl.Series]]
    blocking: TrialBlocking
    levels: TrialLevels
    #: Figures of each group of a contender with groups, by its name.
    groups: Mapping[str, GroupTrial] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Whether figures use the trial."""
        return self.mark is not Severity.INVALID

    @property
    def summary(self) -> TrialSummary:
        """The part of the trial that the run's result contains."""
        return TrialSummary(**{one.name: getattr(self, one.name) for one in fields(TrialSummary)})

    @property
    def is_jobless(self) -> bool:
        """Whether its workload has no jobs of the user's, and so no throughput and no latency."""
        return self.measure in JOBLESS_MEASURES

    @property
    def ceiling_share(self) -> float | None:
        """Throughput as a share of the ceiling."""
        per_s = self.throughput_per_s
        return per_s / self.ceiling_per_s if per_s and self.ceiling_per_s else None

    @property
    def busy_cores(self) -> float | None:
        """Mean number of cores that the worker's processes used."""
        per_s, cost_s = self.figures.throughput_per_s, self.cpu_s_per_1000_jobs
        return per_s * cost_s / 1_000 if per_s and cost_s else None

    @property
    def per_busy_core_per_s(self) -> float | None:
        """Jobs per second for each busy core of the worker, which is jobs per CPU-second."""
        cost_s = self.cpu_s_per_1000_jobs
        return 1_000 / cost_s if cost_s else None

    @property
    def per_gb_per_s(self) -> float | None:
        """Jobs per second for each gigabyte (10^9 bytes) of the worker's PSS."""
        per_s, pss_bytes = self.figures.throughput_per_s, self.pss_bytes
        return per_s / (pss_bytes / 1e9) if per_s and pss_bytes else None


def measure_trials(
    manifest: Manifest,
    *,
    records: TrialRecords,
    samples: pl.DataFrame,
    published: pl.DataFrame | None = None,
) -> list[Trial]:
    """Return the run's trials, including pilots, in the order of the manifest.

    ``published`` has the messages that the jobs of a user's app have published
    (`collector.job_trees`); None without an app.

    Raises:
        StorageError: if the records can't be read.
    """
    samples_by_trial = _by_trial(samples.sort("trial", "contender", "t_ns"))
    entries = {entry.plan.trial: entry for entry in manifest.trials}
    sent = {trial: entry.result.sent for trial, entry in entries.items()}
    # a repeat that was interrupted replaces nothing, and doesn't count itself
    repeated = {
        entry.plan.repeats if entry.result.end_ns else trial
        for trial, entry in entries.items()
        if entry.plan.repeats is not None
    }

    def measure(trial: int, found: pl.DataFrame, account: Ledger) -> Trial:
        return _measure(
            entries[trial],
            ledger=account,
            records=found,
            samples=samples_by_trial.get(trial, samples.clear()),
            manifest=manifest,
            is_repeated=trial in repeated,
            published=published,
        )

    # the id is long, and only the messages of an app are followed by it
    columns = COLUMNS if published is None else (*COLUMNS, "task_id")
    measured: dict[int, Trial] = {}
    for window in records.windows(columns=columns):
        accounts = ledgers(window, sent=sent, published=published)
        for trial, found in _by_trial(window).items():
            if trial in entries:
                measured[trial] = measure(trial, found, accounts[trial])
    nothing = RECORD_SCHEMA.to_frame().select(columns)
    accounts = ledgers(nothing, sent=sent, published=published)
    return [measured.get(trial) or measure(trial, nothing, accounts[trial]) for trial in entries]


def free_threaded(manifest: Manifest) -> dict[str, Interpreter]:
    """Return contender → its Python, for contenders whose Python can run without the GIL."""
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
    manifest: Manifest,
    is_repeated: bool,
    published: pl.DataFrame | None,
) -> Trial:
    plan, result = entry.plan, entry.result
    # a job of an app is its first message: what that leads to keeps slots busy, and ends the job
    jobs, executions_per_job = records, None
    if published is not None:
        found_jobs = trees(records, published=published.filter(pl.col("trial") == plan.trial))
        jobs = root_executions(records, jobs=found_jobs)
        executions_per_job = statistics.fmean(found_jobs["executions"]) if len(found_jobs) else None
    is_backlog = plan.arrivals == "burst"
    evidence = _evidence(records)
    workload = manifest.workload(plan.workload)
    is_replay = workload is not None and workload.recorded is not None
    verdict: RateVerdict | None = None
    targets: tuple[Target, ...] = ()
    late: Reason | None = None
    is_jobless = plan.measure in JOBLESS_MEASURES
    if is_jobless:
        # the jobs of a start prove its slots, and have no figures of their own
        records, jobs = records.clear(), jobs.clear()
    found = figures(jobs, slots=plan.slots, is_capacity=is_backlog, peak=peak_in_flight(records))
    if is_jobless:
        found = replace(found, reasons=())
    if is_replay:
        found = replace(found, wait_s=percentiles(_waits_ns(jobs)))
    if not is_backlog:
        slo = slo_of(workload, slo=manifest.slo) if workload else {}
        verdict, targets, late = _judge_rate(plan, records=jobs, slo=slo, is_replay=is_replay)
    part_spans = {} if plan.is_pilot else _part_spans(jobs, workload=workload)
    no_gil = free_threaded(manifest).get(plan.contender)
    reasons = (
        *_invalid(entry, ledger=ledger, evidence=evidence, no_gil=no_gil, late=late),
        *manifest.settings_unmet.get(plan.contender, ()),
        *_unstable(result, ledger=ledger, found=found),
    )
    every = samples.filter(pl.col("contender") == plan.contender)
    own = every.filter(pl.col("is_after").is_null() | ~pl.col("is_after"))
    contender = next(one for one in manifest.contenders if one.name == plan.contender)
    is_left_out = plan.is_pilot or is_jobless or not has_causes(plan)
    disturbance, redis, mark = result.disturbance, result.redis, strongest(reasons)
    done = 0 if is_jobless else ledger.done
    return Trial(
        trial=plan.trial,
        block=plan.block,
        contender=plan.contender,
        workload=plan.workload,
        is_pilot=plan.is_pilot,
        start_ns=result.start_ns,
        end_ns=result.end_ns,
        ledger=ledger,
        measure=plan.measure if verdict or plan.measure in WORKER_MEASURES else "capacity",
        step=plan.step if verdict else None,
        load_share=plan.load_share if verdict else None,
        repeats=plan.repeats,
        is_replaced=is_repeated and (mark is not Severity.INVALID or plan.repeats is not None),
        rate_per_s=plan.rate_per_s if verdict else None,
        is_sustained=verdict.is_sustained if verdict else None,
        why_not_sustained=verdict.reasons if verdict else (),
        targets=targets,
        parts={
            part: PartTimes(**{f"{name}_s": percentiles(span) for name, span in spans.items()})
            for part, spans in part_spans.items()
        },
        throughput_per_s=_figure_per_s(plan, found=found, verdict=verdict),
        wait_s=found.wait_s,
        execution_s=found.execution_s,
        ceiling_per_s=(
            None
            if is_jobless
            else _ceiling_per_s(entry, cores=_cores(manifest, contender=plan.contender))
        ),
        start=result.start,
        idle=result.idle,
        ping=measure_pings(result.ping),
        cpu_s_per_1000_jobs=_per_job(_spent(own["cpu_s"]), jobs=done, times=1_000),
        pss_bytes=_last(own["pss_bytes"]),
        peak_in_flight=found.peak_in_flight,
        foreign_cpu_share=disturbance.foreign_cpu_share if disturbance else None,
        stolen_cpu_share=disturbance.stolen_cpu_share if disturbance else None,
        clock_step_s=disturbance.clock_step_s if disturbance else None,
        cpu_s=disturbance.cpu_s if disturbance else {},
        largest_foreign=disturbance.largest_foreign if disturbance else "",
        mark=mark,
        reasons=reasons,
        is_backlog=is_backlog,
        workers_up=plan.workers_up,
        figures=found,
        evidence=evidence,
        connections=_last(own["connections"]),
        processes=max(known(own["processes"]).to_list(), default=None),
        limits=_limits(result),
        recorder_cpu_s_per_1000_jobs=_per_job(
            _spent(own["recorder_cpu_s"]), jobs=done, times=1_000
        ),
        gauged_s=_gauged_s(result),
        redis_commands_per_job=_per_job(redis.commands if redis else None, jobs=done),
        redis_bytes_per_job=_per_job(redis.net_bytes if redis else None, jobs=done),
        executions_per_job=executions_per_job,
        spans={}
        if plan.is_pilot
        else _spans(_without_later_sends(jobs, plan=plan), is_replay=is_replay),
        waits=(
            None if is_left_out else wait_causes(jobs, plan=plan, contender=contender, busy=records)
        ),
        start_order=None if is_left_out else start_order(jobs, plan=plan),
        part_spans=part_spans,
        blocking=measure_blocking(records),
        levels=(
            TrialLevels() if plan.is_pilot or is_jobless else measure_levels(every, records=records)
        ),
        groups=(
            {}
            if is_jobless
            else _groups(plan, contender=contender, records=records, samples=samples)
        ),
    )


def _groups(
    plan: PlannedTrial, *, contender: Contender, records: pl.DataFrame, samples: pl.DataFrame
) -> dict[str, GroupTrial]:
    """Return the figures of the groups of a contender that has any."""
    if plan.is_pilot:
        return {}
    own = {
        group.name: samples.filter(pl.col("contender") == f"{plan.contender}/{group.name}")
        for group in contender.groups
    }
    return measure_groups(
        contender,
        records=records,
        is_capacity=plan.arrivals == "burst",
        cpu_s={name: _spent(found["cpu_s"]) for name, found in own.items()},
        pss_bytes={name: _last(found["pss_bytes"]) for name, found in own.items()},
    )


def _judge_rate(
    plan: PlannedTrial, *, records: pl.DataFrame, slo: SloByPart, is_replay: bool
) -> tuple[RateVerdict, tuple[Target, ...], Reason | None]:
    """Return whether a rate was sustained, its targets, and the reason if jobs were sent too late.

    A given rate is sustained by a contender that keeps up, whether it meets the targets or not; the
    rate that a search looks for is one that meets them.
    """
    jobs, is_given = by_job(records), plan.measure == "rate"
    if is_replay:
        jobs = from_countdowns(jobs)
    bounds: SloByPart = {} if is_given else slo
    verdict = judge_rate(
        jobs, jobs=plan.count, slots=plan.slots, slo=bounds, later_parts=predecessors(plan)
    )
    targets = judge_targets(jobs, slo=slo, jobs=plan.count) if is_given else ()
    # late jobs can't cause a rate to be sustained
    is_met = plan.step is not None and verdict.is_sustained
    return verdict, targets, None if is_met else late_reason(jobs)


def _without_later_sends(records: pl.DataFrame, *, plan: PlannedTrial) -> pl.DataFrame:
    """Return the records without the time of sending where a worker sent the message.

    The record of a later link of a chain has that of the first one.
    """
    later = predecessors(plan)
    if not later:
        return records
    is_later = pl.col("part").is_in(later.keys()).fill_null(value=False)
    return records.with_columns(sent_ns=pl.when(~is_later).then("sent_ns"))


def _part_spans(
    records: pl.DataFrame, *, workload: Workload | None
) -> dict[str, dict[str, pl.Series]]:
    if workload is None:
        return {}
    names = JOB_SPANS if workload.has_waits_by_part else ("execution",)
    is_replay = workload.recorded is not None
    return {
        part: _spans(records.filter(pl.col("part") == part), names=names, is_replay=is_replay)
        for part in workload.part_names
    }


def _spans(
    records: pl.DataFrame, *, names: Collection[str] = tuple(SPANS), is_replay: bool
) -> dict[str, pl.Series]:
    """Return the spans of a trial; the waits of a replay begin when countdowns end."""
    spans = measure_spans(records, names=names)
    return {**spans, "wait": _waits_ns(records)} if is_replay and "wait" in spans else spans


def _waits_ns(records: pl.DataFrame) -> pl.Series:
    return from_countdowns(by_job(records))["wait_ns"].drop_nulls()


def _figure_per_s(
    plan: PlannedTrial, *, found: Figures, verdict: RateVerdict | None
) -> float | None:
    """Return the trial's figure for its row: the throughput; for a search, the sustained rate."""
    if verdict is None or plan.measure != "sustain":
        return found.throughput_per_s
    return plan.rate_per_s if verdict.is_sustained else None


def _invalid(
    entry: TrialEntry,
    *,
    ledger: Ledger,
    evidence: Evidence,
    no_gil: Interpreter | None,
    late: Reason | None,
) -> list[Reason]:
    """Return the reasons why a trial is invalid."""
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
    if late:
        reasons.append(late)
    if no_gil is not None and evidence.gil_enabled and not plan.is_pilot:
        packages = no_gil.gil_turned_on_by
        reasons.append(
            Reason.of(Code.GIL_TURNED_ON, packages=packages, path=no_gil.path)
            if packages
            else Reason.of(Code.GIL_ON)
        )
    return reasons


def _unstable(result: TrialResult, *, ledger: Ledger, found: Figures) -> list[Reason]:
    """Return the reasons why a trial is unstable, but not invalid."""
    reasons = [*disturbances(result)]
    if ledger.failed:
        reasons.append(Reason.of(Code.JOBS_FAILED, failed=ledger.failed, sent=ledger.sent))
    return [*reasons, *(found.reasons if ledger.done else ())]


def _cores(manifest: Manifest, *, contender: str) -> float:
    """Return the number of cores that a contender's workers may use at once."""
    quotas = [one.cpus for one in manifest.contenders if one.name == contender and one.cpus]
    return min([float(int(manifest.machine.cores)), *quotas])


def _limits(result: TrialResult) -> LimitedTrial | None:
    if result.limits is None:
        return None
    start_ns, end_ns = result.start_ns, result.end_ns
    duration_s = (end_ns - start_ns) / 1e9 if start_ns and end_ns else None
    return LimitedTrial(use=result.limits, duration_s=duration_s)


def _ceiling_per_s(entry: TrialEntry, *, cores: float) -> float | None:
    """Return the smaller of slots ÷ (wait + CPU-seconds) and cores ÷ CPU-seconds, per job.

    The slots alone limit a job that only waits. If there are enough slots, the cores limit a job
    that only computes. The GIL is not part of the ceiling: a run measures its effect.
    """
    slots = entry.plan.slots
    wait_s, cpu_s = entry.plan.ideal_wait_s or 0.0, _gauged_s(entry.result) or 0.0
    if not slots or not wait_s + cpu_s:
        return None
    by_slots_per_s = slots / (wait_s + cpu_s)
    return min(by_slots_per_s, cores / cpu_s) if cpu_s else by_slots_per_s


def _gauged_s(result: TrialResult) -> float | None:
    """Return the mean CPU-seconds of a job without Celery, from before and after the trial."""
    both = [result.cost_before.cpu_s, result.cost_after.cpu_s]
    known = [gauge_s for gauge_s in both if gauge_s]
    return statistics.fmean(known) if known else None


def _last(seen: pl.Series) -> int | None:
    return next(reversed(known(seen).to_list()), None)


def _spent(cumulative_s: pl.Series) -> float | None:
    """Return last - first; None if the last is smaller, because processes ended uncounted."""
    seen_s = known(cumulative_s).to_list()
    if len(seen_s) < 2 or seen_s[-1] < seen_s[0]:
        return None
    return float(seen_s[-1] - seen_s[0])


def _evidence(records: pl.DataFrame) -> Evidence:
    patched = known(records["sockets_patched"])
    gil = known(records["gil_enabled"])
    return Evidence(
        pools_seen=tuple(sorted(known(records["pool_seen"].unique()).to_list())),
        processes=known(records["pid"]).n_unique(),
        sockets_patched=bool(patched.all()) if len(patched) else None,
        gil_enabled=bool(gil.any()) if len(gil) else None,
    )


def _per_job(total: float | None, *, jobs: int, times: int = 1) -> float | None:
    return None if total is None or not jobs else times * total / jobs
